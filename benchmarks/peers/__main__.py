"""``python -m benchmarks.peers``: our worker and its peers alternately, on the same servers."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.benchmark_photos import open_album
from benchmarks.goals import judge
from benchmarks.machine_facts import cores, facts
from benchmarks.measured_engines import auto_engine, bundle_label
from benchmarks.peers.peer_processes import COMMANDS, drive, running
from benchmarks.report import RESULTS, write
from benchmarks.testbed import Ground, open_ground, open_service
from benchmarks.throughput import measure

OURS = "damage-tasks"


def main(
    seconds: Annotated[float, typer.Option(min=1, help="Seconds of one measurement.")] = 5.0,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds with the same engine.")] = 3,
    only: Annotated[str, typer.Option(help="Peers, comma-separated.")] = ",".join(COMMANDS),
    out: Annotated[Path, typer.Option(help="Folder for results.")] = RESULTS,
) -> None:
    """Compare with BentoML, LitServe and Ray Serve: same photos, network and storage.

    Every framework runs our pipeline: its download, overlay, S3 and PostgreSQL code. With the same
    engine, each has one single-threaded worker per core; by default it is deployed as in its
    quick start, with the network in eager fp32. Writes peers.json and peers.md to OUT.
    """
    console = Console(stderr=True, highlight=False)
    names = [name for name in COMMANDS if name in only.split(",")]
    rates: list[dict[str, Any]] = []

    def note(stack: str, deployment: str, rate: dict[str, Any]) -> None:
        rates.append({"stack": stack, "deployment": deployment, **rate})
        console.print(f"  {stack}, {deployment}: {rate['photos_per_second']:.2f} per second")

    results: dict[str, Any] = {"machine": facts(), "bundle": bundle_label()}
    results["engine"] = auto_engine()
    with console.status("measuring"), open_ground(open_album()) as ground:
        for number in range(rounds):
            note(OURS, "equal", _ours(ground, f"ours-{number}", seconds))
            for name in names:
                note(name, "equal", _theirs(ground, name, seconds, number, equal=True))
        for name in names:
            note(name, "default", _theirs(ground, name, seconds, rounds, equal=False))
        note(OURS, "equal", _ours(ground, "ours-last", seconds))
    results["peers"] = {"rates": rates, "ratios": ratios(rates)}
    page = write(results, out, "peers")
    table = Table("figure", "goal", "reached", "")
    for goal in judge(results):
        table.add_row(
            goal.figure, goal.goal, goal.reached, "[green]met" if goal.met else "[red]missed"
        )
    Console().print(table)
    console.print(f"all figures: {page}")


def ratios(rates: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Our median rate relative to each peer's, by deployment."""
    found: dict[str, dict[str, float]] = {"equal": {}, "default": {}}
    for deployment, by_peer in found.items():
        ours = _median(rates, OURS, "equal")
        for name in dict.fromkeys(rate["stack"] for rate in rates if rate["stack"] != OURS):
            by_peer[name] = ours / _median(rates, name, deployment)
    return found


def _median(rates: list[dict[str, Any]], stack: str, deployment: str) -> float:
    return median(
        rate["photos_per_second"]
        for rate in rates
        if (rate["stack"], rate["deployment"]) == (stack, deployment)
    )


def _photos(ground: Ground) -> Iterator[str]:
    for seed in itertools.count():
        yield from ground.urls("2mp", "damaged", 100, seed=seed)


def _ours(ground: Ground, name: str, seconds: float) -> dict[str, Any]:
    with open_service(ground, name, processes=cores()) as service:
        rate = measure(service, _photos(ground), seconds=seconds)
    return {"photos_per_second": rate.per_second, "cpu_ms": rate.worker_ms}


def _theirs(
    ground: Ground, name: str, seconds: float, number: int, *, equal: bool
) -> dict[str, Any]:
    folder = f"{name.lower().replace(' ', '-')}-{number}-{'equal' if equal else 'default'}"
    with open_service(ground, folder, workers=0) as service:
        photos = _photos(ground)
        with running(name, service, equal=equal, warm_up=next(photos)) as peer:
            return drive(peer, service, photos, seconds=seconds)


if __name__ == "__main__":
    typer.run(main)
