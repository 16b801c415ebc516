"""The process of the embedded stack that delivers events."""

from __future__ import annotations

import sys
from pathlib import Path

from damage_tasks.devstack.child_processes import Child, clean_environment

READY = "delivering events"  # its first line
_TARGETS = ("DAMAGE_EVENT_TARGETS", "DAMAGE_CALLBACK_HOSTS")


def sends_events(environment: dict[str, str]) -> bool:
    """Whether a stack with these variables sends events."""
    return any(environment.get(name) for name in _TARGETS)


def start_deliverer(log: Path, environment: dict[str, str]) -> Child:
    """Start ``damage-tasks deliver`` without waiting for it."""
    deliverer = Child(
        "deliverer",
        [sys.executable, "-m", "damage_tasks", "deliver"],
        log=log,
        environment={
            **clean_environment(),
            "DAMAGE_LOG_FORMAT": "json",
            **environment,
            "DAMAGE_HEARTBEAT_FILE": str(log.with_suffix(".heartbeat")),
            "DAMAGE_METRICS_PORT": "0",  # the worker listens on it
        },
    )
    deliverer.start()
    return deliverer
