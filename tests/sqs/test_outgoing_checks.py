"""Options that a photo's message cannot carry are rejected when it is sent."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from celery import chain, chord
from celery.result import GroupResult

from damage_tasks import app
from damage_tasks.errors import CallRefused, MetadataInvalid, SettingsError
from damage_tasks.settings import get_settings
from tests.integration.conftest import call_with

# Untyped: the types of `detect_damage` do not allow most of these calls.
detect_damage: Any = app.tasks["detect_damage"]

URL = "https://photos.example/car.jpg"


@pytest.fixture(autouse=True)
def queue(monkeypatch: pytest.MonkeyPatch) -> None:
    # Nothing listens there, so a rejection must happen before anything is sent.
    monkeypatch.setenv("DAMAGE_QUEUE_URL", "http://127.0.0.1:9/000000000000/damage")
    get_settings.cache_clear()


NOTIFY = app.signature("notify")

CALLS: dict[str, Callable[[], Any]] = {
    "chain": lambda: (detect_damage.s(URL) | NOTIFY).delay(),
    "chain()": lambda: chain(detect_damage.s(URL), NOTIFY).apply_async(),
    "link": lambda: detect_damage.apply_async((URL,), link=NOTIFY),
    "link_error": lambda: detect_damage.apply_async((URL,), link_error=NOTIFY),
    "chord": lambda: chord([detect_damage.s(URL)], NOTIFY).apply_async(),
    "time_limit": lambda: detect_damage.apply_async((URL,), time_limit=5),
    "soft_time_limit": lambda: detect_damage.apply_async((URL,), soft_time_limit=5),
    "countdown": lambda: detect_damage.apply_async((URL,), countdown=5),
    "eta": lambda: detect_damage.apply_async((URL,), eta=datetime.now(UTC)),
    "a task of another application": lambda: app.send_task("send_invoice", (1,)),
    "pickle": lambda: detect_damage.apply_async((URL,), serializer="pickle"),
    "yaml": lambda: app.send_task("detect_damage", (URL,), serializer="yaml"),
    "compression": lambda: detect_damage.apply_async((URL,), compression="gzip"),
    "an id that is too long": lambda: detect_damage.apply_async((URL,), task_id="i" * 1025),
    "an id of two lines": lambda: detect_damage.apply_async((URL,), task_id="a\nb"),
    "a delay that SQS refuses": lambda: detect_damage.apply_async((URL,), DelaySeconds=901),
    "a negative delay": lambda: detect_damage.apply_async((URL,), DelaySeconds=-1),
    "a fraction of a second": lambda: detect_damage.apply_async((URL,), DelaySeconds=1.5),
    "an expiry that is not a time": lambda: detect_damage.apply_async((URL,), expires="tomorrow"),
    "an expiry beyond the calendar": lambda: detect_damage.apply_async((URL,), expires=1e30),
    "an expiry that is not a number": lambda: detect_damage.apply_async((URL,), expires=[5]),
    "another queue": lambda: detect_damage.apply_async((URL,), queue="other"),
    "another exchange": lambda: detect_damage.apply_async((URL,), exchange="other"),
    "another routing key": lambda: app.send_task("detect_damage", (URL,), routing_key="other"),
    "more retries than there can be": lambda: detect_damage.apply_async((URL,), retries=1001),
    "negative retries": lambda: detect_damage.apply_async((URL,), retries=-1),
    "no url": lambda: app.send_task("detect_damage", ()),
    "a url that is not a string": lambda: detect_damage.delay(None),
    "a third argument": lambda: app.send_task("detect_damage", (URL, {}, 3)),
    "an unknown option": lambda: detect_damage.delay(URL, inspection={"caseid": "c-1"}),
    "a wrong option": lambda: detect_damage.delay(URL, inspection={"case_id": 7}),
    "options in a string": lambda: detect_damage.delay(URL, inspection="c-1"),
    "an id with a NUL": lambda: detect_damage.delay(URL, inspection={"id": "a\0b"}),
    "two ids": lambda: detect_damage.apply_async((URL,), task_id="a", inspection={"id": "b"}),
    "an unknown argument": lambda: app.send_task("detect_damage", (URL,), {"car": 7}),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=list(CALLS))
def test_an_unsupported_call_is_refused_at_the_sender(call: Callable[[], Any]) -> None:
    with pytest.raises(CallRefused) as refused:
        call()
    assert isinstance(refused.value, ValueError)
    assert "\n" not in str(refused.value)


def test_a_chord_is_refused_by_its_name() -> None:
    with pytest.raises(CallRefused, match="detect_damage does not support chord: send the photos"):
        CALLS["chord"]()


ITSELF: dict[str, Any] = {}
ITSELF["me"] = ITSELF
DEEP: Any = 1
for _ in range(200):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    "metadata",
    [
        "text",
        [1],
        {"id": uuid.uuid4()},
        {"at": datetime.now(UTC)},
        {"price": Decimal("1.5")},
        {"bytes": b"x"},
        {"pair": (1, 2)},
        {"set": {1}},
        {7: "a key that is not a string"},
        {"a": float("nan")},
        {"a": [float("inf")]},
        {"half": "\ud800"},
        {"nul": "a\0b"},
        {"large": 1e300},
        {"a\0b": 1},
        {"long integer": 10**5000},
        {"\ud800": 1},
        ITSELF,
        {"deep": DEEP},
        {"long": "ä" * 4096},
    ],
    ids=lambda value: str(type(value).__name__),
)
def test_metadata_that_would_not_come_back_as_it_was_sent_is_refused(metadata: Any) -> None:
    with pytest.raises(MetadataInvalid):
        detect_damage.delay(URL, metadata)


def test_sending_without_a_queue_says_which_setting_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("DAMAGE_QUEUE_URL")
    get_settings.cache_clear()
    with pytest.raises(SettingsError, match="DAMAGE_QUEUE_URL: is not set"):
        detect_damage.delay(URL)


def test_a_group_says_why_it_cannot_be_saved() -> None:
    results = GroupResult("group-1", [app.AsyncResult("1"), app.AsyncResult("2")], app=app)
    with pytest.raises(CallRefused, match=r"keep the ids of its results.*get_inspection"):
        results.save()
    with pytest.raises(CallRefused, match="groups are not saved"):
        GroupResult.restore("group-1", app=app)
    results.delete()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--countdown", "5"], "call_refused: detect_damage does not support countdown: use Del"),
        (["--eta", "2030-01-01T00:00:00"], "call_refused: detect_damage does not support eta"),
        (["--queue", "other"], "call_refused: detect_damage cannot be sent to the queue 'other'"),
        (["--exchange", "x", "--routing-key", "y"], "call_refused: detect_damage cannot be sent"),
        (["--kwargs", '{"metadata": {"x": NaN}}'], "metadata_invalid: metadata['x'] is nan"),
    ],
)
def test_the_celery_command_says_in_one_line_what_it_cannot_send(
    words: list[str], line: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "damage_tasks", "call", "detect_damage",
         "--args", '["https://photos.example/car.jpg"]', *words],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    (text,) = done.stderr.splitlines()
    assert line in json.loads(text)["event"]


@pytest.mark.parametrize("retries", [1, 3])
def test_metadata_is_checked_however_many_retries_a_sender_claims(retries: int) -> None:
    with pytest.raises(MetadataInvalid, match="UUID"):
        detect_damage.apply_async((URL, {"car": uuid.uuid4()}), retries=retries)


def message_of(task_id: str, metadata: dict[str, Any]) -> Any:
    """The message of a photo's second attempt."""
    return app.amqp.as_task_v2(task_id, "detect_damage", (URL, metadata), retries=1)


def test_a_workers_retry_is_not_checked_by_the_rules_for_senders() -> None:
    # A worker accepts some more levels of JSON than a Python caller may send.
    detect_damage.push_request(id="task-1", called_directly=False, retries=1)
    try:
        with pytest.raises(MetadataInvalid):
            message_of("another-task", {"deep": DEEP})
        assert message_of("task-1", {"deep": DEEP})
    finally:
        detect_damage.pop_request()


def test_an_urgent_photo_needs_an_urgent_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    # Another test may have configured this process with an urgent queue.
    call_with({"DAMAGE_QUEUE_URL": "http://127.0.0.1:9/000000000000/damage"}, monkeypatch)
    with pytest.raises(CallRefused, match="DAMAGE_URGENT_QUEUE_URL is not set"):
        detect_damage.apply_async((URL,), queue="urgent")
