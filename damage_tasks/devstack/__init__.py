"""The embedded stack for development, demonstrations and tests."""

from damage_tasks.devstack.child_processes import clean_environment
from damage_tasks.devstack.embedded_stack import (
    MODELS_BUCKET,
    OVERLAYS_BUCKET,
    PHOTOS_BUCKET,
    QUEUE_NAME,
    START_TIMEOUT_SECONDS,
    WORKER_READY,
    Stack,
)

__all__ = [
    "MODELS_BUCKET",
    "OVERLAYS_BUCKET",
    "PHOTOS_BUCKET",
    "QUEUE_NAME",
    "START_TIMEOUT_SECONDS",
    "WORKER_READY",
    "Stack",
    "clean_environment",
]
