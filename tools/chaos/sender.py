"""Places photos where workers can download them, and messages on the queue."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from damage_tasks.devstack import Stack
from tools.chaos.fault_plan import CRASH, GOOD, HANG, SLOW, Photo
from tools.hostile.hostile_case import EXAMINED, Case, Ground, celery, failed, plain
from tools.redrive import queue_urls
from tools.sample_pictures_and_results import jpeg

# Photos that are not at fault may fail too if we kill their processes often enough.
UNLUCKY = failed("worker_lost") | failed("retries_exhausted") | failed("time_limit")
EXPECTED = {
    GOOD: EXAMINED | UNLUCKY,
    SLOW: EXAMINED | UNLUCKY,
    CRASH: failed("worker_lost"),
    HANG: failed("worker_lost"),
}


@dataclass(frozen=True, slots=True)
class Sent:
    """A message, when it was sent (seconds since 1970), and its acceptable outcomes."""

    name: str
    expected: frozenset[str]
    at: float
    hostile: bool = False


@dataclass
class Post:
    """``sent`` contains every message by the id of its inspection."""

    stack: Stack
    ground: Ground
    sent: dict[str, Sent] = field(default_factory=dict)
    messages: int = 0

    def prepare(self, photos: Iterable[Photo]) -> None:
        """Place each photo at its URL."""
        self._urls = {photo.number: self._place(photo) for photo in photos}

    def send(self, photos: Iterable[Photo], cases: Iterable[Case]) -> None:
        """Send messages directly, bypassing the faults: a caller would notice that SQS is down."""
        letters: list[tuple[str, str | None, Sent, str, dict[str, Any]]] = []
        queues = queue_urls(self.stack)
        for photo in photos:
            url, name = self._urls[photo.number], f"{photo.kind} photo {photo.number}"
            id = str(uuid.uuid4()) if photo.celery else None
            options = _options(photo)
            body = (
                celery([url, {"car": photo.number}], id=id, headers=options)
                if id
                else plain({"image_url": url, "inspection": options})
            )
            sent = Sent(name, EXPECTED[photo.kind], time.time())
            letters += [(body, id, sent, queues[photo.number % len(queues)], {})] * photo.copies
        for case in cases:
            sent = Sent(case.name, case.expected, time.time(), hostile=True)
            letters.append((case.body, case.id, sent, queues[0], case.attributes))
        for body, id, sent, queue, attributes in letters:
            answer = self.stack.client("sqs").send_message(
                QueueUrl=queue, MessageBody=body, MessageAttributes=attributes
            )
            self.sent[id or answer["MessageId"]] = sent
            self.messages += 1

    def _place(self, photo: Photo) -> str:
        if photo.kind in (CRASH, HANG):
            return f"{self.ground.site.url}/{photo.kind}-{photo.number}.jpg"
        data = jpeg(seed=1_000_000 + photo.picture)
        if photo.on_web:
            return self.ground.site.serve(f"/{photo.kind}-{photo.number}.jpg", data)
        return self.ground.store(f"chaos/{photo.number}.jpg", data)


def _options(photo: Photo) -> dict[str, Any]:
    if photo.case is None:
        return {}
    return {"case_id": f"case {photo.case}", "case_photos": photo.case_photos}
