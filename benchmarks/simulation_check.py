"""Compares the simulation with a real queue: a day of 80 seconds, a worker that adds a second."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.benchmark_photos import open_album
from benchmarks.queue_simulation import (
    DAY_SECONDS,
    Series,
    ages_of,
    daily_curve,
    weighted_percentile,
)
from benchmarks.testbed import Ground, Service, open_ground, open_service
from benchmarks.throughput import measure
from damage_tasks.devstack import WORKER_READY

DURATION_SECONDS = 80
STEP_SECONDS = 0.25
PEAK_CAPACITY_RATIO = 1.6  # times the capacity of one worker
PEAK_FACTOR = 2.5
SECOND_WORKER_BACKLOG_PHOTOS = 20  # at which the second worker is started


def compare(console: Console, out: Path) -> dict[str, Any]:
    """Run both and write check.json with the backlog ages of the real and the simulated queue."""
    with open_ground(open_album()) as ground, open_service(ground, "check", processes=1) as service:
        with console.status("measuring the rates of one and two workers, and the start-up time"):
            one, two, start = _rates(ground, service)
        expected = daily_curve(1, PEAK_FACTOR)
        curve = expected[:: DAY_SECONDS // int(DURATION_SECONDS / STEP_SECONDS)][
            : int(DURATION_SECONDS / STEP_SECONDS)
        ]
        curve = curve / curve.max() * one * PEAK_CAPACITY_RATIO * STEP_SECONDS
        arrivals = np.random.default_rng(7).poisson(curve).astype(float)
        with console.status(f"{int(arrivals.sum())} photos in {DURATION_SECONDS} s"):
            real = _replay(ground, service, arrivals)
    simulated, weights = _simulated(arrivals, one, two, start)
    found: dict[str, Any] = {
        "one_worker": one, "two_workers": two, "start_seconds": start, "photos": len(real),
        "real": {str(p): float(np.percentile(real, p)) for p in (50, 90, 99)},
        "simulated": {str(p): weighted_percentile(simulated, weights, p) for p in (50, 90, 99)},
    }  # fmt: skip
    out.mkdir(parents=True, exist_ok=True)
    (out / "check.json").write_text(json.dumps(found, indent=1) + "\n")
    table = Table("backlog age", "real", "simulated")
    for percent in ("50", "90", "99"):
        table.add_row(
            f"p{percent}", f"{found['real'][percent]:.1f} s", f"{found['simulated'][percent]:.1f} s"
        )
    console.print(table)
    return found


def _photos(ground: Ground) -> Iterator[str]:
    for seed in itertools.count():
        yield from ground.urls("2mp", "realistic", 100, seed=seed)


def _rates(ground: Ground, service: Service) -> tuple[float, float, float]:
    one = measure(service, _photos(ground), seconds=8).per_second
    began = time.monotonic()
    second = service.stack.start_worker()
    second.wait_for(WORKER_READY, 120)
    start = time.monotonic() - began
    two = measure(service, _photos(ground), seconds=8).per_second
    service.stack.workers.remove(second)
    second.terminate()
    second.wait(30)
    # Its open poll (`wait_time_seconds`) would receive a photo and lose it.
    time.sleep(11)
    return one, two, start


def _replay(ground: Ground, service: Service, arrivals: Series) -> list[float]:
    """Send photos at their times; returns each one's age at its verdict, in seconds."""
    photos = _photos(ground)
    sent: dict[str, float] = {}
    since, began = time.time(), time.monotonic()
    for number, new in enumerate(arrivals):
        time.sleep(max(0.0, began + number * STEP_SECONDS - time.monotonic()))
        for _ in range(int(new)):
            answer = service.sqs.send_message(
                QueueUrl=service.queue_url, MessageBody=service.body(next(photos))
            )
            sent[answer["MessageId"]] = time.time()
        if (
            len(service.stack.workers) == 1
            and len(sent) - service.finished(since) > SECOND_WORKER_BACKLOG_PHOTOS
        ):
            service.stack.start_worker()
    end = time.monotonic() + 300
    while service.finished(since) < len(sent) and time.monotonic() < end:
        time.sleep(0.2)
    ended = service.ended(since)
    if missing := sent.keys() - ended.keys():
        raise TimeoutError(f"{len(missing)} of {len(sent)} photos have no verdict")
    return [ended[id] - moment for id, moment in sent.items()]


def _simulated(arrivals: Series, one: float, two: float, start: float) -> tuple[Series, Series]:
    """Ages, and the number of photos with each."""
    arrivals = np.concatenate([arrivals, np.zeros(int(120 / STEP_SECONDS))])
    finished = np.zeros(len(arrivals))
    waiting, helped_from = 0.0, np.inf
    for number, new in enumerate(arrivals):
        now = number * STEP_SECONDS
        waiting += new
        if helped_from == np.inf and waiting > SECOND_WORKER_BACKLOG_PHOTOS:
            helped_from = now + start
        finished[number] = min(waiting, (two if now >= helped_from else one) * STEP_SECONDS)
        waiting -= finished[number]
    # A photo that does not have to wait still takes its processing time.
    return ages_of(arrivals, finished, STEP_SECONDS) + 1 / one, finished
