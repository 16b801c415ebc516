"""Photos per second while the receiver of their events hangs, relative to one that answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from statistics import median
from threading import Event
from typing import Any

from scipy.stats import quantile_test

from benchmarks.testbed import Ground, Service, open_service
from damage_tasks.errors import StackError
from damage_tasks.results.delivery_queue import DeliveryQueue
from tools.webhook_receiver import WebhookReceiver, answer

PAIRS_A_ROUND = 6  # of which the median still has an interval
PHOTOS = 300  # of one measurement
UNCOUNTED_PHOTOS = 12  # at the beginning and at the end, when not every process is busy
CONFIDENCE = 0.95
POLL_SECONDS = 0.2
PATIENCE_SECONDS = 600.0
SETTINGS = {
    "DAMAGE_WEBHOOK_SECRETS": "whsec_YmVuY2htYXJrcyBzaWduIHRoZWlyIHdlYmhvb2tz",
    "DAMAGE_WEBHOOK_TIMEOUT": "15",
    # Retried as soon as possible, which costs most.
    "DAMAGE_DELIVERY_DELAYS": ",".join(["1"] * 60),
}


class SwitchedReceiver:
    """A webhook that answers, or hangs while `is_answering` is not set."""

    def __init__(self) -> None:
        self.is_answering = Event()
        self.is_answering.set()
        self._receiver = WebhookReceiver()
        self._receiver.behave = self._behave
        self.url = self._receiver.url

    def close(self) -> None:
        """Answer what hangs, and stop listening."""
        self.is_answering.set()
        self._receiver.close()

    def _behave(self, handler: BaseHTTPRequestHandler) -> None:
        self.is_answering.wait()
        answer(204)(handler)


def measure_hanging_receiver(
    ground: Ground,
    photos: Callable[[], Iterator[str]],
    pairs: int,
    say: Callable[[str], None],
    count: int = PHOTOS,
) -> dict[str, Any]:
    """The ratio of each of ``pairs`` pairs, their median and its confidence interval.

    Each half examines the same ``count`` first photos of ``photos``; every second pair begins
    with the hanging receiver, so that a machine that becomes slower favours neither.
    """
    rates: dict[bool, list[float]] = {True: [], False: []}
    with _service(ground) as (service, receiver):
        for number in range(pairs):
            first = number % 2 == 0
            for is_answering in (first, not first):
                say(
                    f"a receiver that {'answers' if is_answering else 'hangs'}, "
                    f"{number + 1} of {pairs}"
                )
                source = photos()
                urls = [next(source) for _ in range(count)]
                with _receiver_that(receiver, is_answering, service):
                    rates[is_answering].append(photos_per_second(service, urls))
    ratios = [dead / alive for alive, dead in zip(rates[True], rates[False], strict=True)]
    return {**summary(ratios), "answering": rates[True], "hanging": rates[False]}


def summary(ratios: Sequence[float]) -> dict[str, Any]:
    """The median of ``ratios`` and its confidence interval, made of order statistics.

    The interval is NaN if there are fewer than six ratios.
    """
    interval = quantile_test(ratios, q=1.0, p=0.5).confidence_interval(CONFIDENCE)
    return {
        "ratio": median(ratios),
        "low": float(interval.low),
        "high": float(interval.high),
        "ratios": list(ratios),
    }


def photos_per_second(service: Service, urls: Sequence[str]) -> float:
    """Send ``urls`` at once; the rate while every process is busy.

    Raises `StackError` or `TimeoutError` if they are not all examined.
    """
    since, end = time.time(), time.monotonic() + PATIENCE_SECONDS
    service.send(urls)
    while (done := service.finished(since)) < len(urls):
        service.check()
        if time.monotonic() > end:
            raise TimeoutError(f"only {done} of {len(urls)} photos finished")
        time.sleep(POLL_SECONDS)
    if odd := service.verdicts(since).keys() - {"clean", "damaged"}:
        raise StackError(f"photos were not examined but {', '.join(sorted(odd))}")
    ended = sorted(service.ended(since).values())[UNCOUNTED_PHOTOS:-UNCOUNTED_PHOTOS]
    return (len(ended) - 1) / (ended[-1] - ended[0])


@contextmanager
def _service(ground: Ground) -> Iterator[tuple[Service, SwitchedReceiver]]:
    receiver = SwitchedReceiver()
    settings = {**SETTINGS, "DAMAGE_EVENT_TARGETS": receiver.url}
    try:
        with open_service(ground, "hanging-receiver", settings=settings) as service:
            yield service, receiver
    finally:
        receiver.close()


@contextmanager
def _receiver_that(
    receiver: SwitchedReceiver, is_answering: bool, service: Service
) -> Iterator[None]:
    """Answer or hang meanwhile; afterwards, wait until all events are delivered."""
    if not is_answering:
        receiver.is_answering.clear()
    try:
        yield
    finally:
        receiver.is_answering.set()
    queue = DeliveryQueue(service.stack.environment["DAMAGE_DATABASE_URL"])
    end = time.monotonic() + PATIENCE_SECONDS
    while waiting := queue.backlog().waiting:
        if time.monotonic() > end:
            raise TimeoutError(f"{waiting} events are still not delivered")
        time.sleep(POLL_SECONDS)
    queue.close()
