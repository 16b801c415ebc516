"""How a worker process deals with memory."""

from __future__ import annotations

import ctypes

# malloc.h
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
LARGEST_KEPT = 32 * 1024 * 1024  # bytes; the most that glibc lets one set
KEPT = 128 * 1024 * 1024


def keep_freed_memory() -> bool:
    """Let this process keep the memory of one photo for the next; whether that can be set.

    glibc maps every picture anew and the kernel clears its pages: 10 to 20 ms of a
    photo.  What is larger than 32 MiB still goes back, and what exceeds 128 MiB in all.
    """
    try:
        set_option = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another libc
        return False
    return bool(set_option(_M_MMAP_THRESHOLD, LARGEST_KEPT) and set_option(_M_TRIM_THRESHOLD, KEPT))
