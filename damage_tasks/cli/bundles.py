"""``python -m model_store``: list, show, verify, pull, publish and roll out bundles."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from damage_tasks.cli.error_exit import run
from damage_tasks.cli.rollout import cli as rollout
from damage_tasks.errors import BundleError, BundleUnavailable
from damage_tasks.telemetry import one_line, redact
from model_store.bundle import Bundle, damage_bundle, redaction_bundle
from model_store.manifest import BundleManifest, Gate, Manifest, RedactionManifest, RedactNetwork

if TYPE_CHECKING:
    from model_store.bundle_listing import ListedBundle, Serving

cli = typer.Typer(
    name="model_store",
    help="Bundles of networks: list, show, verify, pull, publish and roll them out. A bundle is "
    "`default`, a folder, s3://bucket/name/version or https://host/name/version.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

cli.add_typer(rollout)

Uri = Annotated[str, typer.Argument(metavar="BUNDLE", help="default, a folder, s3:// or https://")]


@cli.command("list")
def list_(
    store: Annotated[str, typer.Argument(help="A folder or s3://bucket/prefix.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array.")] = False,
) -> None:
    """List the bundles in a store: origin, publisher, main figures, and where they serve.

    `from` is what a bundle was trained from, `data` the digest of its training photos and labels,
    `code` the version that wrote it. `serves` is the percentage of photos that the pointer next to
    the versions gives to it. `show` has the details of one.
    """
    from damage_tasks.cli import bundle_table
    from damage_tasks.storage.aws_clients import new_client
    from model_store.bundle_listing import list_bundles, serving

    def unreadable(error: BundleError) -> None:
        print(f"not listed: {redact(str(error))}", file=sys.stderr)

    bundles = list(list_bundles(store, new_client, unreadable))
    if not bundles:
        print(f"there are no bundles in {redact(store)}", file=sys.stderr)
    served = serving(bundles, new_client, _say_unknown_serving)
    if as_json:
        found = [bundle_table.as_json(b.manifest, b.digest, b, served.get(b.uri)) for b in bundles]
        print(json.dumps(found, indent=1))
        return
    bundle_table.print_bundles(Console(), bundles, served)


@cli.command()
def show(
    uri: Uri = "default",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show one bundle: origin, publisher, where it serves, figures, networks, weights."""
    from damage_tasks.cli import bundle_table

    bundle = _fetch(uri)
    manifest = bundle.manifest
    listed, serving = _in_store(uri, bundle)
    if as_json:
        found = bundle_table.as_json(manifest, bundle.digest, listed, serving)
        print(json.dumps(found, indent=1))
        return
    console = Console(highlight=False)
    console.print(f"[bold]{bundle.label}[/]  {manifest.description}")
    console.print(f"licence: {manifest.licence}\ntrained on: {manifest.training_data}")
    lines = [*bundle_table.lineage_lines(manifest), *bundle_table.figure_lines(manifest, listed)]
    if listed is not None:
        lines += bundle_table.place_lines(listed, serving)
    for line in lines:
        console.print(escape(one_line(line)), soft_wrap=True)
    console.print()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("network", "role", "what it does", "weights", "status"):
        table.add_column(column, overflow="fold")
    for network in manifest.networks:
        table.add_row(network.name, network.role, _what(network), network.weights, network.status)
    console.print(table)
    for name, weights in manifest.weights.items():
        console.print(
            f"\nweights {name}: {weights.file}, {weights.bytes / 1e6:.1f} MB, {weights.format}"
            f"{', ' + weights.architecture if weights.architecture else ''}, "
            f"{weights.input.long_side} px, sha256 {weights.sha256[:12]}..."
        )
    if isinstance(manifest, Manifest):
        console.print(f"\ndamaged from score {manifest.decision.threshold} on")
    console.print(f"golden photos: {len(manifest.golden)}")


@cli.command()
def verify(uri: Uri = "default") -> None:
    """Check a bundle as a worker does: manifest, checksums, weights, golden photos."""
    bundle = _fetch(uri)
    names = _run_golden_photos(bundle)
    print(
        f"ok  {bundle.label}: checksums match, networks load, {len(bundle.manifest.golden)} golden "
        f"photos as expected on {', '.join(names)}"
    )


def _run_golden_photos(bundle: Bundle[BundleManifest]) -> list[str]:
    """The engines on which the bundle's golden photos have the expected outcomes: all of them."""
    if isinstance(bundle.manifest, RedactionManifest):
        from damage_tasks.redaction.redactor import checked_redactor

        return [checked_redactor(redaction_bundle(bundle)).engine]
    from damage_tasks.vision.self_test import open_segmenter
    from model_store.engines import engines_of

    found = damage_bundle(bundle)
    names = engines_of(found.manifest)
    for engine in names:
        open_segmenter(found, engine)
    return names


@cli.command()
def pull(
    uri: Uri,
    cache: Annotated[
        Path | None, typer.Option(help="Folder to keep it in; DAMAGE_BUNDLE_CACHE by default.")
    ] = None,
) -> None:
    """Fetch a bundle into the cache, verified; prints the folder. Resumes a broken download."""
    print(_fetch(uri, cache).folder)


@cli.command()
def publish(
    folder: Annotated[Path, typer.Argument(help="The bundle's folder.")],
    store: Annotated[str, typer.Argument(help="s3://bucket/prefix, or a folder.")],
    evaluation: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Figures of this bundle, written by python -m model_training evaluate; needed if "
            "the manifest has none.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Publish a bundle that was never evaluated.")
    ] = False,
    quantise_with: Annotated[Path | None, typer.Option(hidden=True)] = None,
) -> None:
    """Verify a bundle and put it into a store as STORE/NAME/VERSION; prints its address.

    Weights first, manifest last; a version that exists is never overwritten. A bundle without
    golden photos, licence or training_data is refused.
    """
    from damage_tasks.storage.aws_clients import new_client
    from damage_tasks.storage.aws_identity import caller_arn
    from model_store.bundle import open_any_bundle
    from model_store.publishing import check_evaluated, check_finished
    from model_store.publishing import publish as upload

    if quantise_with:
        how = f"python -m model_training quantise {folder} --photos {quantise_with}"
        print(f"--quantise-with has moved: first {how}", file=sys.stderr)
        raise typer.Exit(2)
    bundle = open_any_bundle(folder)
    check_finished(bundle)
    report = None if force else check_evaluated(bundle, evaluation)
    _run_golden_photos(bundle)
    publisher = caller_arn() if store.startswith("s3://") else ""
    print(upload(bundle, store, new_client, report, publisher))


def _moved(name: str) -> None:
    @cli.command(
        name,
        hidden=True,
        add_help_option=False,
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    )
    def moved() -> None:
        print(f"{name} has moved: python -m model_training {name}", file=sys.stderr)
        raise typer.Exit(2)


for _name in ("train", "evaluate", "export", "average", "quantise", "compare"):
    _moved(_name)


def _fetch(uri: str, cache: Path | None = None) -> Bundle[BundleManifest]:
    from damage_tasks.settings import get_settings
    from damage_tasks.storage.aws_clients import new_client
    from model_store.fetch import fetch_any_bundle

    return fetch_any_bundle(uri, cache or get_settings().bundle_cache, new_client)


def _in_store(
    uri: str, bundle: Bundle[BundleManifest]
) -> tuple[ListedBundle | None, Serving | None]:
    """What the store says about a bundle that was fetched from a folder or S3."""
    from damage_tasks.storage.aws_clients import new_client
    from model_store.bundle_listing import listed_at, serving
    from model_store.rollout import bundle_uri, is_pointer

    if is_pointer(uri):
        uri = bundle_uri(uri, bundle.manifest.version)
    if uri == "default" or urlsplit(uri).scheme not in ("", "file", "s3"):
        return None, None
    try:
        listed = listed_at(uri.rstrip("/"), new_client)
        return listed, serving([listed], new_client, _say_unknown_serving).get(listed.uri)
    except BundleUnavailable as error:
        # The bundle itself is in the cache.
        print(f"publisher and pointer are unknown: {redact(str(error))}", file=sys.stderr)
        return None, None


def _say_unknown_serving(error: BundleError) -> None:
    print(f"where it serves is unknown: {redact(str(error))}", file=sys.stderr)


def _what(network: object) -> str:
    if isinstance(network, Gate):
        side = f", at {network.long_side} px" if network.long_side else ""
        if network.ends_with == "none":
            return f"scores; below {network.threshold} is noted{side}"
        return f"below {network.threshold}: {network.code or network.ends_with}{side}"
    if isinstance(network, RedactNetwork):
        return f"finds {network.subject}s, from {network.threshold} on"
    policy = getattr(network, "policy", None)
    kind = getattr(network, "type", "damage of any type")
    if policy is None:
        return "finds the vehicle"
    low = f", grown down to {policy.low}" if policy.low is not None else ""
    return f"outlines {kind} from {policy.threshold} on{low}"


def main() -> None:
    """Run ``python -m model_store``."""
    run(cli)
