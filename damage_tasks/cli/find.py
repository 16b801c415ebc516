"""``damage-tasks find``: inspections by car, photo, time or result."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from damage_tasks.cli.identifiers import id_or_none, photo_or_none
from damage_tasks.cli.listing import JsonLines
from damage_tasks.cli.points_in_time import parse_period
from damage_tasks.cli.request_list import parse_object
from damage_tasks.cli.results_table import add_verdict_columns, verdict_cells
from damage_tasks.damage import Severity
from damage_tasks.inspection import Verdict
from damage_tasks.inspection_lookup import with_links
from damage_tasks.telemetry import escape_controls, one_line, redacted

if TYPE_CHECKING:
    from damage_tasks.contract import InspectionCriteria, InspectionResult

    Show = Callable[[Iterable[InspectionResult]], None]


def run(
    car_id: Annotated[str | None, typer.Option(help="The metadata's car_id.")] = None,
    rental_id: Annotated[str | None, typer.Option(help="The metadata's rental_id.")] = None,
    case_id: Annotated[
        str | None, typer.Option(help="The case that photos belong to.", callback=id_or_none)
    ] = None,
    metadata: Annotated[
        str | None,
        typer.Option(help='JSON object that the metadata must contain, like `{"plate": "B-7"}`.'),
    ] = None,
    photo: Annotated[
        str | None,
        typer.Option(help="The photo's URL or its SHA-256 in hexadecimal.", callback=photo_or_none),
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Only verdicts since then: 2h, 3d or 2026-11-22.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Only verdicts before then: 2h, 3d or 2026-11-22.")
    ] = None,
    verdict: Annotated[
        list[Verdict] | None, typer.Option(help="Only this verdict; may be repeated.")
    ] = None,
    type: Annotated[str | None, typer.Option(help="Only photos with damage of this type.")] = None,
    severity: Annotated[
        Severity | None,
        typer.Option(help="Only photos with damage of this severity; with --type, the same area."),
    ] = None,
    camera: Annotated[
        str | None, typer.Option(help="The camera's make, or make and model.")
    ] = None,
    min_score: Annotated[
        float | None, typer.Option(min=0, max=1, help="Only damage scores from here.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Inspections of one page.")] = 20,
    cursor: Annotated[
        str | None, typer.Option(help="Continue after a page; it printed its cursor.")
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Show all pages.")] = False,
    as_json: JsonLines = False,
    links: Annotated[
        bool,
        typer.Option("--links", help="With --json: links to the pictures for a browser."),
    ] = False,
) -> None:
    """Find inspections, newest first. Without options, the last ones.

    All options must apply. Only photos with a verdict are found; `show ID` also shows the progress
    of others. Searches by car, rental, photo, verdict and time use an index; other metadata keys
    can have one too (DAMAGE_INDEXED_METADATA).

    Example: damage-tasks find --car-id 7 --since 30d

    damage-tasks find --verdict damaged --type dent --min-score 0.8 --all --json | jq .photo.url

    damage-tasks find --metadata '{"plate": "B-XY 7"}'
    """
    begin, end = parse_period(since, until)
    criteria: InspectionCriteria = {
        "car_id": car_id,
        "rental_id": rental_id,
        "case_id": case_id,
        "metadata": parse_object(metadata, "--metadata") if metadata is not None else None,
        "photo": photo,
        "since": begin,
        "until": end,
        "verdict": cast("Any", [str(one) for one in verdict] if verdict else None),
        "type": type,
        "severity": cast("Any", str(severity) if severity else None),
        "camera": camera,
        "min_score": min_score,
    }
    if links and not as_json:
        raise typer.BadParameter("--links needs --json; `show ID --links` shows one photo's links")
    show: Show = partial(_print_lines, links) if as_json else _print_table
    if all_:
        _show_all(criteria, show, page_size=None if as_json else 1000)
        return
    from damage_tasks import find_inspections

    page = find_inspections(limit=limit, cursor=cursor, **criteria)
    show(page.inspections)
    if page.cursor:
        Console(stderr=True, soft_wrap=True).print(
            f"more: --cursor {page.cursor}, or --all", highlight=False
        )


def _show_all(criteria: InspectionCriteria, show: Show, page_size: int | None) -> None:
    from damage_tasks import iter_inspections

    found = iter_inspections(**criteria)
    if page_size is None:
        show(found)
        return
    while rows := list(islice(found, page_size)):
        show(rows)


def _print_lines(links: bool, found: Iterable[InspectionResult]) -> None:
    for result in found:
        shown: Any = redacted(result)
        # After the redaction, which would remove the signatures.
        text = json.dumps(with_links(shown) if links else shown, ensure_ascii=False)
        print(escape_controls(text, keep="\n"))


def _print_table(found: Iterable[InspectionResult]) -> None:
    """The ids are never wrapped or cut off: they are copied."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("id", no_wrap=True)
    table.add_column("finished", no_wrap=True)
    add_verdict_columns(table)
    table.add_column("photo", overflow="fold")
    width = 0
    for result in found:
        shown: Any = redacted(result)
        id = one_line(shown["id"])
        width = max(width, len(id))
        table.add_row(
            escape(id),
            (shown["finished_at"] or "")[:19],
            *verdict_cells(shown),
            escape(one_line(shown["photo"]["url"] or "")),
        )
    console = Console()
    console.width = max(console.width, width + 80)
    console.print(table, highlight=False)
