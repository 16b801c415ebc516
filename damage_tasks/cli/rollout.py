"""``python -m model_store rollout``: which bundles serve which percentage of the photos."""

from __future__ import annotations

import re
from typing import Annotated, Literal, overload

import typer
from rich.console import Console
from rich.table import Table

from damage_tasks.errors import BundleNotFound, RolloutInvalid, SettingsError
from model_store.rollout import (
    POINTER_FILE,
    NamedBundle,
    Pointer,
    Rollout,
    is_pointer,
    pointer_at,
    rolled_back,
    with_percentages,
)

cli = typer.Typer(
    name="rollout",
    help=f"Roll out a bundle by its pointer, a small document named {POINTER_FILE} next to the "
    "bundle's versions. Workers whose DAMAGE_BUNDLE is the pointer follow it within a minute.",
    no_args_is_help=True,
)

Where = Annotated[
    str | None,
    typer.Option(
        "--pointer",
        metavar="ADDRESS",
        help=f"s3://bucket/name/{POINTER_FILE}, or a file; DAMAGE_BUNDLE by default.",
    ),
]
Reason = Annotated[str, typer.Option(help="Why, shown by `status`.")]


@cli.command("set")
def set_(
    percentages: Annotated[
        list[str],
        typer.Argument(
            metavar="VERSION=PERCENT...",
            help="Percentages of photos, for example 2.1.0=5. The rest, up to 100, goes to the "
            "version that examined all photos before.",
        ),
    ],
    pointer: Where = None,
    reason: Reason = "",
    replace_damaged: Annotated[
        bool,
        typer.Option(
            "--replace-damaged",
            help="Replace a pointer that cannot be read. The percentages must then add up to 100.",
        ),
    ] = False,
) -> None:
    """Set which versions examine which percentage of the photos, chosen by the photo's sha256."""
    place = _pointer(pointer)
    etag = place.etag()
    current = _read(place, replace_damaged) if etag else None
    chosen = {_bundle(place, version): percent for version, percent in _parsed(percentages).items()}
    rollout = with_percentages(current, chosen, reason)
    if rollout == current:
        _show(rollout)
    else:
        _write(place, rollout, etag)


@cli.command()
def back(pointer: Where = None, reason: Reason = "") -> None:
    """Let the version that examined all photos before the roll-out examine all of them again."""
    place = _pointer(pointer)
    etag, current = place.etag(), _read(place)
    _write(place, rolled_back(current, reason), etag)


@cli.command()
def status(pointer: Where = None) -> None:
    """Show which versions examine which percentage of the photos."""
    _show(_read(_pointer(pointer)))


def _parsed(percentages: list[str]) -> dict[str, int]:
    found = {}
    for text in percentages:
        parts = re.fullmatch(r"([^=]+)=(\d{1,3})%?", text)
        if parts is None:
            raise RolloutInvalid(f"{text}: expected VERSION=PERCENT, for example 2.1.0=5")
        if parts[1] in found:
            raise RolloutInvalid(f"{parts[1]} is named twice: give each version one percentage")
        found[parts[1]] = int(parts[2])
    return found


def pointer_address(uri: str | None) -> str:
    """``uri``, or the address in DAMAGE_BUNDLE; raises `SettingsError` if it is not a pointer."""
    from damage_tasks.settings import get_settings

    chosen = uri or get_settings().bundle
    if not is_pointer(chosen):
        raise SettingsError(
            f"{chosen} is not a pointer: give --pointer or set DAMAGE_BUNDLE, for example to "
            f"s3://acme-models/damage/{POINTER_FILE}"
        )
    return chosen


def _pointer(uri: str | None) -> Pointer:
    from damage_tasks.storage.aws_clients import new_client

    return pointer_at(pointer_address(uri), new_client)


@overload
def _read(pointer: Pointer, replace_damaged: Literal[False] = False) -> Rollout: ...
@overload
def _read(pointer: Pointer, replace_damaged: bool) -> Rollout | None: ...
def _read(pointer: Pointer, replace_damaged: bool = False) -> Rollout | None:
    """The present roll-out, or None if it is damaged and may be replaced."""
    try:
        stored = pointer.read()
    except BundleNotFound as error:
        raise BundleNotFound(f"{error}; `rollout set VERSION=100` creates it") from None
    except RolloutInvalid as error:
        if replace_damaged:
            return None
        raise RolloutInvalid(
            f"{error}; if it is damaged, replace it: rollout set VERSION=100 --replace-damaged"
        ) from None
    assert stored is not None
    return stored.rollout


def _bundle(pointer: Pointer, version: str) -> NamedBundle:
    from damage_tasks.storage.aws_clients import new_client
    from model_store.fetch import find_version

    return find_version(pointer.uri, version, new_client)


def _write(pointer: Pointer, rollout: Rollout, replaces: str | None) -> None:
    pointer.write(rollout, replaces)
    _show(rollout)


def _show(rollout: Rollout) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("version", "photos", "digest"):
        table.add_column(column, overflow="fold")
    for share in rollout.shares:
        table.add_row(share.version, f"{share.percent} %", share.digest)
    if rollout.fallback and len(rollout.bundles) > len(rollout.shares):
        table.add_row(rollout.fallback.version, "fallback", rollout.fallback.digest)
    console = Console(highlight=False)
    console.print(table)
    console.print(f"set at {rollout.updated:%Y-%m-%d %H:%M:%S %Z}{_because(rollout.reason)}")


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""
