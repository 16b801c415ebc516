"""Photos that are lost if the busiest process is killed once and nobody sends a photo again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import psutil

from benchmarks.peers.peer_processes import Peer
from benchmarks.process_usage import tree
from benchmarks.startup import wait_until
from benchmarks.testbed import Service

PHOTOS_BEFORE = 20
ANSWER_TIMEOUT_SECONDS = 60
OUR_PATIENCE_SECONDS = 300  # longer than a message is invisible


def lost_by_peer(
    peer: Peer, service: Service, urls: Sequence[str], *, clients: int = 8
) -> dict[str, Any]:
    """Send each of ``urls`` once, kill a process meanwhile, and count photos and verdicts."""
    remaining, lock = list(urls), threading.Lock()
    refused = 0

    def client() -> None:
        nonlocal refused
        while True:
            with lock:
                if not remaining:
                    return
                url = remaining.pop()
            if not peer.inspect(url, ANSWER_TIMEOUT_SECONDS):
                with lock:
                    refused += 1

    threads = [threading.Thread(target=client, daemon=True) for _ in range(clients)]
    since = time.time()
    for thread in threads:
        thread.start()
    _kill_after(PHOTOS_BEFORE, lambda: service.finished(since), peer.pid)
    for thread in threads:
        thread.join()
    stored = service.finished(since)
    return {"sent": len(urls), "lost": len(urls) - stored, "errors": refused}


def lost_by_us(service: Service, urls: Sequence[str]) -> dict[str, Any]:
    """The same in our worker, which takes the photos from its queue."""
    since = time.time()
    service.send(urls)
    (worker,) = service.stack.workers
    _kill_after(PHOTOS_BEFORE, lambda: service.finished(since), worker.pid)
    with suppress(TimeoutError):
        wait_until(lambda: service.finished(since) >= len(urls), OUR_PATIENCE_SECONDS)
    return {"sent": len(urls), "lost": len(urls) - service.finished(since), "errors": 0}


def _kill_after(photos: int, finished: Callable[[], int], pid: int) -> None:
    wait_until(lambda: finished() >= photos, 120)
    _busiest(pid).kill()


def _busiest(pid: int, seconds: float = 0.3) -> psutil.Process:
    """The descendant of ``pid`` that used most CPU in the next ``seconds``."""

    def used(process: psutil.Process) -> float:
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            return float(times.user + times.system)
        return 0.0

    before = {process: used(process) for process in tree(pid)[1:]}
    time.sleep(seconds)
    return max(before, key=lambda process: used(process) - before[process])
