"""``damage-tasks rerun``: put past photos through another bundle."""

from __future__ import annotations

import csv
import time
from collections import Counter
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from damage_tasks.cli.listing import print_counts, print_rows
from damage_tasks.cli.output_paths import check_output
from damage_tasks.cli.points_in_time import parse_period
from damage_tasks.inspection import Verdict
from damage_tasks.languages.english_plurals import counted
from damage_tasks.settings import get_settings

if TYPE_CHECKING:
    from damage_tasks.reruns.photo_rerun import Rerun
    from damage_tasks.reruns.rerun_feeder import RerunFeeder, RerunProgress
    from damage_tasks.settings import Settings

LISTED_FAILURES = 20
REPORT_SECONDS = 10.0  # between lines of progress in a log
IDLE_SECONDS = 60.0


def run(
    bundle: Annotated[
        str, typer.Option(metavar="ADDRESS", help="The bundle, as in DAMAGE_BUNDLE.")
    ],
    since: Annotated[
        str, typer.Option(help="Photos examined since then: 30d or 2026-11-22T12:00.")
    ],
    until: Annotated[
        str | None, typer.Option(help="Photos examined before then; by default now.")
    ] = None,
    verdict: Annotated[
        list[Verdict] | None, typer.Option(help="Only photos with this verdict; can be repeated.")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="At most this many photos: always the same ones, at random."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show the estimate; send nothing.")
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Also photos that failed in an earlier run.")
    ] = False,
    queue: Annotated[
        str | None,
        typer.Option(metavar="URL", help="The workers' queue; DAMAGE_SHADOW_QUEUE_URL by default."),
    ] = None,
    in_flight: Annotated[
        int,
        typer.Option(
            min=1, max=1000, help="Photos on the queue at a time; at least one for each process."
        ),
    ] = 50,
    pause_above: Annotated[
        int,
        typer.Option(min=0, help="Pause while more photos than this wait for their verdicts."),
    ] = 0,
    processes: Annotated[
        int, typer.Option(min=1, help="Processes of the workers, for the estimate.")
    ] = 1,
    cpu_hour: Annotated[
        float, typer.Option(min=0, help="US dollars for a core and hour, for the estimate.")
    ] = 0.02,
    failures: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write all failures to this CSV file.",
            dir_okay=False,
            callback=check_output,
        ),
    ] = None,
) -> None:
    """Put past photos through another bundle, and keep both findings.

    Workers (`damage-tasks shadow`) that have this bundle as DAMAGE_SHADOW_BUNDLE examine them.
    Their findings are stored apart, for comparisons: the verdicts stay as they are. While
    photos wait for their verdicts in DAMAGE_QUEUE_URL or DAMAGE_URGENT_QUEUE_URL, nothing is sent.
    A run that was stopped continues when it is started again with the same options. The exit
    status is 1 if photos failed.

    Example: damage-tasks rerun --bundle s3://acme-models/damage/2.1.0 --since 30d --dry-run
    """
    from damage_tasks.reruns.photo_rerun import Rerun
    from damage_tasks.results.celery_backend import open_inspections
    from damage_tasks.results.rerun_selection import Selection
    from damage_tasks.storage.aws_clients import new_client
    from model_store.fetch import fetch_identity

    begin, end = parse_period(since, until)
    settings = get_settings()
    identity = fetch_identity(bundle, settings.bundle_cache, new_client)
    selection = Selection(
        identity.digest,
        begin,
        end or datetime.now(UTC),
        tuple(map(str, verdict or ())),
    )
    rerun = Rerun(open_inspections(), selection, limit)
    if retry_failed:
        rerun.forget_failures()
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"bundle {identity.name} {identity.version} ({identity.digest[:12]})")
    left = _print_estimate(console, rerun, settings, processes, cpu_hour)
    if dry_run:
        return
    if left:
        settings.require("queue_url")
        place = queue or settings.require("shadow_queue_url")
        if place.rstrip("/") in {url.rstrip("/") for url in settings.queue_urls.values()}:
            raise typer.BadParameter(
                "this is a queue of the workers whose verdicts count: give that of the shadow",
                param_hint="--queue",
            )
        _feed(rerun.feeder(place, settings.queue_urls, in_flight, pause_above), left)
    _report_failures(console, rerun, failures)


def _print_estimate(
    console: Console, rerun: Rerun, settings: Settings, processes: int, cpu_hour: float
) -> int:
    """Print how many photos there are, and the time and cost; returns how many are left."""
    from damage_tasks.reruns.rerun_estimate import RerunEstimate
    from damage_tasks.storage.s3 import Bucket

    counts = rerun.counts()
    left = counts.total - counts.examined - counts.failed
    console.print(
        f"photos: {counts.total}; with this bundle: {counts.examined} examined, "
        f"{counts.failed} failed, {left} left"
    )
    if not left:
        return 0
    kept, sample = rerun.count_kept(Bucket(settings.require("bucket")))
    console.print(
        f"kept: {kept} of {counted(sample, 'photo')}; the others are read from their URLs again"
    )
    known = rerun.mean_seconds()
    if known is None:
        console.print("time and cost are unknown: no photo has been timed")
        return left
    seconds, is_own = known
    estimate = RerunEstimate(left, seconds, processes, cpu_hour)
    console.print(
        f"time: about {_duration(estimate.duration)} with {counted(processes, 'process')}, at "
        f"{seconds:.2f} s a photo, as with {'this bundle' if is_own else 'the bundles that served'}"
    )
    costs = estimate.dollars
    console.print(
        f"cost: about {sum(costs.values()):.2f} US dollars: {costs['CPU']:.2f} for "
        f"{estimate.cpu_hours:.1f} CPU hours at {cpu_hour:g}, {costs['SQS']:.2f} for "
        f"{counted(estimate.sqs_requests, 'request')} to SQS, {costs['S3']:.2f} for "
        f"{counted(estimate.s3_requests, 'request')} to S3"
    )
    return left


def _feed(feeder: RerunFeeder, left: int) -> None:
    """Send the photos and show the progress; on a terminal in one line that changes."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    shown_at = -REPORT_SECONDS
    with console.status("") if console.is_terminal else nullcontext() as status:

        def report(progress: RerunProgress) -> None:
            nonlocal shown_at
            now = time.monotonic()
            if status is not None:
                status.update(describe(progress, left))
            elif now - shown_at >= REPORT_SECONDS:
                shown_at = now
                console.print(describe(progress, left))

        try:
            feeder.run(report)
        except KeyboardInterrupt:
            console.print(
                f"stopped: workers still finish {counted(feeder.progress.in_flight, 'photo')}; "
                "start it again with the same options to continue"
            )
            raise
    progress = feeder.progress
    sources = progress.sources
    console.print(
        f"examined {counted(sources['kept'], 'kept photo')} and {sources['url']} from their URLs; "
        f"{sources['known']} known already, {progress.failed} failed"
    )


def describe(progress: RerunProgress, left: int) -> str:
    """One line: photos done and in flight, the rate, and when the rest will be done."""
    words = [f"{progress.done} of {left}, {progress.in_flight} in flight"]
    if progress.rate:
        ahead = max(0, left - progress.done) / progress.rate
        words.append(f"{progress.rate:.1f} a second, {_duration(ahead)} left")
    if progress.pause:
        words.append(f"paused: {progress.pause}")
    elif progress.idle_seconds > IDLE_SECONDS:
        words.append(
            f"nothing was finished for {_duration(progress.idle_seconds)}: are workers with this "
            "bundle running?"
        )
    return "; ".join(words)


def _report_failures(console: Console, rerun: Rerun, file: Path | None) -> None:
    """Print the failures of this run and earlier ones, and exit with 1 if there are any."""
    failed = rerun.failures()
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(["photo_sha256", "code", "reason"])
            writer.writerows((f.photo_sha256, f.reason_code, f.reason_text) for f in failed)
    if not failed:
        return
    print_counts(console, "failed", Counter(f.reason_code or "" for f in failed))
    rows = [(f.photo_sha256, f.reason_code or "", f.reason_text or "") for f in failed]
    print_rows(console, ["photo", "code"], ["reason"], rows[:LISTED_FAILURES], 40)
    if len(rows) > LISTED_FAILURES:
        console.print(f"and {len(rows) - LISTED_FAILURES} more: see --failures FILE")
    raise typer.Exit(1)


def _duration(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
