"""Simulates a day of the queue: a daily curve, workers that start late, lost spot nodes."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Series = NDArray[np.float64]
DAY_SECONDS = 86_400
PEAK_HOUR = 18
NIGHT_RATE_RATIO = 0.1  # relative to the mean rate


@dataclass(frozen=True, slots=True)
class Fleet:
    """Parameters of the workers; the defaults are the chart's and typical of clouds.

    ``pod_rate`` is photos per second and pod, ``photos_per_worker`` and ``polling`` are
    KEDA's, ``pod_start`` and ``node_start`` are seconds, ``spot_losses`` the share of nodes
    lost per hour, ``storm`` the share lost at once at the day's peak.
    """

    pod_rate: float
    min_pods: int = 2
    max_pods: int = 14
    photos_per_worker: float = 60
    polling: int = 15
    pod_start: float = 15
    node_start: float = 75
    pods_per_node: int = 4
    spot_losses: float = 0.02
    storm: float = 0.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """One simulated day, second by second; ages are those of finished photos."""

    arrivals: Series
    finished: Series
    backlog: Series
    pods: Series
    nodes: Series
    ages: Series

    def age(self, percent: float) -> float:
        """Percentile of the seconds between sending and verdict."""
        return weighted_percentile(self.ages, self.finished, percent)

    @property
    def node_hours(self) -> float:
        """Total hours of all nodes."""
        return float(self.nodes.sum()) / 3600


def daily_curve(photos_per_day: float, peak_factor: float, seconds: int = DAY_SECONDS) -> Series:
    """Expected photos in each second; the maximum is ``peak_factor`` times the mean.

    One broad peak (a von Mises curve) above a quiet night.  Raises `ValueError`
    unless ``peak_factor`` is greater than 1.
    """
    if peak_factor <= 1:
        raise ValueError("the peak factor must be greater than 1")
    phase = np.cos((np.arange(DAY_SECONDS) / DAY_SECONDS - PEAK_HOUR / 24) * 2 * np.pi) - 1
    low, high = 1e-6, 1e5
    for _ in range(100):
        sharp = math.sqrt(low * high)
        mean = NIGHT_RATE_RATIO + (peak_factor - NIGHT_RATE_RATIO) * float(
            np.exp(sharp * phase).mean()
        )
        low, high = (sharp, high) if mean > 1 else (low, sharp)
    shape = NIGHT_RATE_RATIO + (peak_factor - NIGHT_RATE_RATIO) * np.exp(
        math.sqrt(low * high) * phase
    )
    shape *= 1 / shape.mean()
    return np.resize(shape * photos_per_day / DAY_SECONDS, seconds)


def simulate(expected: Series, fleet: Fleet, seed: int = 0) -> Outcome:
    """The last day of ``expected`` (photos per second), with the days before it as a warm-up."""
    rng = np.random.default_rng(seed)
    arrivals = rng.poisson(expected).astype(float)
    scaler = Scaler(fleet, rng, storm_at=len(expected) - DAY_SECONDS + PEAK_HOUR * 3600)
    finished, backlog, pods, nodes = (np.zeros(len(arrivals)) for _ in range(4))
    waiting = 0.0
    for second, new in enumerate(arrivals):
        running = scaler.step(second, waiting)
        waiting += new
        done = min(waiting, running * fleet.pod_rate)
        waiting -= done
        finished[second], backlog[second] = done, waiting
        pods[second], nodes[second] = running, scaler.nodes
    ages = ages_of(arrivals, finished)
    day = slice(max(0, len(arrivals) - DAY_SECONDS), None)
    return Outcome(arrivals[day], finished[day], backlog[day], pods[day], nodes[day], ages[day])


class Scaler:
    """KEDA and the horizontal pod autoscaler, with the chart's `behavior`."""

    SCALE_DOWN_DELAY_SECONDS = 300  # before pods are removed

    def __init__(self, fleet: Fleet, rng: np.random.Generator, storm_at: int) -> None:
        self.fleet = fleet
        self.rng = rng
        self.storm_at = storm_at
        self.wanted = self.running = fleet.min_pods
        self.nodes = self._nodes_for(self.running)
        self.starting: deque[tuple[float, int]] = deque()  # when they are ready, how many
        self.wishes: deque[tuple[int, int]] = deque()

    def step(self, second: int, backlog: float) -> int:
        """Number of pods running in this second."""
        while self.starting and self.starting[0][0] <= second:
            self.running += self.starting.popleft()[1]
        if second % self.fleet.polling == 0:
            self._look(second, backlog)
        lost = self.rng.binomial(self.nodes, self.fleet.spot_losses / 3600)
        if second == self.storm_at:
            lost += round(self.nodes * self.fleet.storm)
        if lost:
            gone = min(self.running, lost * self.fleet.pods_per_node)
            self.running -= gone
            self._start(second, gone, self.fleet.node_start)
        self.nodes = self._nodes_for(self.wanted)
        return self.running

    def _look(self, second: int, backlog: float) -> None:
        fleet = self.fleet
        wish = math.ceil(backlog / fleet.photos_per_worker)
        wish = min(fleet.max_pods, max(fleet.min_pods, wish))
        self.wishes.append((second, wish))
        while self.wishes[0][0] < second - self.SCALE_DOWN_DELAY_SECONDS:
            self.wishes.popleft()
        if wish > self.wanted and second % 30 == 0:
            wish = min(wish, max(2 * self.wanted, self.wanted + 4))
            room = self.nodes * fleet.pods_per_node - self.wanted
            here = min(room, wish - self.wanted)
            self._start(second, here, 0.0)
            self._start(second, wish - self.wanted - here, fleet.node_start)
            self.wanted = wish
        elif second % 60 == 0:
            calm = max(wish for _, wish in self.wishes)
            fewer = max(calm, self.wanted - max(1, self.wanted // 4))
            if fewer < self.wanted:
                self.stop_pods(self.wanted - fewer)
                self.wanted = fewer

    def _start(self, second: int, pods: int, extra: float) -> None:
        if pods > 0:
            self.starting.append((second + self.fleet.pod_start + extra, pods))
            self.starting = deque(sorted(self.starting))

    def stop_pods(self, pods: int) -> None:
        """Pods that have not started working are stopped first, as in Kubernetes."""
        while pods and self.starting:
            ready, number = self.starting.pop()
            gone = min(pods, number)
            pods -= gone
            if number > gone:
                self.starting.append((ready, number - gone))
        self.running -= pods

    def _nodes_for(self, pods: int) -> int:
        return math.ceil(pods / self.fleet.pods_per_node)


def ages_of(arrivals: Series, finished: Series, step: float = 1.0) -> Series:
    """Age in seconds of the photos finished in each step, first in, first out."""
    came = np.concatenate([[0.0], np.cumsum(arrivals)])
    left = np.cumsum(finished) - finished / 2
    times = np.arange(len(came)) * step
    # Where nothing arrived the curve is flat: use the last moment before.
    came = came + np.arange(len(came)) * 1e-9
    sent = np.interp(left, came, times)
    return np.maximum(0.0, (np.arange(len(finished)) + 0.5) * step - sent)


def weighted_percentile(values: Series, weights: Series, percent: float) -> float:
    """The value below or at which ``percent`` of the weight lies."""
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    place = int(np.searchsorted(total, total[-1] * percent / 100))
    return float(values[order][min(place, len(values) - 1)])
