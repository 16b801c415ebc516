"""``damage-tasks deliveries``: list the deliveries of events, and replay or drop them."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from damage_tasks.cli.moments import parse_moment
from damage_tasks.errors import DeliveryNotFound
from damage_tasks.inspection import DeliveryState
from damage_tasks.settings import get_settings
from damage_tasks.telemetry import one_line, redact, redacted

if TYPE_CHECKING:
    from damage_tasks.results.delivery_queue import Delivery, DeliveryQueue, Selection

cli = typer.Typer(
    help="List, show, test, replay and drop deliveries of events.", no_args_is_help=True
)

MIN_TEXT_COLUMN_CHARACTERS = 28  # characters of the columns of targets and errors

State = Annotated[
    DeliveryState | None, typer.Option(help="Only deliveries that are in this state.")
]
Type = Annotated[str | None, typer.Option(help="Only this type, such as inspection.failed.")]
Target = Annotated[str | None, typer.Option(help="Only this target: an ARN or a URL.")]
Since = Annotated[
    str | None, typer.Option(help="Only events recorded after this: 2h, 3d or 2026-11-22.")
]
Until = Annotated[
    str | None, typer.Option(help="Only events recorded before this: 2h, 3d or 2026-11-22.")
]
Id = Annotated[list[int] | None, typer.Option("--id", help="Only this delivery; may be repeated.")]
Inspection = Annotated[
    list[str] | None, typer.Option(help="Only events of this inspection; may be repeated.")
]
Limit = Annotated[
    int | None, typer.Option(min=1, help="Maximum number of deliveries, the latest first.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]


@cli.command("list")
def list_(
    state: State = None,
    type: Type = None,
    target: Target = None,
    inspection: Inspection = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 100,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per line.")
    ] = False,
) -> None:
    """List deliveries, the latest first, and count them by state.

    Example: damage-tasks deliveries list --state failed --since 2d
    """
    which = _selection(state, type, target, inspection, since, until)
    found = _queue().find(which, limit)
    if as_json:
        for delivery in found:
            print(json.dumps(_shown(delivery)))
        return
    console = Console()
    if found:
        _print_table(console, [_shown(delivery) for delivery in found])
    console.print(f"deliveries: {len(found)}", highlight=False)
    for name, count in Counter(str(delivery.state) for delivery in found).most_common():
        console.print(f"  {name}: {count}", highlight=False)


@cli.command()
def show(id: Annotated[int, typer.Argument(help="The delivery's id.")]) -> None:
    """Show one delivery with its event."""
    found = _queue().find(_selection(ids=[id]))
    if not found:
        raise DeliveryNotFound(f"no delivery {id}")
    event = redacted(json.loads(found[0].body))
    print(json.dumps({**_shown(found[0]), "event": event}, indent=1))


@cli.command("test")
def try_out(target: Target = None) -> None:
    """Send the event webhook.test to all of DAMAGE_EVENT_TARGETS at once, and print the results.

    The exit status is 1 if a target does not accept it.

    Example: damage-tasks deliveries test --target https://rental.example/hooks/damage
    """
    from damage_tasks.deliveries.trial import try_targets

    failed = False
    for name, error in try_targets(get_settings(), target):
        failed = failed or error is not None
        print(one_line(redact(f"{'ok   ' if error is None else 'wrong'} {name} {error or ''}")))
    if failed:
        raise typer.Exit(1)


@cli.command()
def replay(
    state: State = DeliveryState.FAILED,
    type: Type = None,
    target: Target = None,
    inspection: Inspection = None,
    since: Since = None,
    until: Until = None,
    id: Id = None,
    limit: Limit = None,
    yes: Yes = False,
) -> None:
    """Deliver events again, by default those that failed; their targets are enabled again.

    Receivers recognise a repeated event by its webhook-id.

    Example: damage-tasks deliveries replay --since 2d
    """
    queue = _queue()
    # Deliveries that are named may be in any state.
    which = _selection(None if id else state, type, target, inspection, since, until, id)
    chosen = _chosen("replay", queue, which, limit, yes)
    print(f"replay: {queue.replay(chosen) if chosen else 0}")


@cli.command()
def drop(
    state: State = DeliveryState.FAILED,
    type: Type = None,
    target: Target = None,
    inspection: Inspection = None,
    since: Since = None,
    until: Until = None,
    id: Id = None,
    limit: Limit = None,
    yes: Yes = False,
) -> None:
    """Delete deliveries permanently, by default those that failed."""
    queue = _queue()
    which = _selection(None if id else state, type, target, inspection, since, until, id)
    chosen = _chosen("drop", queue, which, limit, yes)
    print(f"drop: {queue.drop(chosen) if chosen else 0}")


def _chosen(
    verb: str, queue: DeliveryQueue, which: Selection, limit: int | None, yes: bool
) -> list[int]:
    found = queue.find(which, limit)
    for target, count in Counter(delivery.target for delivery in found).most_common():
        print(f"{redact(target)}: {count}")
    if found and not yes:
        typer.confirm(f"{verb} {len(found)} deliveries?", abort=True)
    return [delivery.id for delivery in found]


def _queue() -> DeliveryQueue:
    from damage_tasks.results.delivery_queue import DeliveryQueue

    return DeliveryQueue(get_settings().require("database_url"))


def _selection(
    state: DeliveryState | None = None,
    type: str | None = None,
    target: str | None = None,
    inspection: list[str] | None = None,
    since: str | None = None,
    until: str | None = None,
    ids: list[int] | None = None,
) -> Selection:
    from damage_tasks.results.delivery_queue import Selection

    return Selection(
        state=state,
        ids=ids or (),
        inspection_ids=inspection or (),
        type=type,
        target=target,
        since=parse_moment(since, "--since"),
        until=parse_moment(until, "--until"),
    )


def _shown(delivery: Delivery) -> dict[str, Any]:
    values = asdict(delivery)
    del values["body"], values["destination"]
    for name in ("next_attempt_at", "created_at", "ended_at"):
        values[name] = values[name] and values[name].isoformat(timespec="seconds")
    if delivery.state is not DeliveryState.WAITING:
        values["next_attempt_at"] = None
    return {
        **values,
        "state": str(delivery.state),
        "target": redact(delivery.target),
        "error": delivery.error and redact(delivery.error),
    }


def _print_table(console: Console, rows: list[dict[str, Any]]) -> None:
    """Only targets and errors are wrapped, whatever the terminal's width: ids are copied."""
    names = ("id", "state", "type", "attempts", "created_at")
    cells = [[one_line(str(row[name])) for name in names] for row in rows]
    table = Table(box=None, pad_edge=False, header_style="bold")
    widths = [max(len(name), *(len(row[n]) for row in cells)) for n, name in enumerate(names)]
    for name, width in zip(names, widths, strict=True):
        table.add_column(name, no_wrap=True, min_width=width)
    for name in ("target", "error"):
        table.add_column(name, overflow="fold", min_width=MIN_TEXT_COLUMN_CHARACTERS)
    for row, texts in zip(rows, cells, strict=True):
        target, error = (escape(one_line(row[name] or "")) for name in ("target", "error"))
        table.add_row(*map(escape, texts), target, error)
    gaps = len(names) + 1
    console.width = max(console.width, sum(widths) + gaps + 2 * MIN_TEXT_COLUMN_CHARACTERS)
    console.print(table, highlight=False)
