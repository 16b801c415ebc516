"""``damage-tasks forget``: erase photos and everything that is known about them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from damage_tasks.cli.identifiers import is_digest, photo_or_none
from damage_tasks.cli.listing import Yes
from damage_tasks.cli.login_name import login_name
from damage_tasks.cli.points_in_time import parse_past
from damage_tasks.errors import QueueUnavailable, QueueUnsafe, SettingsError
from damage_tasks.languages.english_plurals import counted
from damage_tasks.settings import get_settings
from damage_tasks.telemetry import configure_logging, one_line
from damage_tasks.telemetry.audit_log import audit_log

if TYPE_CHECKING:
    from damage_tasks.contract import InspectionCriteria
    from damage_tasks.erasure.photo_erasure import ErasureReport
    from damage_tasks.settings import Settings

MAX_COUNTED = 100_000  # inspections; more are not counted before the question
_ALWAYS_ELSEWHERE = (
    "the photos at their senders' addresses",
    "messages still on the queue, whose photos are examined again: repeat this command afterwards",
    "the history of a Flower that is not running, which is in its file (--db)",
    "log lines, Sentry, Slack and traces",
    "copies in browsers, in CloudFront and in the memory of the inspectors' page, for at most "
    "five minutes",
    "exported folders, evidence files, and bundles that were trained on the photos",
    "backups of the database and of the bucket",
)


def run(
    photo: Annotated[
        str | None,
        typer.Option(
            help="The photo's SHA-256 in hexadecimal, or its URL.", callback=photo_or_none
        ),
    ] = None,
    car: Annotated[str | None, typer.Option(help="The metadata's car_id.")] = None,
    before: Annotated[
        str | None, typer.Option(help="All verdicts before then: 90d or 2026-11-22.")
    ] = None,
    expired: Annotated[
        bool,
        typer.Option(
            "--expired",
            help="What is older than DAMAGE_RETENTION_DAYS, DAMAGE_PICTURE_RETENTION_DAYS and "
            "DAMAGE_DECISION_RETENTION_DAYS.",
        ),
    ] = False,
    by: Annotated[
        str | None, typer.Option(help="Who erases, for the audit log; by default the login name.")
    ] = None,
    yes: Yes = False,
) -> None:
    """Erase photos: inspections, decisions, events, pictures, kept photos and dead letters.

    Prints how many inspections there are, and asks before it erases them. Pictures that another
    inspection shares stay, unless --photo gives the digest. Afterwards it lists what it could not
    reach. It can be repeated, for example if it was interrupted. The audit log gets a line.

    Example: damage-tasks forget --car 7 --by privacy@acme.example

    damage-tasks forget --photo 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08

    DAMAGE_RETENTION_DAYS=730 damage-tasks forget --expired --yes
    """
    given = {"photo": photo, "car": car, "before": before, "expired": expired or None}
    given = {name: value for name, value in given.items() if value is not None}
    if len(given) != 1:
        raise typer.BadParameter("give one of --photo, --car, --before and --expired")
    criteria: InspectionCriteria = {
        "photo": photo,
        "car_id": car,
        "until": parse_past(before, "--before"),
    }
    settings = get_settings()
    configure_logging(settings.log_level, settings.log_format)
    _confirm(settings, criteria, expired=expired, yes=yes)
    from damage_tasks.erasure.photo_erasure import ErasureReport

    report = ErasureReport()
    try:
        no_history = _erase(settings, criteria, report, expired=expired)
        # SQS deletes dead letters sooner than a retention period ends.
        no_letters = [] if expired else _drop_dead_letters(settings, report, photo, car)
    finally:
        _audit(given, by, report)
    print(f"erased: {', '.join(_erased(report))}")
    print("not reached:")
    for place in (*no_history, *no_letters, *_elsewhere(report), *_ALWAYS_ELSEWHERE):
        print(one_line(f"- {place}"))


def _confirm(settings: Settings, criteria: InspectionCriteria, *, expired: bool, yes: bool) -> None:
    """Print how much would be erased, and ask; raises `typer.Abort` if the answer is no."""
    from damage_tasks.erasure.retention import check_retention
    from damage_tasks.results.celery_backend import open_inspections
    from damage_tasks.results.row_erasure import count_inspections

    if expired:
        check_retention(settings)
        print(
            f"inspections after {counted(settings.retention_days, 'day')}, "
            f"pictures after {counted(settings.picture_retention_days, 'day')}, "
            f"decisions after {counted(settings.decision_retention_days, 'day')} (0: never)"
        )
    else:
        with open_inspections().transaction() as connection:
            found = count_inspections(connection, criteria, MAX_COUNTED)
        print(f"inspections: {found}{' or more' if found == MAX_COUNTED else ''}")
    if not yes:
        typer.confirm("erase them and everything that belongs to them?", abort=True)


def _erase(
    settings: Settings, criteria: InspectionCriteria, report: ErasureReport, *, expired: bool
) -> list[str]:
    """Erase the photos; returns why Flower's history could not be reached, if so."""
    from damage_tasks.erasure.photo_erasure import PhotoEraser
    from damage_tasks.erasure.retention import erase_expired
    from damage_tasks.event_bus.forgotten_photos import ForgottenPhotos
    from damage_tasks.results.celery_backend import open_inspections

    store, forgotten = open_inspections(), ForgottenPhotos()
    eraser = PhotoEraser(store, settings, forgotten.announce)
    photo, until = criteria["photo"], criteria["until"]
    if expired:
        erase_expired(store, eraser, settings, report)
    elif photo is not None and is_digest(photo):
        eraser.erase_photo(photo, report)
    elif until is not None:
        eraser.erase_before(until, report)
    else:
        eraser.erase(criteria, report)
    return [f"Flower's history: {forgotten.problem}"] if forgotten.problem else []


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


def _erased(report: ErasureReport) -> Iterator[str]:
    yield counted(report.inspections, "inspection")
    yield counted(report.objects, "object")
    if report.decisions:
        yield f"{counted(report.decisions, 'decision')} whose inspections stay"
    if report.dead_letters:
        yield counted(report.dead_letters, "dead letter")


def _elsewhere(report: ErasureReport) -> Iterator[str]:
    if report.elsewhere:
        yield f"{counted(report.elsewhere, 'picture')} outside DAMAGE_BUCKET"
    for destination, number in report.delivered.most_common():
        yield f"{counted(number, 'event')} received by {destination}"


def _audit(given: dict[str, Any], by: str | None, report: ErasureReport) -> None:
    audit_log.info(
        "forgot",
        extra={
            **given,
            "person": by or login_name(),
            "inspections": report.inspections,
            "objects": report.objects,
            "decisions": report.decisions,
            "dead_letters": report.dead_letters,
            "complete": sys.exc_info()[0] is None,
        },
    )
