"""``damage-tasks evidence``: signed files about inspections, and their verification."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from damage_tasks.cli.identifiers import id_or_none, stored_id
from damage_tasks.cli.login_name import login_name
from damage_tasks.cli.output_paths import check_output
from damage_tasks.cli.redact_option import Redact
from damage_tasks.errors import ExtraMissing, InspectionNotFound
from damage_tasks.settings import get_settings
from damage_tasks.telemetry import configure_logging, one_line
from damage_tasks.telemetry.audit_log import audit_log

if TYPE_CHECKING:
    from damage_tasks.evidence.signed_evidence import SignedEvidence

DEFAULT_COMMAND = "make"


class _WithDefaultCommand(TyperGroup):
    """``evidence ID`` is ``evidence make ID``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        is_default = bool(args) and args[0] not in {*self.commands, *ctx.help_option_names}
        return super().parse_args(ctx, [DEFAULT_COMMAND, *args] if is_default else args)


cli = typer.Typer(
    cls=_WithDefaultCommand,
    help="Make signed evidence about an inspection or a case, and verify it. "
    "`evidence ID` is short for `evidence make ID`.",
    no_args_is_help=True,
)

EvidenceFile = Annotated[
    Path, typer.Argument(help="Evidence, JSON or PDF.", exists=True, dir_okay=False)
]


def _public_keys(keys: list[str] | None) -> list[str] | None:
    lower = [key.strip().lower() for key in keys or ()]
    for key in lower:
        if not re.fullmatch("[0-9a-f]{64}", key):
            raise typer.BadParameter("not a public key: it has 64 hexadecimal digits")
    return lower or None


def _is_file(source: str) -> bool:
    try:
        return Path(source).is_file()
    except OSError:  # ids may be longer than the names of files
        return False


def _file_or_id(source: str) -> str:
    return source if _is_file(source) else stored_id(source)


PublicKeyOption = Annotated[
    list[str] | None,
    typer.Option(
        callback=_public_keys,
        help="Public key that must have signed it; may be repeated. By default that of "
        "DAMAGE_EVIDENCE_KEY and those of DAMAGE_EVIDENCE_PUBLIC_KEYS.",
    ),
]


@cli.command(DEFAULT_COMMAND)
def make(
    id: Annotated[
        str | None, typer.Argument(help="Inspection id (= task id).", callback=id_or_none)
    ] = None,
    case: Annotated[
        str | None,
        typer.Option("--case", help="All photos of this case instead.", callback=id_or_none),
    ] = None,
    out: Annotated[
        Path, typer.Option(help="Folder for the files.", file_okay=False, callback=check_output)
    ] = Path(),
    by: Annotated[
        str | None,
        typer.Option(
            help="Who makes it, for the files and the audit log; by default the login name."
        ),
    ] = None,
    redact: Redact = None,
    language: Annotated[
        str, typer.Option(help="Language of the PDF, such as `ko`; the JSON file has none.")
    ] = "en",
) -> None:
    """Write evidence-ID.pdf and evidence-ID.json, both signed with DAMAGE_EVIDENCE_KEY.

    They contain the photo's SHA-256, the overlay and the damaged areas as pictures (also those
    that a person marked), what the networks found with which bundle, people's decisions, which
    verdict counts, and earlier photos of the same car. Existing files are not overwritten.

    Example: damage-tasks evidence 0c1e6c9a-... --out claims

    damage-tasks evidence --case return-4711 --by claims@acme.example --language ko
    """
    if (id is None) == (case is None):
        raise typer.BadParameter("give an inspection id, or --case and the id of a case")
    if redact and get_settings().redact_bundle is None:
        raise typer.BadParameter("needs DAMAGE_REDACT_BUNDLE", param_hint="--redact")
    settings, person = get_settings(), by or login_name()
    configure_logging(settings.log_level, settings.log_format)
    made = _make(id, case, person, redact, language)
    audit_log.info("made evidence", extra={"person": person, "inspection": id, "case": case})
    from damage_tasks.evidence.signed_evidence import evidence_name

    out.mkdir(parents=True, exist_ok=True)
    name = evidence_name(f"case-{case}" if id is None else id)
    for suffix, data in (("pdf", made.pdf), ("json", made.json)):
        path = out / f"{name}.{suffix}"
        with path.open("xb") as file:
            file.write(data)
        print(path)


@cli.command()
def verify(file: EvidenceFile, public_key: PublicKeyOption = None) -> None:
    """Check that a file is as it was signed, and by whom; otherwise print what was changed.

    The exit status is 1 if anything was changed, or if another key signed it.

    Example: damage-tasks evidence verify evidence-0c1e6c9a.pdf
    """
    with _with_extra():
        from damage_tasks.evidence.signatures import key_id_of, trusted_keys
        from damage_tasks.evidence.signed_evidence import read_evidence, verify

    trusted = frozenset(public_key or ()) or trusted_keys(get_settings())
    found = verify(read_evidence(file), trusted)
    for problem in found.problems:
        print(one_line(problem))
    if found.problems:
        raise typer.Exit(1)
    print(f"valid: signed with the key {key_id_of(found.public_key or '')}")


@cli.command()
def rerun(
    source: Annotated[
        str,
        typer.Argument(metavar="FILE|ID", help="Evidence, or inspection id.", callback=_file_or_id),
    ],
    bundle: Annotated[
        str | None,
        typer.Option(
            help="Where the bundle is: a folder or s3://...; by default the cache, DAMAGE_BUNDLE, "
            "or that version next to it."
        ),
    ] = None,
    public_key: PublicKeyOption = None,
) -> None:
    """Examine the same photo with the same bundle again, and say whether the same comes out.

    Photo and bundle must have the SHA-256 that was recorded. Prints every value that differs; the
    exit status is then 1. On another kind of CPU or engine, the last digits of scores may differ.

    Example: damage-tasks evidence rerun evidence-0c1e6c9a.pdf
    """
    settings = get_settings()
    with _with_extra():
        from damage_tasks.evidence.examining_bundle import find_bundle
        from damage_tasks.evidence.rerun import Rerun
    from damage_tasks.wiring import build_segmenter

    networks = cache(
        lambda wanted: build_segmenter(settings, find_bundle(wanted, settings, bundle))
    )
    again = Rerun(settings, networks)
    differs = False
    for recorded, url in _recorded(source, public_key):
        differences = again.differences(recorded, url)
        differs = differs or bool(differences)
        print(one_line(f"{recorded['id']}: {'differs' if differences else 'the same'}"))
        for difference in differences:
            print(one_line(f"  {difference}"))
    if differs:
        raise typer.Exit(1)


@cli.command()
def keygen(
    file: Annotated[Path, typer.Argument(help="New file for the private key.", dir_okay=False)],
) -> None:
    """Make a private key for DAMAGE_EVIDENCE_KEY, and print its public key.

    Give the public key to those who verify evidence.

    Example: damage-tasks evidence keygen evidence.pem
    """
    with _with_extra():
        from damage_tasks.evidence.signatures import key_id_of, load_key, new_key, public_key_of

    pem = new_key()
    file.touch(mode=0o600, exist_ok=False)
    file.write_bytes(pem)
    public_key = public_key_of(load_key(pem.decode()))
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"private key: {file} (keep it secret)", markup=False)
    console.print(f"public key:  {public_key}\nkey id:      {key_id_of(public_key)}")


def _recorded(
    source: str, public_key: list[str] | None
) -> Iterator[tuple[Mapping[str, Any], str | None]]:
    """The results of an evidence file or an inspection, each with the photo's address."""
    from damage_tasks.evidence.signatures import trusted_keys
    from damage_tasks.evidence.signed_evidence import read_evidence, verified_facts
    from damage_tasks.results.celery_backend import open_inspections

    settings = get_settings()
    if _is_file(source):
        trusted = frozenset(public_key or ()) or trusted_keys(settings)
        photos = verified_facts(read_evidence(Path(source)), trusted)["photos"]
    else:
        stored = open_inspections().find(source)
        if stored is None:
            raise InspectionNotFound(f"there is neither a file nor an inspection {source}")
        photos = [stored.to_dict()]
    for recorded in photos:
        # The address in a file has no signature.
        stored = open_inspections().find(recorded["id"]) if settings.database_url else None
        yield recorded, stored.photo_url if stored else recorded["photo"]["url"]


@contextmanager
def _with_extra() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        raise ExtraMissing(
            f"evidence needs {error.name}: pip install 'damage-tasks[evidence]'"
        ) from None


def _make(
    id: str | None, case: str | None, by: str, redact: bool | None, tag: str
) -> SignedEvidence:
    with _with_extra():
        from damage_tasks.evidence.signed_evidence import evidence_of_case, evidence_of_inspection
        from damage_tasks.languages.catalogues import Languages
    from damage_tasks.redaction.redactor import open_redactor
    from damage_tasks.results.celery_backend import open_inspections

    languages = Languages()
    if tag not in languages:
        raise typer.BadParameter(f"{tag} is not one of {languages.tags}", param_hint="--language")
    language = languages[tag]
    store, settings = open_inspections(), get_settings()
    redactor = None if redact is False else open_redactor(settings)
    if id is not None:
        return evidence_of_inspection(store, settings, id, by, redactor, language=language)
    return evidence_of_case(store, settings, case or "", by, redactor, language=language)
