"""``python -m benchmarks.message_formats``: size and cost of a message in each format.

Compares the message of `detect_damage.delay`, plain JSON and the compact format for the same
request: bytes of the body, microseconds to write it in a caller and to translate it in a worker.
Times are the fastest of several rounds, which alternate.
"""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from damage_tasks import InspectionOptions, app, detect_damage
from damage_tasks.sqs.compact_message import write_request
from damage_tasks.sqs.envelope import translate
from damage_tasks.sqs.outgoing_batches import recording_channel

URL = "https://photos.rental.example/returns/2026-11-29/4711/front-left.jpg"
METADATA = {
    "car_id": 4711,
    "rental_id": "r-2026-11-29-0815",
    "branch": 512,
    "side": "front-left",
    "country": "DE",
    "request_id": "0c1e6c9a-1b1f-4f6e-9d0e-0e2f6f6a7b10",
}
OPTIONS: InspectionOptions = {
    "id": "r-2026-11-29-0815/front-left",
    "case_id": "r-2026-11-29-0815",
    "case_photos": 12,
    "deadline": "2026-11-29T18:00:00+00:00",
}
REQUEST = {"image_url": URL, **METADATA, "inspection": OPTIONS}
CALLS = 500  # of each function in a round


@dataclass(frozen=True, slots=True)
class Format:
    """``write`` makes the body, and ``read`` translates it as a worker does."""

    name: str
    write: Callable[[], str]
    read: Callable[[str], object]


@contextmanager
def formats() -> Iterator[list[Format]]:
    """All formats; nothing is sent."""
    os.environ.setdefault("DAMAGE_QUEUE_URL", "https://sqs.invalid/000000000000/damage")
    with (
        recording_channel(app.conf.broker_transport_options) as channel,
        app.amqp.Producer(channel, auto_declare=False) as producer,
    ):

        def write_celery() -> str:
            call: Any = detect_damage
            call.apply_async((URL, METADATA), producer=producer, inspection=OPTIONS)
            body: str = channel.take("id", "label").entry["MessageBody"]
            return body

        yield [
            Format("detect_damage.delay", write_celery, lambda body: _translated(_decoded(body))),
            Format("JSON", lambda: json.dumps(REQUEST), _translated),
            Format(
                "compact",
                lambda: write_request(URL, METADATA, OPTIONS),
                lambda body: translate(body, "m", "damage", compact=True),
            ),
        ]


def _translated(body: str) -> object:
    return translate(body, "m", "damage")


def measure(rounds: int) -> dict[str, tuple[int, float, float]]:
    """By format: the body's bytes, and microseconds to write and to read it."""
    with formats() as compared:
        bodies = {each.name: each.write() for each in compared}
        fastest = {each.name: (float("inf"), float("inf")) for each in compared}
        for _ in range(rounds):
            for each in compared:
                write, read = fastest[each.name]
                fastest[each.name] = (
                    min(write, _microseconds(each.write)),
                    min(read, _microseconds(partial(each.read, bodies[each.name]))),
                )
    return {name: (len(bodies[name].encode()), *times) for name, times in fastest.items()}


def _microseconds(function: Callable[[], object]) -> float:
    start = time.process_time()
    for _ in range(CALLS):
        function()
    return (time.process_time() - start) / CALLS * 1e6


def _decoded(body: str) -> str:
    return base64.b64decode(body).decode()


def main(rounds: int = typer.Option(7, min=1)) -> None:
    """Print the figures, and each format's ratio to JSON."""
    found = measure(rounds)
    plain = found["JSON"]
    table = Table("message", "bytes", "to JSON", "write, us", "to JSON", "translate, us", "to JSON")
    for name, figures in found.items():
        cells = zip(figures, plain, strict=True)
        row = [cell for value, own in cells for cell in (f"{value:.0f}", f"{value / own:.2f}")]
        table.add_row(name, *row)
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
