"""``damage-tasks stack``: the embedded stack in the foreground."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


def run(
    folder: Annotated[
        Path, typer.Option("--dir", help="Folder for stack.env, the database and the logs.")
    ] = Path("var"),
    processes: Annotated[
        int | None,
        typer.Option(min=1, help="Number of worker processes; by default one more than cores."),
    ] = None,
    database_url: Annotated[
        str | None,
        typer.Option(help="URL of a PostgreSQL database to use instead of the SQLite file."),
    ] = None,
) -> None:
    """Start a queue, object store, database, worker and Flower; Ctrl-C stops them all.

    In another shell, `set -a; . var/stack.env` makes every command, worker and
    Python program use this stack. It listens on loopback only.

    Example: damage-tasks stack --processes 1
    """
    from damage_tasks.devstack import Stack

    console = Console(stderr=True, highlight=False)
    with console.status("starting the queue, object store, database, worker and Flower"):
        stack = Stack(
            folder, processes=processes, database_url=database_url, show_worker=True, flower=True
        )
        stack.__enter__()
    try:
        shown = stack.env_file
        if shown.is_relative_to(Path.cwd()):
            shown = shown.relative_to(Path.cwd())
        console.print("[bold]The stack is ready.[/] In another shell, run:\n")
        console.print(f"  set -a; . {shown}; set +a")
        console.print("  damage-tasks submit file:///path/to/car.jpg --wait\n")
        if stack.flower:
            console.print(f"Watch the photos in Flower: {stack.flower.url}\n")
        console.print("Ctrl-C stops everything.\n")
        while True:
            stack.check_workers()
            time.sleep(0.5)
    except KeyboardInterrupt:
        pass
    finally:
        with console.status("stopping; finishing photos in progress first"):
            stack.stop()
    console.print("Everything is stopped.")
