"""Prepares a benchmark's process like one of a worker's processes."""

from __future__ import annotations

from typing import Any


def open_pipeline() -> Any:
    """The pipeline of this process, which uses memory and the database as a worker's does."""
    from damage_tasks import app
    from damage_tasks.results.postgres_deadline import make_waiting_interruptible
    from damage_tasks.worker.malloc import keep_freed_memory
    from damage_tasks.worker.runtime import runtime_of

    keep_freed_memory()
    # Otherwise every statement starts a thread that limits its time.
    make_waiting_interruptible()
    return runtime_of(app).get_pipeline()
