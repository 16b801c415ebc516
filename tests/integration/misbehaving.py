"""The application with photos that make it misbehave, chosen by their URL's path.

Only what cannot be had otherwise: a decoder or a network that crashes natively,
hangs or fails.  Everything else of the worker is the real thing.
"""

from __future__ import annotations

import os
import signal
import time

from damage_tasks import app
from damage_tasks.photos import PhotoReader

__all__ = ["app"]

_download = PhotoReader.download


def _misbehave(self: PhotoReader, url: str) -> bytes:
    if "/crash" in url:
        os.kill(os.getpid(), signal.SIGSEGV)
    if "/hang" in url:
        # Not even the soft time limit gets through to native code.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
        time.sleep(600)
    if "/slow" in url:
        time.sleep(4)
    if "/fault" in url:
        raise RuntimeError("out of memory on the GPU")
    return _download(self, url)


PhotoReader.download = _misbehave  # type: ignore[method-assign]
