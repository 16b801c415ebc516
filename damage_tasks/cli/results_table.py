"""Prints results as a table in the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from damage_tasks.inspection import percent
from damage_tasks.languages.english_plurals import counted
from damage_tasks.telemetry import one_line

VERDICT_COLOURS = {"damaged": "yellow", "clean": "green", "rejected": "magenta", "failed": "red"}


def print_results(console: Console, results: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
    """Print one row per photo: name, verdict, damaged areas or reason, seconds."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("photo", overflow="fold")
    add_verdict_columns(table)
    table.add_column("seconds", justify="right")
    for name, result in results:
        seconds = sum(result["timings_ms"].values()) / 1000
        table.add_row(escape(one_line(name)), *verdict_cells(result), f"{seconds:.2f}")
    console.print(table)


def add_verdict_columns(table: Table) -> None:
    """Add the columns of `verdict_cells`: verdict, score and damages."""
    table.add_column("verdict")
    table.add_column("score", justify="right")
    table.add_column("damages", overflow="fold")


def verdict_cells(result: Mapping[str, Any]) -> tuple[str, str, str]:
    """Verdict, score and damages (or the reason) of a result, as rich's markup."""
    verdict, score = result["verdict"], result["damage_score"]
    return (
        f"[{VERDICT_COLOURS[verdict]}]{verdict}[/]",
        "" if score is None else percent(score),
        escape(one_line(describe(result))),
    )


def describe(result: Mapping[str, Any]) -> str:
    """A short summary of the result: "2 dents, 1 scratch", or the reason."""
    if result["reason"]:
        return f"{result['reason']['code']}: {result['reason']['text']}"
    counts = Counter(damage["type"] for damage in result["damages"])
    words = [counted(count, type) for type, count in counts.most_common()]
    quality = result["quality"]
    if quality and quality["reasons"]:
        words.append(f"({', '.join(quality['reasons'])})")
    return ", ".join(words)


def progress_bar(console: Console) -> Progress:
    """A progress bar that counts photos."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    )
