"""What the worker reports about a photo that is retried."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest
from celery.exceptions import Retry
from celery.worker.request import Request as CeleryRequest

from damage_tasks import app
from damage_tasks.errors import StorageUnavailable
from damage_tasks.worker.request import Request


def test_flower_shows_the_code_of_the_error_that_is_retried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown: list[str] = []
    monkeypatch.setattr(
        CeleryRequest, "on_retry", lambda _, exc_info: shown.append(str(exc_info.exception.exc))
    )
    attributes = {"SentTimestamp": str(round(time.time() * 1000)), "ApproximateReceiveCount": "1"}
    monkeypatch.setattr(Request, "hostname", "worker1@here")
    photo: Any = object.__new__(Request)
    photo._app, photo._eventer, photo.id = app, None, "a"
    photo._message = SimpleNamespace(
        delivery_info={"sqs_message": {"Attributes": attributes}}, headers={}
    )
    retry = Retry("busy", exc=StorageUnavailable("S3 is busy"), when=1)
    photo.on_retry(SimpleNamespace(exception=retry))
    assert shown == ["storage_unavailable: S3 is busy"]
