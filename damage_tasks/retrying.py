"""Repeats what S3 or the database did not answer, within one attempt at a photo."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from typing import TypeVar

from damage_tasks.errors import DatabaseUnavailable, StorageUnavailable

logger = logging.getLogger(__name__)
T = TypeVar("T")

FIRST_PAUSE = 0.25  # seconds, doubled each time
LONGEST_PAUSE = 4.0  # seconds


def retry_until(deadline: float, act: Callable[[], T]) -> T:
    """The value of ``act``, repeated while S3 or the database is unavailable.

    No call begins after ``deadline`` (`time.monotonic`) except the first; its
    `StorageUnavailable` or `DatabaseUnavailable` is raised then.
    """
    pause = FIRST_PAUSE
    while True:
        try:
            return act()
        except (StorageUnavailable, DatabaseUnavailable) as error:
            wait = random.uniform(pause / 2, pause)
            if time.monotonic() + wait > deadline:
                raise
            logger.warning("%s, next try in %.1f s: %s", error.code, wait, error)
        time.sleep(wait)
        pause = min(LONGEST_PAUSE, pause * 2)
