"""``damage-tasks stack``: the embedded stack in the foreground."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from damage_tasks.settings import get_settings
from damage_tasks.settings.database_url import with_driver


def _with_driver(url: str | None) -> str | None:
    try:
        return None if url is None else with_driver(url)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def run(
    folder: Annotated[
        Path, typer.Option("--dir", help="Folder for stack.env, the database and the logs.")
    ] = Path("var"),
    processes: Annotated[
        int | None,
        typer.Option(min=1, help="Number of worker processes; by default as DAMAGE_CONCURRENCY."),
    ] = None,
    database_url: Annotated[
        str | None,
        typer.Option(
            help="URL of a PostgreSQL database to use instead of the SQLite file.",
            callback=_with_driver,
        ),
    ] = None,
    bundle: Annotated[
        str | None,
        typer.Option(
            help="Bundle of the worker: a folder or s3://...; by default DAMAGE_BUNDLE's."
        ),
    ] = None,
    urgent: Annotated[
        bool, typer.Option("--urgent", help="Add a queue for urgent photos.")
    ] = False,
) -> None:
    """Start a queue, object store, database, worker, Flower and the inspectors' page.

    Ctrl-C stops them all.

    In another shell, `set -a; . var/stack.env` makes every command, worker and
    Python program use this stack. It listens on loopback only. A worker that ends is
    started again. Addresses are the same at the next start, if their ports are free. Its parts
    get the DAMAGE_ settings of this shell; it names those that it does not use, such as
    DAMAGE_QUEUE_URL. With DAMAGE_EVENT_TARGETS or DAMAGE_CALLBACK_HOSTS, events are delivered
    too. Buckets in DAMAGE_INTAKE_BUCKETS are created, and photos that are uploaded to them are
    examined.

    Example: damage-tasks stack --processes 1 --bundle my-bundle
    """
    from damage_tasks.devstack import MODELS_BUCKET, Stack
    from damage_tasks.devstack.shell_settings import shell_settings

    console = Console(stderr=True, highlight=False)
    intake_buckets = get_settings().intake_buckets  # also refuses a wrong setting early
    settings = shell_settings(os.environ, bundle=bundle, processes=processes)
    for line in settings.lines:
        console.print(f"[yellow]{escape(line)}[/]", soft_wrap=True)
    stack = Stack(
        folder, processes=processes, database_url=database_url, show_worker=True, flower=True,
        review=True, urgent_queue=urgent, settings=settings.used,
    )  # fmt: skip
    try:
        with console.status("starting the queue, object store, database, worker and Flower"):
            stack.__enter__()
        for bucket in intake_buckets:
            stack.receive_uploads(bucket)
        shown = stack.env_file
        if shown.is_relative_to(Path.cwd()):
            shown = shown.relative_to(Path.cwd())
        console.print("[bold]The stack is ready.[/] In another shell, run:\n")
        console.print(f"  set -a; . {shown}; set +a")
        console.print("  damage-tasks submit file:///path/to/car.jpg --wait\n")
        if stack.flower:
            console.print(f"Watch the photos in Flower: {stack.flower.url}")
        if stack.review:
            console.print(f"Decide about them: {stack.review.url}\n")
        console.print(
            "To publish a bundle of your own: python -m model_store publish FOLDER "
            f"s3://{MODELS_BUCKET}\n", soft_wrap=True
        )  # fmt: skip
        console.print("Ctrl-C stops everything.\n")
        while True:
            for line in stack.start_ended_workers():
                console.print(f"[yellow]{line}[/]")
            time.sleep(0.5)
    except KeyboardInterrupt:
        pass
    finally:
        with console.status("stopping; finishing photos in progress first"):
            stack.stop()
    console.print("Everything is stopped.")
