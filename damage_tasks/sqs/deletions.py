"""Deletes messages whose verdicts are stored, ten at a time.

A late or lost deletion is harmless: the message is delivered again, its verdict is
found, and it is deleted then.  So the worker's main loop need not wait for SQS after
each photo, and a worker calls SQS once per ten messages, or twice per second.
"""

from __future__ import annotations

import atexit
import queue
import threading
import time
from collections.abc import Callable

from kombu.log import get_logger

from damage_tasks.sqs.batches import MAX_BATCH_ENTRIES

logger = get_logger(__name__)

BATCH_WAIT_SECONDS = 0.5  # a message waits this long for others to be deleted with it
CLOSE_TIMEOUT_SECONDS = 15.0  # for `Deletions.close`

# Takes receipt handles and returns SQS's reasons for those that it did not delete.
Delete = Callable[[list[str]], list[str]]


class Deletions:
    """Deletes the messages of one queue in a background thread."""

    def __init__(self, delete: Delete) -> None:
        self._delete = delete
        self._waiting: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="deletions", daemon=True)
        self._thread.start()
        # Celery closes its connections before the last photos are finished.
        atexit.register(self.close)

    def add(self, receipt: str) -> None:
        """Delete the message with this receipt handle soon."""
        self._waiting.put(receipt)

    def close(self) -> None:
        """Wait until everything added has been deleted."""
        atexit.unregister(self.close)
        self._waiting.put(None)
        self._thread.join(CLOSE_TIMEOUT_SECONDS)

    def _run(self) -> None:
        while (receipt := self._waiting.get()) is not None:
            batch = [receipt]
            end = time.monotonic() + BATCH_WAIT_SECONDS
            while len(batch) < MAX_BATCH_ENTRIES:
                try:
                    receipt = self._waiting.get(timeout=max(0.0, end - time.monotonic()))
                except queue.Empty:
                    break
                if receipt is None:
                    self._waiting.put(None)
                    break
                batch.append(receipt)
            self._delete_all(batch)

    def _delete_all(self, receipts: list[str]) -> None:
        try:
            failed = self._delete(receipts)
        except Exception as error:
            # The next deletion may succeed, so the thread must survive.
            logger.error(
                "%d messages were not deleted and will be redelivered: %s", len(receipts), error
            )
            return
        for failure in failed:
            logger.error("a message was not deleted and will be redelivered: %s", failure)
