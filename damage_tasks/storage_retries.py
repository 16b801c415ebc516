"""Retries requests to S3 and the database within one attempt at a photo."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from typing import TypeVar

from damage_tasks.errors import DatabaseUnavailable, StorageUnavailable

logger = logging.getLogger(__name__)
T = TypeVar("T")

FIRST_PAUSE_SECONDS = 0.25  # doubled each time
MAX_PAUSE_SECONDS = 4.0


def retry_until(deadline: float, act: Callable[[], T]) -> T:
    """The result of ``act``, repeated while S3 or the database is unavailable.

    Except for the first, no call begins after ``deadline`` (`time.monotonic`); the last
    `StorageUnavailable` or `DatabaseUnavailable` is then raised.
    """
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            return act()
        except (StorageUnavailable, DatabaseUnavailable) as error:
            wait = random.uniform(pause / 2, pause)
            if time.monotonic() + wait > deadline:
                raise
            logger.warning("%s; next attempt in %.1f s: %s", error.code, wait, error)
        time.sleep(wait)
        pause = min(MAX_PAUSE_SECONDS, pause * 2)
