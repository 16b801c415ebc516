"""The embedded stack for development, demonstrations and tests."""

from damage_tasks.devstack.child_processes import clean_environment
from damage_tasks.devstack.embedded_stack import (
    BUCKET,
    MODELS_BUCKET,
    PHOTOS_BUCKET,
    QUEUE,
    START_TIMEOUT,
    WORKER_READY,
    Stack,
)

__all__ = [
    "BUCKET",
    "MODELS_BUCKET",
    "PHOTOS_BUCKET",
    "QUEUE",
    "START_TIMEOUT",
    "WORKER_READY",
    "Stack",
    "clean_environment",
]
