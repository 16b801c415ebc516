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
        int | None, typer.Option(min=1, help="Worker processes; one for each core by default.")
    ] = None,
    database_url: Annotated[
        str | None, typer.Option(help="A PostgreSQL instead of the SQLite file.")
    ] = None,
) -> None:
    """Start queue, store, database, worker and Flower on this machine; Ctrl-C stops them all.

    In another shell, `set -a; . var/stack.env` makes every command, worker and
    Python prompt use this stack. Nothing listens beyond loopback.

    Example: damage-tasks stack --processes 1
    """
    from damage_tasks.devstack import Stack

    console = Console(stderr=True, highlight=False)
    with console.status("starting queue, store, database, worker and Flower"):
        stack = Stack(
            folder, processes=processes, database_url=database_url, show_worker=True, flower=True
        )
        stack.__enter__()
    try:
        shown = stack.env_file
        if shown.is_relative_to(Path.cwd()):
            shown = shown.relative_to(Path.cwd())
        console.print("[bold]the stack is ready.[/] In another shell:\n")
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
        with console.status("stopping; photos in hand are finished first"):
            stack.stop()
    console.print("everything is stopped.")
