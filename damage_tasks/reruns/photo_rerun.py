"""A rerun of past photos: which ones, how many are left, and what failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from damage_tasks.reruns.lane_watch import LaneWatch
from damage_tasks.reruns.rerun_feeder import RerunFeeder
from damage_tasks.results.reexaminations import forget_failures
from damage_tasks.results.rerun_selection import (
    count_selection,
    failed_photos,
    last_digest,
    mean_seconds,
    next_photos,
)
from damage_tasks.shadow_queue import message_body
from damage_tasks.sqs.outgoing_batches import OutgoingMessage, send_in_batches
from damage_tasks.sqs.queues import read_queue, sending_client, sqs_client
from damage_tasks.storage.object_keys import photo_key
from damage_tasks.storage.s3 import Bucket

if TYPE_CHECKING:
    from collections.abc import Mapping

    from damage_tasks.results.reexaminations import Outcome
    from damage_tasks.results.rerun_selection import Selection, SelectionCounts
    from damage_tasks.results.store import Inspections

SAMPLED_PHOTOS = 50  # of which the share of kept ones is estimated
_BATCH = 1000  # failures of one statement


class Rerun:
    """The photos of ``selection`` in ``store``, at most ``limit`` of them.

    Every method raises `DatabaseUnavailable` or `DatabaseError`.
    """

    def __init__(self, store: Inspections, selection: Selection, limit: int | None = None) -> None:
        self._store = store
        if limit is not None:
            with store.transaction() as connection:
                last = last_digest(connection, selection, limit)
            selection = replace(selection, last=last)
        self.selection = selection

    def counts(self) -> SelectionCounts:
        """The numbers of photos: all, examined with the bundle, and failed."""
        with self._store.transaction() as connection:
            return count_selection(connection, self.selection)

    def mean_seconds(self) -> tuple[float, bool] | None:
        """See `damage_tasks.results.rerun_selection.mean_seconds`."""
        with self._store.transaction() as connection:
            return mean_seconds(connection, self.selection)

    def count_kept(self, bucket: Bucket) -> tuple[int, int]:
        """How many photos of a sample are kept in ``bucket``, and the size of the sample."""
        with self._store.transaction() as connection:
            sample = next_photos(connection, self.selection, "", SAMPLED_PHOTOS)
        kept = [photo for photo in sample if bucket.has(f"s3://{bucket.name}/{photo_key(photo)}")]
        return len(kept), len(sample)

    def failures(self) -> list[Outcome]:
        """The photos that failed, in the order of their digests."""
        with self._store.transaction() as connection:
            return list(failed_photos(connection, self.selection))

    def forget_failures(self) -> None:
        """Let the photos that failed be examined again."""
        photos = [failure.photo_sha256 for failure in self.failures()]
        for first in range(0, len(photos), _BATCH):
            with self._store.transaction() as connection:
                forget_failures(
                    connection, photos[first : first + _BATCH], self.selection.bundle_digest
                )

    def feeder(
        self, queue_url: str, lanes: Mapping[str, str], in_flight: int, tolerated: int
    ) -> RerunFeeder:
        """Sends the photos to ``queue_url`` while none wait in ``lanes`` (URLs by name).

        See `RerunFeeder` and `LaneWatch`.
        """
        sqs = sqs_client()
        watch = LaneWatch(lanes, lambda url: read_queue(sqs, url), tolerated)
        digest = self.selection.bundle_digest

        def send(photos: Sequence[str]) -> None:
            messages = (
                OutgoingMessage(
                    photo, photo, queue_url, {"MessageBody": message_body(photo, digest)}
                )
                for photo in photos
            )
            for _ in send_in_batches(sending_client(), messages):
                pass

        return RerunFeeder(self._store, self.selection, send, watch.reason_to_pause, in_flight)
