"""``python -m benchmarks.capacity``: pods, ages and costs for a number of photos per day."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.fleet_costs import (
    CLEAN_PICTURES,
    DEFAULT_PICTURES,
    PROCESSES_PER_CORE,
    Prices,
    dollars,
    loads,
)
from benchmarks.queue_simulation import DAY_SECONDS, Fleet, Outcome, daily_curve, simulate
from benchmarks.report import RESULTS, new_figure, save_figure

# The figures of docs/capacity.md are in benchmarks/results.
OUT = Path("var/capacity")
SIZES = (80_000, 800_000, 8_000_000, 80_000_000)
# Used if `make bench` has not been run: docs/speed.md.
TYPICAL = {"worker": 97.0, "postgres": 2.3}
# Share of a core that examines photos; the rest is a reserve for noisy neighbours.
BUSY = 0.85


def main(
    photos_per_day: Annotated[
        list[int] | None, typer.Option(help="Photos per day; may be given more than once.")
    ] = None,
    peak_factor: Annotated[
        float, typer.Option(help="Rate of the peak relative to the mean.")
    ] = 4.0,
    cpu_ms: Annotated[
        float | None, typer.Option(help="Worker CPU ms per photo; by default as measured by bench.")
    ] = None,
    pod_cores: Annotated[float, typer.Option(help="Cores of one pod.")] = 1.0,
    pods_per_node: Annotated[int, typer.Option(help="Pods that fit on one node.")] = 4,
    pod_start: Annotated[float, typer.Option(help="Seconds from pod to first photo.")] = 15,
    node_start: Annotated[float, typer.Option(help="Additional seconds for a new node.")] = 75,
    photos_per_worker: Annotated[float, typer.Option(help="autoscaling.photosPerWorker.")] = 60,
    min_pods: Annotated[int, typer.Option(help="autoscaling.minReplicas.")] = 2,
    max_pods: Annotated[
        int | None, typer.Option(help="autoscaling.maxReplicas; by default enough for the peak.")
    ] = None,
    spot_losses: Annotated[float, typer.Option(help="Share of nodes lost per hour.")] = 0.02,
    storm: Annotated[float, typer.Option(help="Share of nodes lost at once, at the peak.")] = 0.3,
    clean_pictures: Annotated[
        str, typer.Option(help=f"DAMAGE_CLEAN_PICTURES: {', '.join(CLEAN_PICTURES)}.")
    ] = DEFAULT_PICTURES,
    node_price: Annotated[float, typer.Option(help="US dollars per node and hour.")] = 0.08,
    check: Annotated[
        bool, typer.Option("--check", help="Compare with a real worker instead; takes two minutes.")
    ] = False,
    out: Annotated[Path, typer.Option(help="Folder for capacity.json and the plot.")] = OUT,
) -> None:
    """Simulate one day of the queue: the age of photos, the number of pods, the costs.

    The model: a daily curve with one peak, KEDA as configured in the chart, pods with a start
    delay and the loss of spot nodes.
    Example: python -m benchmarks.capacity --photos-per-day 800000 --peak-factor 4
    """
    console = Console()
    if check:
        from benchmarks.simulation_check import compare

        compare(console, out)
        return
    if clean_pictures not in CLEAN_PICTURES:
        raise typer.BadParameter(f"--clean-pictures is one of {', '.join(CLEAN_PICTURES)}")
    measured = measured_cpu(RESULTS)
    worker_ms = cpu_ms or measured["worker"]
    rate = pod_cores * BUSY * 1000 / worker_ms
    fleet = Fleet(
        pod_rate=rate, min_pods=min_pods, photos_per_worker=photos_per_worker,
        pod_start=pod_start, node_start=node_start, pods_per_node=pods_per_node,
        spot_losses=spot_losses, storm=storm,
    )  # fmt: skip
    prices = Prices(node_hour=node_price)
    rows, days = [], {}
    for photos in photos_per_day or SIZES:
        with console.status(f"{photos:,} photos per day"):
            peak = photos / DAY_SECONDS * peak_factor
            # A third more than the peak needs, to cover losses and to work off a backlog.
            most = max_pods or max(min_pods, math.ceil(peak / rate * 1.35))
            day = simulate(
                daily_curve(photos, peak_factor, 2 * DAY_SECONDS), replace(fleet, max_pods=most)
            )
        days[photos] = day
        processes = pod_cores * PROCESSES_PER_CORE
        rows.append(_row(photos, peak, day, measured, prices, clean_pictures, processes))
    out.mkdir(parents=True, exist_ok=True)
    document = {"fleet": asdict(fleet), "prices": asdict(prices), "worker_ms": worker_ms,
                "peak_factor": peak_factor, "clean_pictures": clean_pictures,
                "days": rows}  # fmt: skip
    (out / "capacity.json").write_text(json.dumps(document, indent=1) + "\n")
    _print(console, rows, worker_ms, rate)
    console.print(f"Plot: {plot(days, out)}")


def measured_cpu(folder: Path) -> dict[str, float]:
    """CPU ms per photo in the last `make bench`: 2 MP photos, realistic mix."""
    try:
        results = json.loads((folder / "latest.json").read_text())
        return dict(results["end_to_end"]["2mp realistic"]["cpu_ms"])
    except (OSError, KeyError):
        return dict(TYPICAL)


def _row(
    photos: int,
    peak: float,
    day: Outcome,
    cpu_ms: dict[str, float],
    prices: Prices,
    clean_pictures: str,
    processes_per_pod: float,
) -> dict[str, Any]:
    costs = {policy: dollars(photos, day.node_hours, prices, policy) for policy in CLEAN_PICTURES}
    by_million = {policy: sum(cost.values()) / photos * 1e6 for policy, cost in costs.items()}
    pods = float(day.pods.max())
    parts = loads(peak, photos, pods, cpu_ms, clean_pictures, processes_per_pod)
    return {
        "photos_per_day": photos,
        "peak_per_second": peak,
        "age_p50": day.age(50),
        "age_p99": day.age(99),
        "age_max": float(day.ages[day.finished > 0].max()),
        "pods_min": int(day.pods.min()),
        "pods_mean": float(day.pods.mean()),
        "pods_max": int(day.pods.max()),
        "nodes_max": int(day.nodes.max()),
        "dollars_a_day": costs[clean_pictures],
        "dollars_a_million": by_million[clean_pictures],
        "dollars_a_million_by_clean_pictures": by_million,
        "loads": [{**asdict(load), "share": load.share} for load in parts],
    }


def _print(console: Console, rows: list[dict[str, Any]], worker_ms: float, rate: float) -> None:
    console.print(f"{worker_ms:.0f} ms of CPU per photo: {rate:.1f} photos per second and pod")
    table = Table("photos per day", "peak /s", "age p50", "age p99", "pods mean, max", "nodes max",
    "$ per day", "$ per million", "of which nodes")  # fmt: skip
    for row in rows:
        cost = row["dollars_a_day"]
        table.add_row(
            f"{row['photos_per_day']:,}", f"{row['peak_per_second']:.1f}",
            f"{row['age_p50']:.1f} s", f"{row['age_p99']:.0f} s",
            f"{row['pods_mean']:.1f}, {row['pods_max']}", str(row["nodes_max"]),
            f"{sum(cost.values()):,.2f}", f"{row['dollars_a_million']:.2f}",
            f"{cost['nodes'] / sum(cost.values()):.0%}",
        )  # fmt: skip
    console.print(table)
    table = Table("photos per day", *(f"$ per million: {name}" for name in CLEAN_PICTURES))
    for row in rows:
        prices = row["dollars_a_million_by_clean_pictures"].values()
        table.add_row(f"{row['photos_per_day']:,}", *(f"{price:.2f}" for price in prices))
    console.print(table)
    table = Table("photos per day", "first limit", "use", "limit", "what to change")
    for row in rows:
        broken = [load for load in row["loads"] if load["share"] > 1] or row["loads"][:1]
        for load in broken:
            table.add_row(
                f"{row['photos_per_day']:,}",
                load["part"] + ("" if load["share"] > 1 else " (holds)"),
                f"{load['use']:,.3g} {load['unit']}", f"{load['limit']:,}", load["change"],
            )  # fmt: skip
    console.print(table)


def plot(days: dict[int, Outcome], folder: Path) -> Path:
    """Plot photos per second, pods and age of the backlog over the day, one column per size."""
    figure, axes = new_figure(3.2 * len(days), 5.6, rows=3, columns=len(days))
    grid = np.reshape(axes, (3, len(days)))
    every = 60
    hours = np.arange(0, DAY_SECONDS, every) / 3600
    for column, (photos, day) in enumerate(days.items()):
        series = (day.arrivals.reshape(-1, every).mean(1), day.pods[::every],
                  day.ages.reshape(-1, every).max(1))  # fmt: skip
        for row, values in enumerate(series):
            grid[row][column].plot(hours, values, linewidth=1)
            grid[row][column].set_ylim(bottom=0)
        grid[0][column].set_title(f"{photos:,} per day", fontsize=9)
        grid[2][column].set_xlabel("hour")
    for row, name in enumerate(("photos per second", "pods", "oldest photo, s")):
        grid[row][0].set_ylabel(name)
    return save_figure(figure, folder / "capacity.png")


if __name__ == "__main__":
    typer.run(main)
