"""A rerun pauses while photos wait for their verdicts."""

from __future__ import annotations

from damage_tasks.errors import QueueUnavailable
from damage_tasks.reruns.lane_watch import LaneWatch
from damage_tasks.sqs.queues import Queue

URLS = {"damage": "https://sqs/1/damage", "urgent": "https://sqs/1/damage-urgent"}


class Queues:
    """The messages that wait in each queue; None for one that cannot be reached."""

    def __init__(self) -> None:
        self.waiting: dict[str, int | None] = dict.fromkeys(URLS.values(), 0)
        self.reads = 0

    def read(self, url: str) -> Queue:
        self.reads += 1
        waiting = self.waiting[url]
        if waiting is None:
            raise QueueUnavailable(f"{url}: no answer")
        return Queue(url, 180, 1209600, 5, None, waiting, 3, 0)


def test_waiting_photos_of_any_lane_are_a_reason_to_pause() -> None:
    queues = Queues()
    watch = LaneWatch(URLS, queues.read, every=0)
    assert watch.reason_to_pause() is None
    queues.waiting[URLS["urgent"]] = 2
    assert watch.reason_to_pause() == "photos wait for their verdicts: 2 in urgent"
    queues.waiting = {URLS["urgent"]: 0, URLS["damage"]: 7}
    assert watch.reason_to_pause() == "photos wait for their verdicts: 7 in damage"


def test_a_few_waiting_photos_can_be_tolerated() -> None:
    queues = Queues()
    queues.waiting[URLS["damage"]] = 7
    assert LaneWatch(URLS, queues.read, 7, every=0).reason_to_pause() is None
    assert LaneWatch(URLS, queues.read, 6, every=0).reason_to_pause()


def test_a_queue_that_cannot_be_read_is_a_reason_to_pause() -> None:
    queues = Queues()
    queues.waiting[URLS["damage"]] = None
    reason = LaneWatch(URLS, queues.read, every=0).reason_to_pause()
    assert reason == f"the queues cannot be read: {URLS['damage']}: no answer"


def test_the_queues_are_not_read_at_every_step() -> None:
    queues = Queues()
    watch = LaneWatch(URLS, queues.read, every=60)
    for _ in range(5):
        watch.reason_to_pause()
    assert queues.reads == len(URLS)
