"""``damage-tasks forget``: erase photos and everything that is known about them."""

from __future__ import annotations

import getpass
import logging
import re
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from damage_tasks.cli.listing import Yes
from damage_tasks.cli.moments import parse_moment
from damage_tasks.errors import QueueUnavailable, QueueUnsafe, SettingsError
from damage_tasks.settings import get_settings
from damage_tasks.telemetry import configure_logging, one_line

if TYPE_CHECKING:
    from damage_tasks.contract import InspectionCriteria
    from damage_tasks.erasure.photo_erasure import ErasureReport
    from damage_tasks.settings import Settings

MAX_COUNTED = 100_000  # inspections; more are not counted before the question
_SHA256 = re.compile(r"[0-9a-f]{64}")
_ALWAYS_ELSEWHERE = (
    "the photos at their senders' addresses",
    "messages still on the queue, whose photos are examined again: repeat this command afterwards",
    "log lines, Sentry, Slack and traces",
    "copies in browsers and in CloudFront, for at most five minutes",
    "exported folders and evidence, and bundles that were trained on the photos",
    "backups of the database and of the bucket",
)

audit = logging.getLogger("erasure.audit")


def run(
    photo: Annotated[
        str | None, typer.Option(help="The photo's SHA-256 in hexadecimal, or its URL.")
    ] = None,
    car: Annotated[str | None, typer.Option(help="The metadata's car_id.")] = None,
    before: Annotated[
        str | None, typer.Option(help="All verdicts before then: 90d or 2026-11-22.")
    ] = None,
    by: Annotated[
        str | None, typer.Option(help="Who erases, for the audit log; by default the login name.")
    ] = None,
    yes: Yes = False,
) -> None:
    """Erase photos: inspections, decisions, events, pictures, kept photos and dead letters.

    Prints how many inspections there are, and asks before it erases them. Pictures that another
    inspection shares stay, unless --photo gives the digest. Afterwards it lists what it could not
    reach. It can be repeated, for example if it was interrupted. The log gets a line of the logger
    erasure.audit.

    Example: damage-tasks forget --car 7 --by privacy@acme.example

    damage-tasks forget --photo 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    """
    criteria = _criteria(photo, car, before)
    from damage_tasks.erasure.photo_erasure import ErasureReport, PhotoEraser
    from damage_tasks.results.celery_backend import open_inspections
    from damage_tasks.results.row_erasure import count_inspections

    settings, store, report = get_settings(), open_inspections(), ErasureReport()
    configure_logging(settings.log_level, settings.log_format)
    audit.setLevel(logging.INFO)
    with store.transaction() as connection:
        found = count_inspections(connection, criteria, MAX_COUNTED)
    print(f"inspections: {found}{' or more' if found == MAX_COUNTED else ''}")
    if not yes:
        typer.confirm("erase them, and all that belongs to them?", abort=True)
    eraser = PhotoEraser(store, settings)
    try:
        if photo is not None and _SHA256.fullmatch(photo):
            eraser.erase_photo(photo, report)
        elif before is not None:
            eraser.erase_before(criteria["until"], report)  # type: ignore[arg-type]
        else:
            eraser.erase(criteria, report)
        no_letters = _drop_dead_letters(settings, report, photo, car)
    finally:
        _audit(photo=photo, car=car, before=before, by=by, report=report)
    print(f"erased: {len(report.ids)} inspections, {report.objects} objects, ", end="")
    print(f"{report.dead_letters} dead letters")
    print("not reached:")
    for place in (*no_letters, *_elsewhere(report), *_ALWAYS_ELSEWHERE):
        print(one_line(f"- {place}"))


def _criteria(photo: str | None, car: str | None, before: str | None) -> InspectionCriteria:
    if sum(given is not None for given in (photo, car, before)) != 1:
        raise typer.BadParameter("give one of --photo, --car and --before")
    return {"photo": photo, "car_id": car, "until": parse_moment(before, "--before")}


def _drop_dead_letters(
    settings: Settings, report: ErasureReport, photo: str | None, car: str | None
) -> list[str]:
    """Drop dead letters; returns why they could not be reached, if so."""
    from damage_tasks.erasure.photo_erasure import drop_dead_letters
    from damage_tasks.sqs.dead_letters import dead_letters_of
    from damage_tasks.sqs.queues import check_queues, sqs_client

    if photo is not None:
        report.photo_urls.add(photo)
    try:
        sqs = sqs_client()
        drop_dead_letters(dead_letters_of(sqs, check_queues(sqs, settings).values()), report, car)
    except (QueueUnavailable, QueueUnsafe, SettingsError) as error:
        return [f"dead letters: {error}"]
    return []


def _elsewhere(report: ErasureReport) -> Iterator[str]:
    if report.elsewhere:
        yield f"{report.elsewhere} pictures that are not in DAMAGE_BUCKET"
    for destination, number in report.delivered.most_common():
        yield f"{number} events that {destination} has received"


def _audit(*, by: str | None, report: ErasureReport, **criteria: Any) -> None:
    given = {name: value for name, value in criteria.items() if value is not None}
    audit.info(
        "forgot",
        extra={
            **given,
            "person": by or _login_name(),
            "inspections": len(report.ids),
            "objects": report.objects,
            "dead_letters": report.dead_letters,
            "complete": sys.exc_info()[0] is None,
        },
    )


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
