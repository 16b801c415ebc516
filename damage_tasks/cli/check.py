"""``damage-tasks check``: verify that a worker could run on this machine."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import typer
from rich.console import Console
from rich.markup import escape

from damage_tasks.errors import (
    DamageTaskError,
    DatabaseError,
    ExtraMissing,
    QueueUnavailable,
)
from damage_tasks.languages.english_plurals import counted
from damage_tasks.settings import Settings, get_settings

WORKER_MODULES = ("alembic", "cv2", "numpy", "simplejpeg", "torch")
TELLING_MODULE = "simplejpeg"  # few other packages require it
WRONG_MARK = "[red]wrong[/]  "

Check = Callable[[Settings], str]


class NotChecked(Exception):
    """Raised by a check that does not apply to this installation; the text says why."""


def run() -> None:
    """Check that the queue, the store, the database and the bundle can be reached; one line each.

    An installation without the worker's libraries is a caller's: only what callers use is
    checked. The exit status is 1 if any check fails.
    """
    settings = get_settings()
    console = Console(highlight=False, soft_wrap=True)
    for_worker = is_worker_installation()
    failed = False
    for name, check in _checks(settings, for_worker):
        try:
            label, text = "[green]ok[/]     ", check(settings)
        except NotChecked as reason:
            label, text = "[yellow]skipped[/]", str(reason)
        except DamageTaskError as error:
            failed, label, text = True, WRONG_MARK, str(error)
        except ModuleNotFoundError as error:
            failed, label, text = True, WRONG_MARK, str(ExtraMissing.of(error))
        except Exception as error:
            # Report whatever a client library raises, and continue with the other checks.
            failed, label, text = True, WRONG_MARK, f"{type(error).__name__}: {error}"
        console.print(f"{label} {name:<10}{escape(text)}")
    if not for_worker:
        missing = ", ".join(name for name in WORKER_MODULES if find_spec(name) is None)
        console.print(f"This is a caller's installation: it lacks {missing}, which workers need.")
    if failed:
        raise typer.Exit(1)


def _checks(settings: Settings, for_worker: bool) -> list[tuple[str, Check]]:
    checks: list[tuple[str, Check]] = [
        ("queue", _queue if for_worker else _callers_queue),
        ("store", _store if for_worker else _workers_only),
        ("database", _database if for_worker else _callers_database),
        ("bundle", _bundle if for_worker else _workers_only),
    ]
    if settings.redact_bundle is not None:
        checks.append(("redaction", _redaction))
    if settings.evidence_key:
        checks.append(("evidence", _evidence))
    return checks


def is_worker_installation() -> bool:
    """Whether this is a worker's; callers may have most of its libraries for themselves."""
    return find_spec(TELLING_MODULE) is not None


def _workers_only(_: Settings) -> str:
    raise NotChecked("only workers use it: pip install 'damage-tasks[worker]'")


def _callers_queue(settings: Settings) -> str:
    try:
        return _queue(settings)
    except QueueUnavailable as error:
        if "AccessDenied" not in str(error):
            raise
        # Sending is all that a caller needs to be allowed, and the only way to try it is to send.
        raise NotChecked(f"{settings.queue_url} does not let us read its attributes") from None


def _callers_database(settings: Settings) -> str:
    from damage_tasks.results.celery_backend import open_inspections

    if settings.database_url is None:
        raise NotChecked("DAMAGE_DATABASE_URL is not set, so verdicts cannot be read here")
    try:
        _require_file(settings)
        open_inspections().check()
    except ExtraMissing as error:
        raise NotChecked(str(error)) from None
    return f"{_kind(settings)}: verdicts can be read"


def _queue(settings: Settings) -> str:
    from botocore.config import Config

    from damage_tasks.sqs.queues import read_queue
    from damage_tasks.storage.aws_clients import new_client

    settings.require("queue_url")
    patience = Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 1})
    sqs = new_client("sqs", patience, settings.region)
    queues = [read_queue(sqs, url) for url in settings.queue_urls.values()]
    return "; ".join(
        f"{queue.url}: {queue.waiting} waiting, {queue.in_flight} in flight" for queue in queues
    )


def _store(settings: Settings) -> str:
    from damage_tasks.storage.s3 import Bucket

    name = settings.require("bucket")
    Bucket(name).put("checks/damage-tasks", b"", "text/plain")
    return f"s3://{name}: writable"


def _database(settings: Settings) -> str:
    from damage_tasks.results.celery_backend import open_inspections
    from damage_tasks.results.schema_upgrade import revisions

    _require_file(settings)
    open_inspections().check_writable()
    current, newest = revisions(settings.require("database_url"))
    if current != newest:
        raise DatabaseError(f"revision {current}, newest is {newest}; run `damage-tasks migrate`")
    return f"{_kind(settings)}: reachable, revision {current}"


def _require_file(settings: Settings) -> None:
    _, _, file = settings.require("database_url").partition("sqlite:///")
    if file and not Path(file).exists():
        # Opening it would create it.
        raise DatabaseError(f"there is no {file}; run `damage-tasks migrate`")


def _kind(settings: Settings) -> str:
    return settings.require("database_url").split(":", 1)[0].split("+", 1)[0]


def _bundle(settings: Settings) -> str:
    from damage_tasks.wiring import build_segmenter

    segmenter = build_segmenter(settings)
    bundle = segmenter.bundle
    names = ", ".join(network.name for network in bundle.manifest.networks)
    golden = len(bundle.manifest.golden)
    tested = f"{counted(golden, 'golden photo')} passed" if golden else "no golden photos"
    return f"{bundle.label} on {segmenter.engine}: {names}; {tested}"


def _redaction(settings: Settings) -> str:
    from damage_tasks.redaction.redactor import open_redactor

    redactor = open_redactor(settings)
    assert redactor is not None
    manifest = redactor.bundle.manifest
    names = ", ".join(f"{network.name} ({network.status})" for network in manifest.networks)
    return f"{redactor.bundle.label} on {redactor.engine}: {names}"


def _evidence(settings: Settings) -> str:
    from damage_tasks.evidence.signatures import configured_key, key_id_of, public_key_of

    return f"signed with the key {key_id_of(public_key_of(configured_key(settings)))}"
