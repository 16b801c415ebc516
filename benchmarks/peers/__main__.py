"""``python -m benchmarks.peers``: our worker and its peers alternately, on the same servers."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.benchmark_photos import open_album
from benchmarks.goals import judge
from benchmarks.machine_facts import facts
from benchmarks.measured_engines import auto_engine, bundle_label
from benchmarks.peers.killed_process import lost_by_peer, lost_by_us
from benchmarks.peers.peer_processes import COMMANDS, drive, running, version_of
from benchmarks.peers.peer_ratios import OURS, ratios
from benchmarks.report import RESULTS, write
from benchmarks.testbed import Ground, open_ground, open_service
from benchmarks.throughput import measure

DELAYS_MS = (0, 80)
KILLED_PHOTOS = 60


def main(
    seconds: Annotated[float, typer.Option(min=1, help="Seconds of one measurement.")] = 5.0,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds with the same engine.")] = 2,
    only: Annotated[str, typer.Option(help="Peers, comma-separated.")] = ",".join(COMMANDS),
    out: Annotated[Path, typer.Option(help="Folder for results.")] = RESULTS,
) -> None:
    """Compare with BentoML, LitServe and Ray Serve: same photos, network and storage.

    Every framework runs our pipeline: its download, overlay, S3 and PostgreSQL code. It is deployed
    as its own guides advise (best), with batches, and as in its quick start (default), with the
    network in eager fp32; photos arrive at once or after 80 ms. Then a process is killed, and
    the photos without a verdict are counted. Writes peers.json and peers.md to OUT.
    """
    console = Console(stderr=True, highlight=False)
    names = [name for name in COMMANDS if name in only.split(",")]
    rates: list[dict[str, Any]] = []
    lost: dict[str, dict[str, Any]] = {}
    results: dict[str, Any] = {"machine": facts(), "bundle": bundle_label()}
    results["engine"] = auto_engine()
    with console.status("measuring"), open_ground(open_album()) as ground:
        turns: list[tuple[str, str]] = []
        for number in range(rounds):
            turns.append((OURS, "best"))
            turns += [(name, "best") for name in names]
            turns += [(name, "batches") for name in names]
            turns += [(name, "default") for name in names if number == 0]
        for turn, (stack, deployment) in enumerate([*turns, (OURS, "best")]):
            kills = deployment == "best" and stack not in lost
            try:
                taken, loss = _take(ground, stack, deployment, f"turn-{turn}", seconds, kills=kills)
            except (RuntimeError, TimeoutError) as error:
                # The other stacks' figures are still useful.
                console.print(f"[red]{stack}, {deployment} failed:[/] {escape(str(error))}")
                continue
            if loss:
                lost[stack] = loss
                console.print(f"  {stack}: {loss}")
            for rate in taken:
                rates.append({"stack": stack, "deployment": deployment, **rate})
                console.print(
                    f"  {stack}, {deployment}, {rate['delay_ms']} ms: "
                    f"{rate['photos_per_second']:.2f} per second"
                )
    versions = {name: version_of(name) for name in names}
    results["peers"] = {
        "versions": versions, "rates": rates, "ratios": ratios(rates), "lost": lost,
    }  # fmt: skip
    page = write(results, out, "peers")
    table = Table("figure", "goal", "reached", "")
    for goal in judge(results):
        table.add_row(
            goal.figure, goal.goal, goal.reached, "[green]met" if goal.met else "[red]missed"
        )
    Console().print(table)
    console.print(f"all figures: {page}")


def _take(
    ground: Ground, stack: str, deployment: str, folder: str, seconds: float, *, kills: bool
) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    """The rates of one start, by delay; with ``kills``, a process is killed afterwards."""
    rates: list[dict[str, Any]] = []
    loss = None
    if stack == OURS:
        with open_service(ground, folder) as service:
            for delay in DELAYS_MS:
                rate = measure(service, _photos(ground, delay), seconds=seconds)
                rates.append(_rate(delay, rate.per_second, rate.worker_ms))
            if kills:
                loss = lost_by_us(service, ground.urls("2mp", "damaged", KILLED_PHOTOS))
        return rates, loss
    with open_service(ground, folder, workers=0) as service:
        (warm_up,) = ground.urls("2mp", "damaged", 1)
        with running(stack, service, deployment, warm_up) as peer:
            for delay in DELAYS_MS:
                driven = drive(peer, service, _photos(ground, delay), seconds=seconds)
                rates.append(_rate(delay, driven["photos_per_second"], driven["cpu_ms"]))
            if kills:
                urls = ground.urls("2mp", "damaged", KILLED_PHOTOS)
                loss = lost_by_peer(peer, service, urls)
    return rates, loss


def _rate(delay: int, per_second: float, cpu_ms: float) -> dict[str, Any]:
    return {"delay_ms": delay, "photos_per_second": per_second, "cpu_ms": cpu_ms}


def _photos(ground: Ground, delay: int) -> Iterator[str]:
    for seed in itertools.count():
        yield from ground.urls("2mp", "damaged", 100, delay=delay, seed=seed)


if __name__ == "__main__":
    typer.run(main)
