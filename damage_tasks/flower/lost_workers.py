"""Forgets workers that are gone: pods come and go, and every one has another name."""

from __future__ import annotations

import time
from typing import Any

SEARCH_SECONDS = 60.0  # between searches for workers that are gone


def keep_forgetting_lost_workers(application: Any) -> None:
    """Forget workers of Flower's ``application`` again and again, after its own option's time."""
    from tornado.ioloop import PeriodicCallback

    seconds = application.options.purge_offline_workers

    def forget() -> None:
        for name in forget_lost_workers(application.events.state, seconds):
            application.inspector.workers.pop(name, None)

    if seconds is not None:
        PeriodicCallback(forget, 1000 * SEARCH_SECONDS).start()


def forget_lost_workers(state: Any, seconds: float) -> set[str]:
    """Remove workers from Flower's ``state`` that sent no heartbeat for ``seconds``.

    Flower itself only hides them, and removes their metrics only when somebody reads the metrics.
    Their photos stay in the history. Returns the names of the workers.
    """
    limit = time.time() - seconds
    lost = {
        name
        for name, worker in state.workers.items()
        # A worker that stops in order says so, and has no heartbeats then.
        if not worker.alive
        and max(worker.heartbeats, default=getattr(worker, "timestamp", 0)) < limit
    }
    # Celery removes workers itself if there are thousands of them.
    lost |= state.counter.keys() - state.workers.keys()
    for name in lost:
        for known in (state.workers, state.counter, state.tasks_by_worker):
            known.pop(name, None)
    state.metrics.remove_workers(lost)
    return lost
