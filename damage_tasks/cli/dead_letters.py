"""``damage-tasks dead-letters``: list failed messages, and replay or drop them."""

from __future__ import annotations

import base64
import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, replace
from fnmatch import fnmatchcase
from typing import Annotated, Any

import typer
from rich.console import Console

from damage_tasks.cli.identifiers import id_or_none, ids_or_none
from damage_tasks.cli.listing import JsonLines, Yes, confirm, print_counts, print_rows
from damage_tasks.cli.points_in_time import Period, parse_period
from damage_tasks.errors import InspectionNotFound, QueueUnavailable
from damage_tasks.settings import get_settings
from damage_tasks.sqs.dead_letters import DeadLetter, DeadLettersOfQueues, dead_letters_of
from damage_tasks.sqs.queues import check_queues, sqs_client
from damage_tasks.telemetry import one_line, redact, redacted

cli = typer.Typer(help="List, show, replay and drop dead letters.", no_args_is_help=True)

GIVE_UP_AFTER_LETTERS = 3  # if the first ones all fail
MIN_URL_COLUMN_CHARACTERS = 20  # characters of the column of URLs

Reason = Annotated[
    list[str] | None, typer.Option(help="Only letters with this reason code; may be repeated.")
]
Photo = Annotated[
    str | None, typer.Option(help="Only photos whose URL matches; use * and ? as wildcards.")
]
Since = Annotated[
    str | None, typer.Option(help="Only letters sent after this: 2h, 3d or 2026-11-22.")
]
Until = Annotated[
    str | None, typer.Option(help="Only letters sent before this: 2h, 3d or 2026-11-22.")
]
Id = Annotated[
    list[str] | None,
    typer.Option("--id", help="Only this id; may be repeated.", callback=ids_or_none),
]
Limit = Annotated[int | None, typer.Option(min=1, help="Maximum number of letters to read.")]


@cli.command("list")
def list_(
    reason: Reason = None,
    photo: Photo = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = None,
    as_json: JsonLines = False,
) -> None:
    """List dead letters with their reasons, and count them by reason.

    Example: damage-tasks dead-letters list --reason retries_exhausted --since 2h
    """
    period = parse_period(since, until)
    letters = _letters()
    counts: Counter[str] = Counter()
    shown_letters: list[dict[str, Any]] = []
    with letters.held(limit) as held:
        for letter in _matching(held, reason, photo, period):
            counts[letter.reason] += 1
            if as_json:
                print(json.dumps(_shown(letter)))
            else:
                shown_letters.append(_shown(letter))
    if as_json:
        return
    console = Console()
    if shown_letters:
        _print_table(console, shown_letters)
    print_counts(console, "dead letters", counts)


@cli.command()
def show(
    id: Annotated[str, typer.Argument(help="The inspection's id.", callback=id_or_none)],
) -> None:
    """Show one dead letter: its message and the recorded inspection."""
    letter = find_dead_letter(id)
    if letter is None:
        raise InspectionNotFound(f"no dead letter {id}")
    print(json.dumps(letter, indent=1))


def find_dead_letter(id: str) -> dict[str, Any] | None:
    """The dead letter of inspection ``id`` as plain data without secrets; None if there is none.

    Its ``message`` is the parsed body, with the call that Celery sends in base64 decoded.
    """
    with _letters().held() as held:
        for letter in _with_reasons(held):
            if letter.id == id:
                return {**_shown(letter), "message": redacted(_readable(letter.body))}
    return None


@cli.command()
def replay(
    reason: Reason = None,
    photo: Photo = None,
    since: Since = None,
    until: Until = None,
    id: Id = None,
    limit: Limit = None,
    yes: Yes = False,
) -> None:
    """Send dead letters to the queue again, under the same ids.

    A photo that already has a verdict is not counted twice.

    Example: damage-tasks dead-letters replay --reason retries_exhausted
    """
    filters = (reason, photo, parse_period(since, until))
    _each("replay", DeadLettersOfQueues.replay, yes, id, limit, filters)


@cli.command()
def drop(
    reason: Reason = None,
    photo: Photo = None,
    since: Since = None,
    until: Until = None,
    id: Id = None,
    limit: Limit = None,
    yes: Yes = False,
) -> None:
    """Delete dead letters permanently; their inspections keep the reason."""
    filters = (reason, photo, parse_period(since, until))
    _each("drop", DeadLettersOfQueues.drop, yes, id, limit, filters)


def _each(
    verb: str, act: Any, yes: bool, ids: list[str] | None, limit: int | None, filters: Any
) -> None:
    letters = _letters()
    with letters.held(limit) as held:
        chosen = [x for x in _matching(held, *filters) if not ids or x.id in ids]
        confirm(verb, "dead letter", Counter(letter.reason for letter in chosen), yes=yes)
        failed: list[DeadLetter] = []
        for letter in chosen:
            try:
                act(letters, letter)
            except QueueUnavailable as error:
                failed.append(letter)
                print(one_line(f"{letter.id} stays: {error}"), file=sys.stderr)
                # None has succeeded, so the letters are not the cause.
                if failed == chosen[:GIVE_UP_AFTER_LETTERS]:
                    raise
    print(f"{verb}: {len(chosen) - len(failed)}")
    if failed:
        raise typer.Exit(1)


def _letters() -> DeadLettersOfQueues:
    sqs = sqs_client()
    return dead_letters_of(sqs, check_queues(sqs, get_settings()).values())


def _matching(
    held: Iterator[DeadLetter], reasons: list[str] | None, photo: str | None, period: Period
) -> Iterator[DeadLetter]:
    first, last = period
    for letter in _with_reasons(held):
        if reasons and letter.reason not in reasons:
            continue
        if photo and not fnmatchcase(letter.photo_url or "", photo):
            continue
        if (first and letter.sent < first) or (last and letter.sent > last):
            continue
        yield letter


def _with_reasons(held: Iterator[DeadLetter]) -> Iterator[DeadLetter]:
    from damage_tasks.results.celery_backend import open_inspections

    inspections = open_inspections()
    for letter in held:
        known = inspections.find(letter.id)
        # Where the last attempt could not be stored, the reason of the one before may be known.
        last = inspections.find_progress(letter.id) if known is None else None
        if known is not None:
            yield replace(
                letter,
                reason=known.reason.code if known.reason else str(known.verdict),
                text=known.reason.text if known.reason else "",
                attempts=known.attempts,
                finished=known.finished_at.isoformat() if known.finished_at else None,
            )
        elif last is not None and last.reason is not None:
            yield replace(
                letter, reason=last.reason.code, text=last.reason.text, attempts=last.attempts
            )
        else:
            yield letter


def _shown(letter: DeadLetter) -> dict[str, Any]:
    shown = asdict(letter)
    del shown["body"], shown["receipt"], shown["metadata"]
    shown["sent"] = letter.sent.isoformat(timespec="seconds")
    shown["photo_url"] = redact(letter.photo_url) if letter.photo_url else None
    return shown


def _readable(body: str) -> Any:
    try:
        message = json.loads(body)
        if isinstance(message, dict) and isinstance(message.get("body"), str):
            message["body"] = json.loads(base64.b64decode(message["body"], validate=True))
    except (ValueError, RecursionError):
        return body
    return message


def _print_table(console: Console, letters: list[dict[str, Any]]) -> None:
    keys = ("id", "sent", "reason", "attempts", "photo_url")
    rows = [[str(letter[key] or "") for key in keys] for letter in letters]
    headers = ("id", "sent", "reason", "attempts")
    print_rows(console, headers, ("photo",), rows, MIN_URL_COLUMN_CHARACTERS)
