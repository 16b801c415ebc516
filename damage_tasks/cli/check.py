"""``damage-tasks check``: verify that a worker could run on this machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import typer
from rich.console import Console
from rich.markup import escape

from damage_tasks.errors import DamageTaskError, DatabaseError, ExtraMissing
from damage_tasks.settings import Settings, get_settings


def run() -> None:
    """Check that the queue, the store, the database and the bundle can be reached; one line each.

    The exit status is 1 if any of them cannot.
    """
    settings = get_settings()
    console = Console(highlight=False, soft_wrap=True)
    checks: list[tuple[str, Callable[[Settings], str]]] = [
        ("queue", _queue),
        ("store", _store),
        ("database", _database),
        ("bundle", _bundle),
    ]
    failed = False
    for name, check in checks:
        try:
            answer = check(settings)
        except DamageTaskError as error:
            failed = True
            console.print(f"[red]wrong[/] {name:<9}{escape(str(error))}")
        except ModuleNotFoundError as error:
            failed = True
            console.print(f"[red]wrong[/] {name:<9}{escape(str(ExtraMissing.of(error)))}")
        except Exception as error:
            # Report whatever a client library raises, and continue with the other checks.
            failed = True
            console.print(f"[red]wrong[/] {name:<9}{type(error).__name__}: {escape(str(error))}")
        else:
            console.print(f"[green]ok[/]    {name:<9}{escape(answer)}")
    if failed:
        raise typer.Exit(1)


def _queue(settings: Settings) -> str:
    from botocore.config import Config

    from damage_tasks.sqs.queues import read_queue
    from damage_tasks.storage.aws_clients import new_client

    url = settings.require("queue_url")
    patience = Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 1})
    queue = read_queue(new_client("sqs", patience, settings.region), url)
    return f"{url}: {queue.waiting} waiting, {queue.in_flight} in flight"


def _store(settings: Settings) -> str:
    from damage_tasks.storage.s3 import Bucket

    name = settings.require("bucket")
    Bucket(name).put("checks/damage-tasks", b"", "text/plain")
    return f"s3://{name}: writable"


def _database(settings: Settings) -> str:
    from damage_tasks.results.celery_backend import open_inspections
    from damage_tasks.results.schema_upgrade import revisions

    _, _, file = settings.database_url.partition("sqlite:///")
    if file and not Path(file).exists():
        # Opening it would create it.
        raise DatabaseError(f"there is no {file}; run `damage-tasks migrate`")
    open_inspections().check()
    current, newest = revisions(settings.database_url)
    if current != newest:
        raise DatabaseError(f"revision {current}, newest is {newest}; run `damage-tasks migrate`")
    kind = settings.database_url.split(":", 1)[0].split("+", 1)[0]
    return f"{kind}: reachable, revision {current}"


def _bundle(settings: Settings) -> str:
    from damage_tasks.wiring import build_segmenter

    segmenter = build_segmenter(settings)
    bundle = segmenter.bundle
    names = ", ".join(network.name for network in bundle.manifest.networks)
    golden = len(bundle.manifest.golden)
    tested = f"{golden} golden photos pass" if golden else "no golden photos"
    return f"{bundle.label} on {segmenter.engine}: {names}; {tested}"
