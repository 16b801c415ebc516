"""``python -m benchmarks``: run the benchmarks and write the results."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.benchmark_photos import open_album
from benchmarks.comparison import Change, changes, read_earlier
from benchmarks.goals import Goal, judge
from benchmarks.machine_facts import facts
from benchmarks.measured_engines import auto_engine, available_engines, bundle_label
from benchmarks.measurements import SECTIONS, Run
from benchmarks.report import RESULTS, write
from benchmarks.testbed import open_ground
from damage_tasks.errors import StackError


def main(
    only: Annotated[
        str,
        typer.Option(
            help="Sections: a bare forward, b end to end, c naive designs, "
            "d efficiency, e starts and memory, f scale, g processes and threads, h search "
            "(ten million rows: half an hour, 40 GB of free disk), i receivers of events, "
            "j photos from afar."
        ),
    ] = "abcdefghij",
    seconds: Annotated[float, typer.Option(min=1, help="Seconds of one measurement.")] = 5.0,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of interleaved comparisons.")] = 3,
    out: Annotated[Path, typer.Option(help="Folder for results.")] = RESULTS,
    compare: Annotated[
        Path | None,
        typer.Option(help="JSON of an earlier run; prints what is slower now.", exists=True),
    ] = None,
) -> None:
    """Measure speed and memory on this machine in a single run.

    Draws its photos first (a minute or two; they are kept in var/benchmarks). Writes latest.json,
    latest.md and plots to OUT. Leave the machine idle meanwhile: only ratios within
    one run are meaningful, and only on an otherwise idle machine.
    """  # fmt: skip
    unknown = set(only) - set(SECTIONS)
    if unknown or not only:
        raise typer.BadParameter(f"must be letters of {', '.join(SECTIONS)}", param_hint="--only")
    console = Console(stderr=True, highlight=False)
    try:
        earlier = read_earlier(compare) if compare else {}
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--compare") from None
    machine = facts()
    with console.status("photos") as status:
        album = open_album(advance=lambda n, of: status.update(f"drawing photos: {n} of {of}"))
    failed: list[str] = []
    results = {"machine": machine, "bundle": bundle_label()}
    with console.status("servers") as status, open_ground(album) as ground:
        run = Run(
            ground, say=lambda text: console.print(f"  {text}"), seconds=seconds, rounds=rounds
        )
        run.engines = available_engines()
        results["engine"] = auto_engine()
        for letter in sorted(set(only)):
            status.update(f"section {letter}")
            try:
                SECTIONS[letter](run)
            except (StackError, TimeoutError, subprocess.CalledProcessError) as error:
                # The other sections are still useful, and so are this one's earlier figures.
                failed.append(letter)
                console.print(f"[red]section {letter} failed:[/] {escape(str(error))}")
            results.update(run.results)
            write(results, out)
    goals = judge(results)
    _print_goals(goals)
    if earlier:
        _print_changes(changes(earlier, goals))
    console.print(f"all figures: {out / 'latest.md'}")
    if failed:
        raise typer.Exit(1)


def _print_goals(goals: Iterable[Goal]) -> None:
    table = Table("figure", "goal", "reached", "")
    for goal in goals:
        table.add_row(
            goal.figure, goal.goal, goal.reached, "[green]met" if goal.met else "[red]missed"
        )
    Console().print(table)


def _print_changes(found: Iterable[Change]) -> None:
    table = Table("compared with the earlier run", "before", "now", "better by")
    for change in found:
        colour = "[red]" if change.is_slower else ""
        table.add_row(
            change.figure,
            f"{change.before:.3g}",
            f"{change.now:.3g}",
            f"{colour}{change.gain:+.0%}",
        )
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
