"""``damage-tasks compare``: compare two bundles on the same photos."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from damage_tasks.cli.login_name import login_name
from damage_tasks.cli.output_paths import check_output
from damage_tasks.cli.points_in_time import parse_period
from damage_tasks.cli.redact_option import Redact
from damage_tasks.languages.english_plurals import counted
from damage_tasks.settings import get_settings
from damage_tasks.telemetry import configure_logging
from damage_tasks.telemetry.audit_log import audit_log

if TYPE_CHECKING:
    from damage_tasks.results.bundle_pairs import ExaminedPhotos


def run(
    old: Annotated[str, typer.Argument(metavar="OLD", help="The version that serves.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The version to compare with it.")],
    since: Annotated[
        str, typer.Option(help="Photos examined since then: 7d or 2026-11-22.")
    ] = "28d",
    out: Annotated[
        Path,
        typer.Option(
            metavar="FILE", help="The page to write.", dir_okay=False, callback=check_output
        ),
    ] = Path("report.html"),
    redact: Redact = None,
    by: Annotated[
        str | None, typer.Option(help="Who compares, for the audit log; by default the login name.")
    ] = None,
) -> None:
    """Compare two bundles on the photos that both have examined, and write a page.

    It shows how often verdicts and types agree, how far damaged areas overlap, the times, the
    photos that differ most, and who was right where people decided (McNemar's exact test, 95 %
    bootstrap interval), with a recommendation. Findings of `damage-tasks shadow` are included. The
    audit log gets a line.

    Example: damage-tasks compare 2.0.0 2.1.0 --since 7d
    """
    from damage_tasks.cli.comparison_page import write_page
    from damage_tasks.production_quality.bundle_comparison import compare_bundles
    from damage_tasks.production_quality.rollout_comparison import Limits
    from damage_tasks.results.bundle_pairs import find_examined, find_pairs
    from damage_tasks.results.celery_backend import open_inspections

    moment, _ = parse_period(since)
    settings = get_settings()
    with open_inspections().transaction() as connection:
        photos = find_examined(connection, old, new, moment)
        pairs = list(find_pairs(connection, photos, old, new))
    failed = photos.failures
    if not pairs:
        typer.echo(_why_without_pairs(photos, old, new, since), err=True)
        raise typer.Exit(1)
    comparison = compare_bundles(pairs, Limits.of(settings), failed)
    configure_logging(settings.log_level, settings.log_format)
    write_page(out, old, new, comparison, pairs, settings, redact=redact)
    audit_log.info(
        "compared bundles",
        extra={"person": by or login_name(), "old": old, "new": new, "page": str(out)},
    )
    advice = comparison.recommendation
    more = f": {advice.more} more needed" if advice.more else ""
    damaged = comparison.damaged
    typer.echo(
        f"{counted(comparison.photos, 'photo')}, the same verdict on {comparison.agreement:.1%}"
    )
    if failed:
        compared = counted(comparison.photos + failed, "photo")
        typer.echo(f"{new} failed on {failed} of {compared}")
    typer.echo(
        f"damaged: {counted(damaged.only_old, 'photo')} only by {old}, {damaged.only_new} only by "
        f"{new}, {damaged}"
    )
    typer.echo(f"{advice.text}{more}: {'; '.join(advice.reasons)}")
    typer.echo(f"report: {out}")


def _why_without_pairs(photos: ExaminedPhotos, old: str, new: str, since: str) -> str:
    if photos.failures:
        each = counted(photos.failures, "photo")
        return f"do not roll out: {new} failed on each of the {each} since {since}"
    unused = [name for name, found in ((old, photos.old), (new, photos.new)) if not found]
    if unused:
        return (
            f"no photo was examined by {' or by '.join(unused)} since {since}: give another "
            "version or an earlier --since"
        )
    return f"{old} and {new} have examined no photo in common since {since}"
