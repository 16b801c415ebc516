"""``python -m benchmarks.gpu_serving``: photos a second and latency on a GPU.

Measures the bare networks by batch size, decoding on the CPU, which feeds them, and both
together in one process and in several, as in a worker with ``--pool=threads``: without queue,
downloads, overlays and uploads. ``--device cpu --quick`` checks the benchmark without a GPU.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.benchmark_photos import open_album
from benchmarks.gpu_measurements import (
    CUDA,
    Request,
    decoding,
    examinations,
    forward_passes,
    golden_photos,
    gpu_facts,
    run_in_processes,
    together,
)
from benchmarks.machine_facts import cores, facts
from benchmarks.measured_engines import bundle_label
from benchmarks.report import RESULTS
from model_store.engines.loading import has_gpu, torch_is_for_cuda
from model_store.fetch import DEFAULT_BUNDLE_FOLDER

Point = dict[str, Any]


class Device(StrEnum):
    """Where the networks compute."""

    CUDA = "cuda"
    CPU = "cpu"


class Plan(NamedTuple):
    """``batches``: photos of a batch, and threads of one process; ``threads``: of several."""

    batches: Sequence[int]
    processes: Sequence[int]
    threads: int
    seconds: float


FULL = Plan((1, 2, 4, 8, 16, 32), (2, 4, 8), 8, 5.0)
QUICK = Plan((2,), (2,), 2, 0.2)


def measure(request: Request, plan: Plan, say: Callable[[str], None]) -> Iterator[Point]:
    """Every measured point: what, processes, threads or batch, rate, latencies, or its error."""

    def point(what: str, function: Any, processes: int, size: int) -> Point:
        say(f"{what}: {processes} processes, {size}")
        shape: Point = {"what": what, "processes": processes, "size": size}
        try:
            return shape | together(run_in_processes(function, processes, request, size))
        except (RuntimeError, BrokenProcessPool) as error:
            # Mostly too little memory; the other points are still useful.
            return shape | {"error": (str(error) or repr(error)).splitlines()[0]}

    for batch in plan.batches:
        yield point("networks", forward_passes, 1, batch)
    for processes in sorted({1, cores()}):
        yield point("decoding", decoding, processes, 1)
    for threads in plan.batches:
        yield point("examination", examinations, 1, threads)
    for processes in plan.processes:
        yield point("examination", examinations, processes, plan.threads)


def missing_cuda() -> str | None:
    """Why nothing can be measured on a GPU here; None if it can."""
    if not torch_is_for_cuda():
        return "no CUDA: the installed torch is a build without CUDA"
    return None if has_gpu() else "no CUDA: the driver (libcuda.so.1) is missing or finds no GPU"


def main(
    device: Annotated[Device, typer.Option(help="Where the networks compute.")] = Device.CUDA,
    quick: Annotated[
        bool, typer.Option(help="A few points on small photos, in half a minute, as a check.")
    ] = False,
    size: Annotated[str, typer.Option(help="Size of the photos: 2mp or 12mp.")] = "2mp",
    out: Annotated[Path, typer.Option(help="The JSON to write.")] = RESULTS / "gpu.json",
) -> None:
    """Measure photos a second and latency (p50, p95) on a GPU, and print a table.

    Takes some minutes, and draws its photos first. Leave the machine idle meanwhile.
    """
    if device == Device.CUDA and (reason := missing_cuda()):
        typer.echo(f"{reason}. `--device cpu --quick` only checks this benchmark.", err=True)
        raise typer.Exit(1)
    plan = QUICK if quick else FULL
    console = Console(stderr=True, highlight=False)
    if quick:
        photos = sorted(DEFAULT_BUNDLE_FOLDER.glob("golden/*.jpg"))
    else:
        photos = open_album().paths(size, "damaged")
    request = Request(str(device), photos, plan.seconds)
    results: dict[str, Any] = {
        "machine": facts(),
        "gpu": run_in_processes(gpu_facts, 1)[0] if device == CUDA else None,
        "bundle": bundle_label(),
        "device": str(device),
        "type": "float16" if device == CUDA else "float32",
        "photos": "golden photos of the bundle" if quick else f"damaged, {size}",
        "golden": run_in_processes(golden_photos, 1, request)[0],
        "points": [],
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    with console.status("networks") as status:
        for point in measure(request, plan, status.update):
            results["points"].append(point)
            out.write_text(json.dumps(results, indent=1) + "\n")
    _print(results)
    console.print(f"all figures: {out}")


def _print(results: Mapping[str, Any]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    where = results["gpu"]["name"] if results["gpu"] else results["machine"]["cpu"]
    console.print(f"{where}, {results['type']}, bundle {results['bundle']}, {results['photos']}")
    console.print(f"golden photos: {results['golden']}")
    table = Table("", box=None, pad_edge=False, header_style="bold")
    for name in ("processes", "batch or threads", "photos/s", "p50, ms", "p95, ms"):
        table.add_column(name, justify="right")
    for point in results["points"]:
        figures = [point.get(name) for name in ("photos_per_second", "p50_ms", "p95_ms")]
        cells = ["failed" if figure is None else f"{figure:.1f}" for figure in figures]
        table.add_row(point["what"], str(point["processes"]), str(point["size"]), *cells)
    console.print(table)
    for point in results["points"]:
        if "error" in point:
            console.print(
                f"{point['what']}, {point['processes']}, {point['size']}: {point['error']}"
            )


if __name__ == "__main__":
    typer.run(main)
