"""``damage-tasks guard-rollout``: stop a roll-out whose new bundle leaves its limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from damage_tasks.settings import get_settings
from model_store.rollout import Rollout, Share, pointer_at, rolled_back

if TYPE_CHECKING:
    from damage_tasks.results.rollout_outcomes import Outcomes
    from damage_tasks.settings import Settings


def run(
    pointer: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="The pointer; DAMAGE_BUNDLE by default.")
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="Only print; change nothing.")] = False,
) -> None:
    """Compare the two bundles of a roll-out, and go back if the new one is clearly worse.

    Photos since the last change of the pointer count: failures, time, the share of damaged photos,
    and decisions of inspectors that changed the verdict, see DAMAGE_ROLLOUT_..._LIMIT. If one
    leaves its limit, the old bundle examines all photos again, and an alert is sent to Slack and
    Sentry. Run it every few minutes; it may write the pointer, and needs DAMAGE_DATABASE_URL.
    """
    from damage_tasks.cli.rollout import pointer_address
    from damage_tasks.production_quality.rollout_comparison import Limits, exceeded_limits
    from damage_tasks.results.celery_backend import open_inspections
    from damage_tasks.results.rollout_outcomes import find_outcomes
    from damage_tasks.storage.aws_clients import new_client

    settings = get_settings()
    place = pointer_at(pointer_address(pointer), new_client)
    stored = place.read()
    assert stored is not None
    rollout = stored.rollout
    new = _candidate(rollout)
    if new is None or rollout.fallback is None:
        typer.echo(
            f"no roll-out: {rollout.largest.version} examines all photos"
            if len(rollout.shares) == 1
            else "not guarded: no version of this roll-out examined all photos before it"
        )
        return
    versions = {share.digest: share.version for share in rollout.shares}
    with open_inspections().transaction() as connection:
        outcomes = find_outcomes(connection, rollout.updated, versions)
    _print(rollout, outcomes)
    problems = exceeded_limits(
        outcomes[new.digest], outcomes[rollout.fallback.digest], Limits.of(settings)
    )
    if not problems:
        typer.echo(f"{new.version} is within its limits")
        return
    reason = f"{new.version} was stopped: {'; '.join(problems)}"
    typer.echo(reason)
    if not dry_run:
        place.write(rolled_back(rollout, reason), stored.etag)
        _alert(settings, new.version, reason)


def _candidate(rollout: Rollout) -> Share | None:
    """The share that the fallback does not have, while both serve."""
    if rollout.fallback not in [share.bundle for share in rollout.shares]:
        return None
    return next((share for share in rollout.shares if share.bundle != rollout.fallback), None)


def _print(rollout: Rollout, outcomes: dict[str, Outcomes]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("version", "share", "photos", "failed", "damaged", "seconds", "decided"):
        table.add_column(column, justify="right" if column != "version" else "left")
    for share in rollout.shares:
        found = outcomes[share.digest]
        seconds = "" if found.seconds is None else f"{found.seconds:.2f}"
        table.add_row(
            share.version, f"{share.percent} %", str(found.photos), str(found.failed),
            str(found.damaged), seconds, f"{found.decided} ({found.disagreed} changed)",
        )  # fmt: skip
    console = Console(highlight=False)
    console.print(f"photos examined since {rollout.updated:%Y-%m-%d %H:%M} UTC")
    console.print(table)


def _alert(settings: Settings, version: str, reason: str) -> None:
    from damage_tasks.errors import RolloutStopped
    from damage_tasks.telemetry import sentry
    from damage_tasks.telemetry.slack import Alert, open_slack

    sentry.start_sentry(settings.sentry_dsn, settings.environment, settings.sentry_traces_rate)
    event = sentry.report(RolloutStopped(reason))
    sentry.flush()
    slack = open_slack(settings, "the model store")
    if slack is not None:
        slack.alert_now(Alert(f"roll-out of {version} is stopped", reason, sentry_event=event))
