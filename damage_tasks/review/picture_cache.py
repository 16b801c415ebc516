"""The pictures that people looked at last, in memory."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

MAX_BYTES = 128 * 1024 * 1024
# As long as browsers keep a picture; erased photos must not stay in memory for longer.
MAX_AGE_SECONDS = 300.0

Key = tuple[str, str, bool]


class PictureCache:
    """At most `MAX_BYTES` of pictures; each is made again after `MAX_AGE_SECONDS`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._pictures: OrderedDict[Key, tuple[float, bytes]] = OrderedDict()
        self._clock = clock
        self._lock = Lock()

    def get(self, key: Key, make: Callable[[], bytes]) -> bytes:
        """The picture under ``key``, which ``make`` makes if it is not there."""
        with self._lock:
            self._drop_old()
            if key in self._pictures:
                self._pictures.move_to_end(key)
                return self._pictures[key][1]
        picture = make()
        with self._lock:
            self._pictures[key] = (self._clock(), picture)
            while sum(len(held) for _, held in self._pictures.values()) > MAX_BYTES:
                self._pictures.popitem(last=False)
        return picture

    def _drop_old(self) -> None:
        oldest = self._clock() - MAX_AGE_SECONDS
        for key in [key for key, (made, _) in self._pictures.items() if made <= oldest]:
            del self._pictures[key]
