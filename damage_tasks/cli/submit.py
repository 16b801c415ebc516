"""``damage-tasks submit``: put photos on the queue."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from damage_tasks.cli.request_list import ListedPhoto, parse_object, read_requests
from damage_tasks.cli.results_table import print_results, progress_bar
from damage_tasks.errors import MetadataInvalid, PhotosNotSent, QueueUnavailable
from damage_tasks.languages.english_plurals import counted
from damage_tasks.telemetry import one_line

if TYPE_CHECKING:
    from damage_tasks.contract import InspectionResult, PhotoRequest

POLL_SECONDS = 0.5  # between checks of the database


def run(
    urls: Annotated[list[str] | None, typer.Argument(help="URLs of photos.")] = None,
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="File with one photo per line: a URL, or JSON like the raw message "
            '`{"image_url": "https://...", "car_id": 7, "inspection": {"id": "I-7"}}`. '
            "`-` reads standard input.",
        ),
    ] = None,
    metadata: Annotated[
        str | None, typer.Option(help="JSON object to store as metadata with every photo.")
    ] = None,
    urgent: Annotated[
        bool, typer.Option("--urgent", help="Send them to the queue of urgent photos.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for the verdicts and print them.")
    ] = False,
    timeout: Annotated[
        float, typer.Option(help="Maximum seconds to wait for the next verdict.")
    ] = 300,
) -> None:
    """Put photos on the queue; prints one inspection id per line.

    With --wait, it shows progress and prints the verdicts. The exit status is then 1 if any photo
    failed or a verdict did not arrive in time.

    Example: damage-tasks submit https://photos.example/car.jpg --wait
    """
    requests = list(_requests(urls or [], source, metadata))
    if not requests:
        raise typer.BadParameter("give at least one URL, or --from FILE")
    for request in requests:
        _check_url(request["url"])
    if wait:
        # If verdicts cannot be read here, say so before any photo is sent.
        from damage_tasks.results.celery_backend import open_inspections

        open_inspections().check()
    console = Console(stderr=True)
    sent: dict[str, str] = {}
    try:
        _send(console, requests, sent, urgent)
    finally:
        # Also print the ids that were sent before the queue failed.
        if not wait:
            for id in sent:
                print(id)
    if wait:
        _show_verdicts(console, sent, timeout)


def _check_url(url: str) -> None:
    if "://" not in url:
        shown = one_line(url)
        raise typer.BadParameter(
            f"{shown} is not a URL; workers may be unable to read this machine's files. "
            f"To examine it here: damage-tasks detect {shown}"
        )


def _show_verdicts(console: Console, sent: dict[str, str], timeout: float) -> None:
    """Wait for the verdicts of ``sent`` (URLs by id) and print them."""
    results = wait_for(console, list(sent), timeout)
    print_results(Console(), [(sent[id], result) for id, result in results.items()])
    missing = [id for id in sent if id not in results]
    for id in missing:
        console.print(f"no verdict yet: {id}", highlight=False)
    if missing or any(result["verdict"] == "failed" for result in results.values()):
        raise typer.Exit(1)


def _send(
    console: Console,
    requests: list[PhotoRequest],
    sent: dict[str, str],
    urgent: bool,
) -> None:
    from damage_tasks import submit_many
    from damage_tasks.lanes import URGENT
    from damage_tasks.settings import get_settings

    settings = get_settings()
    queue = settings.require("urgent_queue_url" if urgent else "queue_url")
    with progress_bar(console) as progress:
        ids = submit_many(requests, queue=URGENT) if urgent else submit_many(requests)
        try:
            for request in progress.track(requests, description="submitting"):
                sent[next(ids)] = request["url"]
        except Exception as error:
            if isinstance(error, PhotosNotSent):
                sent |= {id: requests[position]["url"] for position, id in error.sent.items()}
            raise QueueUnavailable(
                f"{queue}: {error}; sent: {len(sent)} of {counted(len(requests), 'photo')}"
            ) from None


def wait_for(
    console: Console,
    ids: list[str],
    timeout: float,
    check: Callable[[], None] = lambda: None,
) -> dict[str, InspectionResult]:
    """Results by id, in the order of ``ids``, once all have arrived.

    Stops when no further result has arrived for ``timeout`` seconds. ``check`` is called before
    each query and may raise.
    """
    from damage_tasks import get_inspection

    results: dict[str, InspectionResult] = {}
    end = time.monotonic() + timeout
    with progress_bar(console) as progress:
        bar = progress.add_task("inspected", total=len(ids))
        while len(results) < len(ids) and time.monotonic() < end:
            for id in ids:
                if id in results:
                    continue
                result = get_inspection(id)
                if result is None or result["state"] != "done":
                    continue
                results[id] = result
                progress.advance(bar)
                end = time.monotonic() + timeout
            if len(results) < len(ids):
                check()
                time.sleep(POLL_SECONDS)
    return {id: results[id] for id in ids if id in results}


def _requests(urls: list[str], source: Path | None, metadata: str | None) -> Iterator[PhotoRequest]:
    """Each photo, checked as `detect_damage.delay` checks it."""
    from damage_tasks.sqs.inspection_options import option_headers
    from damage_tasks.sqs.outgoing_checks import check_call

    common = parse_object(metadata, "--metadata") if metadata else {}
    photos = [ListedPhoto("", url, {}) for url in urls]
    if source is not None:
        photos += read_requests(source)
    for photo in photos:
        both = {**common, **photo.metadata} or None
        try:
            check_call((photo.url, both), {})
            option_headers(photo.inspection or {})
        except (ValueError, MetadataInvalid) as error:
            raise typer.BadParameter(one_line(f"{photo.place or photo.url}: {error}")) from None
        yield {"url": photo.url, "metadata": both, "inspection": photo.inspection}
