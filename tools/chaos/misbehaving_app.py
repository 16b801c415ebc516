"""The application with faults that a photo's URL can trigger.

Only faults that cannot be caused otherwise: a decoder or a network that crashes natively, hangs,
fails or consumes memory, and a bundle that loads slowly or not at all
(``SLOW_LOAD``, ``FAIL_LOAD``).  Everything else in the worker is real.
"""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from damage_tasks import app, wiring
from damage_tasks.errors import BundleError
from damage_tasks.photos import PhotoReader
from damage_tasks.pipeline import Pipeline

__all__ = ["app"]

_download, _build_pipeline = PhotoReader.download, wiring.build_pipeline
_eaten: list[bytes] = []


def _misbehave(self: PhotoReader, url: str) -> bytes:
    # A folder's name, such as that of the working copy in a file:// URL, triggers nothing.
    name = str(url).rpartition("/")[2]
    if name.startswith("crash"):
        os.kill(os.getpid(), signal.SIGSEGV)
    if name.startswith("hang"):
        # Not even the soft time limit can interrupt native code.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
        time.sleep(600)
    if name.startswith("slow"):
        time.sleep(4)
    if name.startswith("fault"):
        raise RuntimeError("out of memory on the GPU")
    if name.startswith("grow"):
        _eaten.append(b"x" * 300_000_000)
    return _download(self, url)


def _load_badly(*args: Any, **kwargs: Any) -> Pipeline:
    time.sleep(float(os.environ.get("SLOW_LOAD", 0)))
    if os.environ.get("FAIL_LOAD"):
        raise BundleError("weights.safetensors is damaged")
    return _build_pipeline(*args, **kwargs)


wiring.build_pipeline = _load_badly
PhotoReader.download = _misbehave  # type: ignore[method-assign]
