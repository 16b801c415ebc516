"""Memory settings of a worker process."""

from __future__ import annotations

import ctypes

# malloc.h
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
MAX_KEPT_BLOCK_BYTES = 32 * 1024 * 1024  # the maximum that glibc allows
KEPT_BYTES = 128 * 1024 * 1024


def keep_freed_memory() -> bool:
    """Let this process keep one photo's memory for the next; returns whether that is possible.

    By default, glibc maps memory for every picture and the kernel clears its pages, 10 to 20 ms per
    photo.  Blocks larger than 32 MiB, and what exceeds 128 MiB in total, are still returned.
    """
    try:
        set_option = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another libc
        return False
    return bool(
        set_option(_M_MMAP_THRESHOLD, MAX_KEPT_BLOCK_BYTES)
        and set_option(_M_TRIM_THRESHOLD, KEPT_BYTES)
    )
