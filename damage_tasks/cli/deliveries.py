"""``damage-tasks deliveries``: list the deliveries of events, and replay or drop them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from damage_tasks.cli.identifiers import ids_or_none
from damage_tasks.cli.listing import JsonLines, Yes, confirm, print_counts, print_rows
from damage_tasks.cli.points_in_time import parse_period
from damage_tasks.errors import DeliveryNotFound
from damage_tasks.results.delivery import Delivery, DeliverySelection, DeliveryState
from damage_tasks.settings import get_settings
from damage_tasks.telemetry import one_line, redact, redacted

if TYPE_CHECKING:
    from damage_tasks.results.delivery_queue import DeliveryQueue

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
    list[str] | None,
    typer.Option(help="Only events of this inspection; may be repeated.", callback=ids_or_none),
]
Limit = Annotated[
    int | None, typer.Option(min=1, help="Maximum number of deliveries, the latest first.")
]


@cli.command("list")
def list_(
    state: State = None,
    type: Type = None,
    target: Target = None,
    inspection: Inspection = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 100,
    as_json: JsonLines = False,
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
    print_counts(console, "deliveries", Counter(str(delivery.state) for delivery in found))


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
    from damage_tasks.deliveries.trial_event import try_targets

    failed = False
    for name, error in try_targets(get_settings(), target):
        failed = failed or error is not None
        print(one_line(f"{'ok   ' if error is None else 'wrong'} {name} {error or ''}"))
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
    which = _selection(state, type, target, inspection, since, until, id)
    queue = _queue()
    _replay_or_drop("replay", queue, queue.replay, which, limit, yes)


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
    which = _selection(state, type, target, inspection, since, until, id)
    queue = _queue()
    _replay_or_drop("drop", queue, queue.drop, which, limit, yes)


def _replay_or_drop(
    verb: str,
    queue: DeliveryQueue,
    act: Callable[[list[int]], int],
    which: DeliverySelection,
    limit: int | None,
    yes: bool,
) -> None:
    chosen = queue.find(which, limit)
    confirm(verb, "delivery", Counter(delivery.target for delivery in chosen), yes=yes)
    print(f"{verb}: {act([delivery.id for delivery in chosen]) if chosen else 0}")


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
) -> DeliverySelection:
    begin, end = parse_period(since, until)
    return DeliverySelection(
        # Deliveries that are named may be in any state.
        state=None if ids else state,
        ids=ids or (),
        inspection_ids=inspection or (),
        type=type,
        target=target,
        since=begin,
        until=end,
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


def _print_table(console: Console, deliveries: list[dict[str, Any]]) -> None:
    headers, folded = ("id", "state", "type", "attempts", "created_at"), ("target", "error")
    rows = [
        [*(str(shown[name]) for name in headers), *(shown[name] or "" for name in folded)]
        for shown in deliveries
    ]
    print_rows(console, headers, folded, rows, MIN_TEXT_COLUMN_CHARACTERS)
