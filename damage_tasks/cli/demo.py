"""``damage-tasks demo``: run the whole product once on this machine."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from damage_tasks.cli.output_paths import check_output
from damage_tasks.cli.photo_arguments import (
    describe_skipped,
    find_photos,
    path_of,
    printable,
    unique_names,
)
from damage_tasks.cli.results_table import print_results
from damage_tasks.cli.submit import wait_for
from damage_tasks.languages.english_plurals import counted
from damage_tasks.settings import PREFIX

if TYPE_CHECKING:
    from damage_tasks.contract import InspectionResult
    from damage_tasks.devstack import Stack


def run(
    photos: Annotated[
        str, typer.Option(help="A folder, a file or a glob pattern; by default, sample photos.")
    ] = "",
    out: Annotated[
        Path,
        typer.Option(
            help="Folder for results and overlays.", file_okay=False, callback=check_output
        ),
    ] = Path("out"),
    count: Annotated[int, typer.Option(min=1, max=500, help="Number of sample photos.")] = 12,
    processes: Annotated[
        int | None,
        typer.Option(min=1, help="Number of worker processes; by default five for each core."),
    ] = None,
    review: Annotated[
        bool | None,
        typer.Option(help="Serve the inspectors' page until Ctrl-C; by default on a terminal."),
    ] = None,
) -> None:
    """Examine photos with a real queue, object store, database and worker.

    On a terminal, you can then decide about the photos on the inspectors' page.

    Writes OUT/results.json (a list of results), OUT/overlays/*.jpg and
    OUT/index.html (each photo next to its overlay). No DAMAGE_ settings of this shell are used.

    Example: damage-tasks demo --photos ~/Pictures/car --out out
    """
    from damage_tasks.devstack import Stack

    console = Console(stderr=True, highlight=False)
    named = list(unique_names(_files(console, photos, out))) if photos else []
    out.mkdir(parents=True, exist_ok=True)
    # Next to the results, so that the logs are easy to find if something has failed.
    work = Path(tempfile.mkdtemp(prefix="stack-", dir=out))
    with_review = sys.stdout.isatty() if review is None else review
    succeeded = False
    try:
        if not photos:
            console.print(
                f"No photos given: examining {counted(count, 'sample photo')}.\n"
                "To use your own: make demo PHOTOS=folder"
            )
            named = list(unique_names(_samples(work / "samples", count)))
        _ignore_settings(console)
        stack = Stack(work, processes=processes, review=with_review)
        try:
            with console.status("starting the queue, object store, database and worker"):
                stack.__enter__()
            results = _inspect(console, stack, named, out)
            problem = _report(console, results, missing=len(named) - len(results), out=out)
            if stack.review and not problem:
                _serve(console, stack.review.url)
        finally:
            with console.status("stopping"):
                stack.stop()
        succeeded = not problem
    except KeyboardInterrupt:
        succeeded = True  # no need to keep the logs
        raise
    finally:
        if succeeded:
            shutil.rmtree(work, ignore_errors=True)
    if problem:
        console.print(f"[red]{problem}[/] Logs: {work / 'logs'}", soft_wrap=True)
        raise typer.Exit(1)


def _ignore_settings(console: Console) -> None:
    """Photos of a demo must not send events or alerts to the systems of this shell's settings."""
    ignored = sorted(name for name in os.environ if name.startswith(PREFIX))
    for name in ignored:
        del os.environ[name]
    if ignored:
        console.print(
            f"[yellow]The demo does not use {', '.join(ignored)}; damage-tasks stack does.[/]",
            soft_wrap=True,
        )


def _report(
    console: Console, results: list[tuple[str, InspectionResult]], *, missing: int, out: Path
) -> str | None:
    """Print the results; returns what went wrong."""
    print_results(Console(), results)
    console.print(f"Open {out / 'index.html'} to see photos and overlays.", soft_wrap=True)
    failed = sum(result["verdict"] == "failed" for _, result in results)
    if not failed and not missing:
        return None
    return f"{counted(failed, 'photo')} failed, {missing} without a verdict."


def _serve(console: Console, url: str) -> None:
    """Wait for Ctrl-C."""
    console.print(f"Decide about the photos (Ctrl-C ends the demo): {url}", soft_wrap=True)
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            time.sleep(1)


def _inspect(
    console: Console, stack: Stack, named: list[tuple[str, str]], out: Path
) -> list[tuple[str, InspectionResult]]:
    from damage_tasks.cli.contact_sheet import OVERLAYS, write_contact_sheet

    # Before anything reads the settings, which are read only once.
    os.environ.update(stack.environment)
    from damage_tasks import detect_damage

    sent = {
        detect_damage.delay(stack.upload(name, path_of(url)), {"photo": name}).id: (name, url)
        for name, url in named
    }
    found = wait_for(console, list(sent), timeout=120, check=stack.check_workers)
    results = [(sent[id], result) for id, result in found.items()]
    forget_last_run(out)
    overlays = out / OVERLAYS
    overlays.mkdir(exist_ok=True)
    for (name, _), result in results:
        if result["overlay_url"]:
            (overlays / f"{name}.jpg").write_bytes(stack.read(result["overlay_url"]))
    document = [result for _, result in results]
    (out / "results.json").write_text(json.dumps(document, indent=1, ensure_ascii=False))
    write_contact_sheet(out, [(name, path_of(url), result) for (name, url), result in results])
    return [(name, result) for (name, _), result in results]


def _files(console: Console, photos: str, out: Path) -> list[str]:
    from damage_tasks.cli.contact_sheet import OVERLAYS, THUMBNAILS

    urls, skipped = find_photos([photos])
    if not photos.startswith("file://") and "://" in photos:
        raise typer.BadParameter(
            f"the demo needs files; for URLs use: damage-tasks detect {photos} --out {out}"
        )
    written = {(out / folder).resolve() for folder in (OVERLAYS, THUMBNAILS)}
    for path in map(path_of, urls):
        if path.resolve().parent in written:
            raise typer.BadParameter(
                f"{printable(path)} would be overwritten: choose another --out"
            )
    if skipped:
        console.print(describe_skipped(skipped), markup=False, soft_wrap=True)
    return urls


def forget_last_run(out: Path) -> None:
    """Remove the pictures that an earlier demo left in ``out``, and no others."""
    from damage_tasks.cli.contact_sheet import OVERLAYS, THUMBNAILS

    try:
        last = json.loads((out / "results.json").read_text())
        names = [str(result["metadata"]["photo"]) for result in last]
    except (OSError, ValueError, TypeError, KeyError):
        return
    for name in names:
        for folder in (OVERLAYS, THUMBNAILS):
            (out / folder / f"{Path(name).name}.jpg").unlink(missing_ok=True)


def _samples(folder: Path, count: int) -> list[str]:
    from damage_tasks.samples import write_samples

    write_samples(folder, count)
    return find_photos([str(folder)]).urls
