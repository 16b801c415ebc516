"""What the commands that list, replay and drop entries have in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from damage_tasks.languages.english_plurals import counted
from damage_tasks.telemetry import one_line, redact

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
JsonLines = Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")]


def print_rows(
    console: Console,
    whole: Sequence[str],
    folded: Sequence[str],
    rows: Sequence[Sequence[str]],
    min_folded_characters: int,
) -> None:
    """Print a table whose columns ``whole`` come first, followed by ``folded``.

    The text of ``whole`` is never wrapped or cut off, whatever the terminal's width, because ids
    are copied.  The other columns are wrapped, to at least ``min_folded_characters``.
    """
    texts = [[one_line(text) for text in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(whole, *texts, strict=False)]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name, width in zip(whole, widths, strict=True):
        table.add_column(name, no_wrap=True, min_width=width)
    for name in folded:
        table.add_column(name, overflow="fold", min_width=min_folded_characters)
    for row in texts:
        table.add_row(*map(escape, row))
    gaps = len(whole) + len(folded) - 1
    needed = sum(widths) + gaps + len(folded) * min_folded_characters
    console.width = max(console.width, needed)
    console.print(table, highlight=False)


def print_counts(console: Console, noun: str, counts: Counter[str]) -> None:
    """Print the total and, below it, each count, the highest first."""
    console.print(f"{noun}: {counts.total()}", highlight=False)
    for name, count in counts.most_common():
        console.print(f"  {name}: {count}", highlight=False)


def confirm(verb: str, noun: str, counts: Counter[str], *, yes: bool) -> None:
    """Print ``counts`` and ask whether to continue, unless ``yes`` or there is nothing to do.

    Raises `typer.Abort` if the answer is no.
    """
    for name, count in counts.most_common():
        print(f"{redact(name)}: {count}")
    if counts and not yes:
        typer.confirm(f"{verb} {counted(counts.total(), noun)}?", abort=True)
