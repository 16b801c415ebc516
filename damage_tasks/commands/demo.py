"""``damage-tasks demo``: the whole product on this machine, start to end."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from damage_tasks.commands.sources import find_photos, path_of, unique_names
from damage_tasks.commands.submit import wait_for
from damage_tasks.commands.table import print_results

if TYPE_CHECKING:
    from damage_tasks.stack import Stack


def run(
    photos: Annotated[
        str, typer.Option(help="A folder, a file or a glob pattern; without it, drawn samples.")
    ] = "",
    out: Annotated[Path, typer.Option(help="Folder for results and overlays.")] = Path("out"),
    count: Annotated[int, typer.Option(min=1, max=500, help="How many samples to draw.")] = 12,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Worker processes; one for each core by default.")
    ] = None,
) -> None:
    """Examine photos through a real queue, store, database and worker, then stop them all.

    Writes OUT/results.json (a list of results), OUT/overlays/*.jpg and
    OUT/index.html (photo beside overlay).
    """
    from damage_tasks.stack import Stack

    console = Console(stderr=True, highlight=False)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="damage-demo-") as work:
        if not photos:
            console.print(
                f"No PHOTOS given: examining {count} sample photos that this project draws "
                "itself.\nTry your own: make demo PHOTOS=folder"
            )
        urls = find_photos([photos] if photos else [_samples(Path(work), count)])
        named = list(unique_names(urls))
        with console.status("starting queue, store, database and worker"):
            stack = Stack(Path(work) / "var", processes=processes)
            stack.__enter__()
        try:
            results = _inspect(console, stack, named, out)
        finally:
            with console.status("stopping"):
                stack.stop()
    print_results(Console(), results)
    console.print(f"Open {out / 'index.html'} to see photos and overlays.")
    if len(results) < len(named) or any(r["verdict"] == "failed" for _, r in results):
        console.print(f"[red]{len(named) - len(results)} photos have no verdict[/]")
        raise typer.Exit(1)


def _inspect(
    console: Console, stack: Stack, named: list[tuple[str, str]], out: Path
) -> list[tuple[str, dict[str, Any]]]:
    from damage_tasks.commands.contact_sheet import write_contact_sheet

    # Before anything reads the settings: they are read once.
    os.environ.update(stack.environment)
    from damage_tasks import detect_damage

    sent = {
        detect_damage.delay(stack.upload(name, path_of(url)), {"photo": name}).id: (name, url)
        for name, url in named
    }
    found = wait_for(console, list(sent), timeout=120)
    results = [(sent[id], result) for id, result in found.items()]
    overlays = out / "overlays"
    overlays.mkdir(exist_ok=True)
    for (name, _), result in results:
        if result["overlay_url"]:
            (overlays / f"{name}.jpg").write_bytes(stack.read(result["overlay_url"]))
    document = [result for _, result in results]
    (out / "results.json").write_text(json.dumps(document, indent=1, ensure_ascii=False))
    write_contact_sheet(out, [(name, path_of(url), result) for (name, url), result in results])
    return [(name, result) for (name, _), result in results]


def _samples(folder: Path, count: int) -> str:
    from damage_tasks.samples import write_samples

    write_samples(folder / "samples", count)
    return str(folder / "samples")
