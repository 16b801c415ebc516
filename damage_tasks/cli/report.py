"""``damage-tasks report``: how often the networks are right, by people's decisions."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.table import Table

from damage_tasks.cli.points_in_time import parse_period
from damage_tasks.settings import get_settings

if TYPE_CHECKING:
    from damage_tasks.production_quality.quality_report import QualityReport
    from damage_tasks.settings import Settings


def run(
    since: Annotated[
        str, typer.Option(help="Photos examined since then: 7d, 28d or 2026-11-22.")
    ] = "7d",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also write a page for a browser.", dir_okay=False),
    ] = None,
    slack: Annotated[
        bool,
        typer.Option("--slack", help="Also post a summary to Slack (DAMAGE_SLACK_WEBHOOK_URL)."),
    ] = False,
) -> None:
    """Report precision and recall in production, with 95 % intervals, and people's work.

    Both are estimated from people's decisions (`damage-tasks review`), weighted by how photos were
    drawn: unsure ones are decided about more often than others. The recall needs decisions of the
    random audit. Also by type of damage, light, make of the camera and bundle; with costs
    (DAMAGE_REVIEW_COSTS or the bundle's manifest) also what decisions cost and save. Ends with
    status 1 if the recall may be below DAMAGE_RECALL_FLOOR, or Slack did not accept the summary.

    Example: damage-tasks report --since 28d --html report.html
    """
    from damage_tasks.production_quality.quality_report import report_quality
    from damage_tasks.production_quality.review_plan import plan_of, read_review
    from damage_tasks.results.celery_backend import open_inspections

    moment, _ = parse_period(since)
    settings = get_settings()
    if slack:
        settings.require("slack_webhook_url")  # before the database is read
    plan = plan_of(settings, read_review(settings))
    share = settings.review_audit_share
    report = replace(report_quality(open_inspections(), moment, share, plan.costs), plan=plan)
    zone = ZoneInfo(settings.time_zone)
    local = replace(
        report, since=report.since.astimezone(zone), made_at=report.made_at.astimezone(zone)
    )
    if html is not None:
        from damage_tasks.cli.quality_page import write_page

        write_page(html, local)
    if as_json:
        print(json.dumps(report.to_dict(), ensure_ascii=False))
    else:
        _print(local, Console(highlight=False, soft_wrap=True))
    problem = _problem(report, settings.recall_floor)
    if problem:
        typer.echo(problem, err=True)
    posted = not slack or _post(settings, local, problem)
    if not posted:
        typer.echo("Slack did not accept the summary: run the command again later", err=True)
    if problem or not posted:
        raise typer.Exit(1)


def _problem(report: QualityReport, floor: float | None) -> str:
    """That the recall may be too low; empty if it is not."""
    recall = report.overall.recall
    if floor is None or recall is None or recall.low >= floor:
        return ""
    return f"the recall may be below DAMAGE_RECALL_FLOOR ({floor:g})"


def _post(settings: Settings, report: QualityReport, problem: str) -> bool:
    """Post a summary to Slack; returns whether it accepted it."""
    from damage_tasks.production_quality.report_texts import summary, title
    from damage_tasks.telemetry.slack import open_slack

    slack = open_slack(settings, "damage-tasks")
    assert slack is not None
    warning = [f"Warning: {problem}"] if problem else []
    return slack.tell_now(title(report), "\n".join([*warning, *summary(report)]))


def _print(report: QualityReport, console: Console) -> None:
    from damage_tasks.production_quality.report_texts import rows, sentences, shown, title

    table = Table(box=None, pad_edge=False, header_style="bold")
    # On two lines, so that the table fits into 80 columns.
    for name in ("", "photos", "decisions\nused", "precision (95 %)", "recall (95 %)"):
        is_number = name in ("photos", "decisions\nused")
        table.add_column(name, justify="right" if is_number else "left")
    for name, accuracy in rows(report):
        table.add_row(
            name, str(accuracy.photos), str(accuracy.labelled), shown(accuracy.precision),
            shown(accuracy.recall),
        )  # fmt: skip
    console.print(title(report))
    console.print(table)
    for sentence in sentences(report):
        console.print(sentence)
