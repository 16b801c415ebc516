"""Handlers of Celery's signals that act for this application's own worker only.

The signals are one for all applications of a process, and a caller's process may run a worker of
another application.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from celery import current_app
from celery.utils.dispatch import Signal

from damage_tasks.app import app

Handler = TypeVar("Handler", bound=Callable[..., None])


def handles(signal: Signal) -> Callable[[Handler], Handler]:
    """Call the decorated handler when ``signal`` comes from a worker of this application."""

    def connect(handler: Handler) -> Handler:
        @wraps(handler)
        def handle(sender: Any = None, **details: Any) -> None:
            if is_own(details.get("instance") or sender):
                handler(sender=sender, **details)

        signal.connect(handle, weak=False)
        return handler

    return connect


def is_own(sender: Any) -> bool:
    """Whether ``sender``, a worker, consumer, task or host name, belongs to our own worker."""
    request = getattr(sender, "request", None)
    if getattr(request, "is_eager", False):
        return False  # a caller runs the task itself
    # Signals of a pool's processes name the host only; there, the worker's application is current.
    return bool(getattr(sender, "app", current_app) == app)
