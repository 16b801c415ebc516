"""Checks messages before this application sends them.

A worker keeps only the parts of a Celery message that a photo needs (see `sqs.envelope`), so a
chain or a time limit would be dropped silently, and its sender would wait forever.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from celery.app.amqp import AMQP
from celery.app.routes import Router

from damage_tasks.errors import CallRefused
from damage_tasks.inspection_id import MAX_ID_BYTES
from damage_tasks.lanes import URGENT
from damage_tasks.metadata_checks import check_sent_metadata
from damage_tasks.settings import get_settings
from damage_tasks.sqs.message_attributes import MAX_DELAY_SECONDS
from damage_tasks.sqs.task_names import ARGUMENTS, DETECT_DAMAGE, MAX_RETRIES, is_task_id

# Celery's options, and what to do instead.
_READ_THE_RESULT = "wait for the result with .get(), then call the next task"
_REFUSED = {
    "chain": _READ_THE_RESULT,
    "callbacks": _READ_THE_RESULT,
    "errbacks": "catch the exception that .get() raises",
    "chord": "send the photos as a group and call the next task when .get() has returned",
    "time_limit": "the worker's DAMAGE_TIME_LIMIT applies",
    "soft_time_limit": "the worker's DAMAGE_SOFT_TIME_LIMIT applies",
    "countdown": "use DelaySeconds=..., at most 900",
    "eta": "use DelaySeconds=..., at most 900",
}
_CHORD_UNLOCK = "celery.chord_unlock"  # Celery sends it before the photos of a chord
_NAMES = {"callbacks": "link", "errbacks": "link_error"}
_SIGNATURE = inspect.signature(AMQP.as_task_v2)  # Celery passes most of it by position


class OwnQueuesOnly(Router):
    """Routes every call to a queue of the settings and raises `CallRefused` for any other."""

    def route(self, options: Any, name: str, *given: Any, **others: Any) -> Any:
        for option in ("queue", "routing_key", "exchange"):
            place = options.get(option)
            place = getattr(place, "name", place)  # of a kombu Queue or Exchange
            if place and place not in self.queues:
                raise CallRefused(f"{name} cannot be sent to the {option} {place!r}: {self._hint}")
        return super().route(options, name, *given, **others)

    @property
    def _hint(self) -> str:
        own = repr(self.app.conf.task_default_queue)
        if URGENT in self.queues:
            return f"workers read only {own} and {URGENT!r}"
        return (
            f"workers read only {own}, the queue of DAMAGE_QUEUE_URL, because "
            f"DAMAGE_URGENT_QUEUE_URL is not set"
        )


class OutgoingMessages(AMQP):
    """Celery's messages, checked before they are sent; the application's ``amqp``."""

    def Router(self, *_: Any, **__: Any) -> OwnQueuesOnly:  # noqa: N802
        """The router of the application."""
        return OwnQueuesOnly(self.routes, self.queues, app=self.app)

    def as_task_v2(self, *given: Any, **options: Any) -> Any:
        """Celery's message for a call; raises `CallRefused`, `MetadataInvalid`, `SettingsError`."""
        call = _SIGNATURE.bind(self, *given, **options).arguments
        name = call["name"]
        if name == _CHORD_UNLOCK:
            raise CallRefused(f"{DETECT_DAMAGE} does not support chord: {_REFUSED['chord']}")
        if name not in ARGUMENTS:
            raise CallRefused(
                f"{name}: workers on this queue run {DETECT_DAMAGE} only; send other tasks "
                "with a separate application and queue"
            )
        get_settings().require("queue_url")
        if not is_task_id(call["task_id"]):
            raise CallRefused(f"task_id must be 1 to {MAX_ID_BYTES} bytes of printable characters")
        task = self.app.tasks.get(name)
        for option, instead in _REFUSED.items():
            # Celery itself adds the task's own limits.
            if (value := call.get(option)) and value != getattr(task, option, None):
                shown = _NAMES.get(option, option)
                raise CallRefused(f"{name} does not support {shown}: {instead}")
        _check_retries(call.get("retries", 0))
        # A worker's retry was already accepted under the rules for messages from any language.
        if name == DETECT_DAMAGE and not _is_retry_of_current(task, call["task_id"]):
            check_call(call.get("args") or (), call.get("kwargs") or {})
        return super().as_task_v2(*given, **options)

    def _create_task_sender(self) -> Any:
        send = super()._create_task_sender()

        def send_checked(*given: Any, **options: Any) -> Any:
            if options.get("serializer") not in (None, "json"):
                raise CallRefused(
                    f"{DETECT_DAMAGE} must be sent as JSON, not {options['serializer']}"
                )
            if options.get("compression"):
                raise CallRefused(f"{DETECT_DAMAGE} does not support compression")
            check_delay(options.get("DelaySeconds", 0))
            return send(*given, **options)

        return send_checked


def _is_retry_of_current(task: Any, task_id: str) -> bool:
    """Whether ``task_id`` is the photo that this process, a worker's, is examining."""
    request = getattr(task, "request", None)
    return request is not None and not request.called_directly and request.id == task_id


def _check_retries(retries: Any) -> None:
    if type(retries) is not int or not 0 <= retries <= MAX_RETRIES:
        raise CallRefused(f"retries must be a whole number from 0 to {MAX_RETRIES}")


def check_delay(seconds: Any) -> None:
    """Check the option ``DelaySeconds``; raises `CallRefused`."""
    if type(seconds) is not int or not 0 <= seconds <= MAX_DELAY_SECONDS:
        raise CallRefused(f"DelaySeconds must be a whole number from 0 to {MAX_DELAY_SECONDS}")


def check_call(args: Any, kwargs: Mapping[str, Any]) -> None:
    """Check the arguments of `detect_damage`; raises `CallRefused` or `MetadataInvalid`."""
    names = ARGUMENTS[DETECT_DAMAGE]
    given = dict(zip(names, args, strict=False))
    if len(args) > len(names) or not {*kwargs} <= {*names} - {*given}:
        raise CallRefused("detect_damage takes a URL and, optionally, metadata")
    given.update(kwargs)
    if not isinstance(given.get("url"), str):
        raise CallRefused(f"url must be a string, not {type(given.get('url')).__name__}")
    check_sent_metadata(given.get("metadata"), get_settings().max_metadata_bytes)
