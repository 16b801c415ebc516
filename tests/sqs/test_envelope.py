"""Every body on the queue becomes a message that Celery can execute."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from damage_tasks.inspection_id import storable_id
from damage_tasks.sqs.envelope import (
    MAX_BODY_CHARACTERS,
    MAX_DEPTH,
    translate,
)
from damage_tasks.sqs.task_names import DETECT_DAMAGE, RECORD_MALFORMED
from tools.hostile import bad_messages, hostile_case
from tools.hostile.hostile_case import readable_id


def arguments(message: dict[str, Any]) -> Any:
    return json.loads(base64.b64decode(message["body"]))[0]


def celery_message(**changes: Any) -> dict[str, Any]:
    message = translate('{"image_url": "https://x/y.jpg"}', "id-1", "damage")
    return {**message, **changes}


def test_plain_json_becomes_a_call_whose_id_is_the_message_id() -> None:
    message = translate('{"image_url": "https://x/y.jpg", "car_id": 7}', "id-1", "damage")
    assert message["headers"]["task"] == DETECT_DAMAGE
    assert message["headers"]["id"] == "id-1"
    assert arguments(message) == ["https://x/y.jpg", {"car_id": 7}]


def test_what_flower_shows_of_a_message_holds_no_secret() -> None:
    body = {"image_url": "https://x/my car.jpg?X-Amz-Signature=hunter2", "token": "hunter2"}
    message = translate(json.dumps(body), "id", "damage")
    assert "hunter2" not in message["headers"]["argsrepr"]


def test_celerys_own_messages_pass() -> None:
    message = celery_message()
    assert translate(json.dumps(message), "id-2", "damage") == message


def test_a_sender_sets_no_limits_no_times_and_no_further_tasks() -> None:
    message = celery_message()
    message["headers"] |= {"timelimit": [9999, 9999], "eta": "2099-01-01", "expires": "2099-01-01"}
    message["headers"] |= {"retries": 2, "sentry-trace": "abc-def-1"}
    call = [["https://x/y.jpg"], {}, {"callbacks": [{"task": "os.system"}], "chain": [1]}]
    message["body"] = base64.b64encode(json.dumps(call).encode()).decode()
    found = translate(json.dumps(message), "id-2", "damage")
    headers = found["headers"]
    assert (headers["timelimit"], headers["eta"], headers["expires"]) == ([None, None], None, None)
    assert (headers["retries"], headers["sentry-trace"]) == (2, "abc-def-1")
    assert json.loads(base64.b64decode(found["body"]))[2]["callbacks"] is None


@pytest.mark.parametrize(
    ("given", "deadline"),
    [
        ("2026-12-01T12:00:00Z", "2026-12-01T12:00:00+00:00"),
        ("2026-12-01T13:00:00.5+01:00", "2026-12-01T12:00:00.500000+00:00"),
        ("2026-12-01T12:00:00", "2026-12-01T12:00:00+00:00"),
    ],
)
def test_a_deadline_passes_in_utc(given: str, deadline: str) -> None:
    raw = {"image_url": "https://x/y.jpg", "car_id": 7, "inspection": {"deadline": given}}
    found = translate(json.dumps(raw), "id-1", "damage")
    assert found["headers"]["deadline"] == deadline
    assert arguments(found) == ["https://x/y.jpg", {"car_id": 7}]
    # In a Celery message it is the expiry time, after which Celery would silently drop it.
    message = celery_message()
    message["headers"] |= {"expires": given}
    found = translate(json.dumps(message), "id-1", "damage")
    assert (found["headers"]["deadline"], found["headers"]["expires"]) == (deadline, None)
    # As it does when it is sent again.
    assert translate(json.dumps(found), "id-1", "damage") == found


OPTIONS = {
    "id": "rental-7/front",
    "case_id": "rental-7",
    "case_photos": 12,
    "deadline": "2026-12-01T12:00:00Z",
    "callback_url": "https://rental.example/done",
}


def test_options_pass_as_headers_and_every_other_key_is_metadata() -> None:
    raw = {"image_url": "https://x/y.jpg", "id": "mine", "case_id": 7, "inspection": OPTIONS}
    found = translate(json.dumps(raw), "message-1", "damage")
    assert arguments(found) == ["https://x/y.jpg", {"id": "mine", "case_id": 7}]
    headers = found["headers"]
    assert headers["id"] == found["properties"]["correlation_id"] == "rental-7/front"
    assert (headers["own_id"], headers["message_id"]) == (True, "message-1")
    assert (headers["case_id"], headers["callback_url"]) == ("rental-7", OPTIONS["callback_url"])
    assert headers["case_photos"] == 12
    # As they do when it is sent again, by us or from the dead-letter queue.
    assert translate(json.dumps(found), "message-2", "damage") == found


def test_options_that_are_null_count_as_absent() -> None:
    raw = {"image_url": "https://x/y.jpg", "inspection": dict.fromkeys(OPTIONS)}
    found = translate(json.dumps(raw), "message-1", "damage")
    plain = translate('{"image_url": "https://x/y.jpg"}', "message-1", "damage")
    assert found == plain
    assert "own_id" not in plain["headers"]


def test_a_wrong_option_is_named_in_the_reason() -> None:
    raw = {"image_url": "https://x/y.jpg", "inspection": {"id": "I-7", "case_id": 7}}
    headers = translate(json.dumps(raw), "message-1", "damage")["headers"]
    assert (headers["task"], headers["id"]) == (RECORD_MALFORMED, "I-7")
    assert headers["problem"].startswith("inspection.case_id must be")


@pytest.mark.parametrize("number", [0, 1001, True, "12", 1.5])
def test_the_number_of_photos_of_a_case_is_checked(number: object) -> None:
    raw = {"image_url": "https://x/y.jpg", "inspection": {"case_photos": number}}
    headers = translate(json.dumps(raw), "message-1", "damage")["headers"]
    assert headers["problem"].startswith("inspection.case_photos must be a whole number")


def test_that_an_attempt_had_the_photo_passes() -> None:
    message = celery_message()
    message["headers"] |= {"had_photo": True}
    headers = translate(json.dumps(message), "id-1", "damage")["headers"]
    assert headers["had_photo"] is True


@pytest.mark.parametrize(
    ("first_sent", "kept"), [(1.5e9, {1.5e9}), ("yesterday", set()), (True, set())]
)
def test_the_time_of_the_first_message_passes(first_sent: object, kept: set[float]) -> None:
    message = celery_message()
    message["headers"] |= {"first_sent": first_sent}
    headers = translate(json.dumps(message), "id-1", "damage")["headers"]
    assert {value for name, value in headers.items() if name == "first_sent"} == kept


MALFORMED = [
    "",
    "not json",
    "null",
    "[1, 2, 3]",
    '"text"',
    "{}",
    '{"properties": {}}',
    '{"properties": {"delivery_info": {}}, "body": "Zm9v"}',
    '{"image_url": 7}',
    '{"image_url": null}',
    '{"image_url": "https://x/y.jpg", "inspection": {"deadline": "soon"}}',
    '{"image_url": "https://x/y.jpg", "inspection": {"deadline": 7}}',
    '{"image_url": "https://x/y.jpg", "inspection": {"unknown": 1}}',
    '{"image_url": "https://x/y.jpg", "inspection": "I-7"}',
    '{"image_url": "https://x/y.jpg", "inspection": {"id": 7}}',
    '{"image_url": "https://x/y.jpg", "inspection": {"id": "a\\u0000b"}}',
    '{"image_url": "https://x/y.jpg", "inspection": {"id": "a\\u202eb"}}',
    '{"image_url": "https://x/y.jpg", "inspection": {"id": "\\ud83d"}}',
    '{"image_url": "https://x/y.jpg", "inspection": {"id": ""}}',
    '{"image_url": "https://x/y.jpg", "inspection": {"case_id": ["c"]}}',
    '{"image_url": "https://x/y.jpg", "inspection": {"callback_url": "ftp://x/y"}}',
    '{"image_url": "https://x/y.jpg", "inspection": {"callback_url": "https://[x"}}',
    '{"image_url": "https://x/y.jpg", "inspection": {"callback_url": "https://x/a\\nb"}}',
    '{"image_url": "https://x/y.jpg", "inspection": {"id": "I-7", "deadline": "soon"}}',
    json.dumps(celery_message(headers={"task": DETECT_DAMAGE, "id": "x", "case_id": "a\nb"})),
    "[" * 100_000,
    json.dumps(celery_message(body="not base64")),
    json.dumps(celery_message(body=base64.b64encode(b"[1]").decode())),
    json.dumps(celery_message(body=base64.b64encode(b"[{}, [], {}]").decode())),
    json.dumps(celery_message(headers={"task": DETECT_DAMAGE, "id": "x", "retries": -1})),
    json.dumps(celery_message(headers={"task": ["x"], "id": "x"})),
    json.dumps(celery_message(headers={"task": "os.system", "id": "x"})),
    json.dumps(celery_message(headers={"task": DETECT_DAMAGE, "id": ""})),
    json.dumps(celery_message(headers=None)),
    json.dumps({**celery_message(), "content-type": "application/x-python-serialize"}),
]


@pytest.mark.parametrize("text", MALFORMED, ids=lambda text: text[:30])
def test_anything_else_is_recorded_with_its_body(text: str) -> None:
    message = translate(text, "id-1", "damage")
    assert message["headers"]["task"] == RECORD_MALFORMED
    assert message["headers"]["id"] == (readable_id(text) or "id-1")
    assert arguments(message) == [text[:MAX_BODY_CHARACTERS]]


@pytest.mark.parametrize(
    "changes",
    [
        {"content-type": "application/x-python-serialize"},
        {"content-type": "application/x-yaml", "body": base64.b64encode(b"- [x]").decode()},
        {"headers": {"task": "send_invoice", "id": "task-1"}},
        {"headers": {"task": DETECT_DAMAGE, "id": "task-1", "retries": "many"}},
        {"body": base64.b64encode(b"[[], {}, {}]").decode()},
        {"body": base64.b64encode(b"\x1f\x8b compressed").decode()},
        {"properties": None},
    ],
)
def test_a_refused_call_keeps_the_id_that_its_sender_waits_for(changes: dict[str, Any]) -> None:
    message = {**celery_message(headers={"task": DETECT_DAMAGE, "id": "task-1"}), **changes}
    headers = translate(json.dumps(message), "message-1", "damage")["headers"]
    assert (headers["task"], headers["id"]) == (RECORD_MALFORMED, "task-1")


@pytest.mark.parametrize(
    ("id", "expected"),
    [
        ("i" * 1024, "i" * 1024),
        ("i" * 1025, storable_id("i" * 1025)),
        ("車" * 341, "車" * 341),
        ("車" * 342, storable_id("車" * 342)),
        ("a\nb", storable_id("a\nb")),
        ("", "id-1"),  # Celery repeats the id in the message's properties
        (7, "id-1"),
    ],
)
def test_an_id_has_up_to_1024_printable_bytes_or_is_stored_as_its_digest(
    id: Any, expected: str
) -> None:
    for task in (DETECT_DAMAGE, "send_invoice"):
        message = celery_message(headers={"task": task, "id": id})
        assert translate(json.dumps(message), "message-1", "damage")["headers"]["id"] == expected


FIRST_PROTOCOL = {"task": DETECT_DAMAGE, "id": "task-1", "args": ["https://x/y.jpg"], "kwargs": {}}


@pytest.mark.parametrize(
    "changes",
    [
        {"body": base64.b64encode(json.dumps(FIRST_PROTOCOL).encode()).decode()},
        {"body": FIRST_PROTOCOL, "properties": {}},
        # Pickled: only the properties can be read.
        {"body": "gAN9cQAu", "content-type": "application/x-python-serialize",
         "properties": {"correlation_id": "task-1"}},
    ],
    ids=["JSON", "not encoded", "pickle"],
)  # fmt: skip
def test_a_call_in_celerys_first_protocol_is_refused_under_its_id(changes: dict[str, Any]) -> None:
    message = {**celery_message(headers={}), **changes}
    headers = translate(json.dumps(message), "message-1", "damage")["headers"]
    assert (headers["task"], headers["id"]) == (RECORD_MALFORMED, "task-1")


URL = "https://photos.example/car.jpg"


def text_of(body: str) -> str:
    """Decodes an SQS body as kombu does: base64 or text."""
    try:
        return base64.b64decode(body, validate=True).decode("utf-8", "replace")
    except ValueError:
        return body


def named(cases: Iterable[tuple[Any, ...]]) -> list[Any]:
    return [pytest.param(*values, id=name) for name, *values in cases]


@pytest.mark.parametrize("body", named([*bad_messages.junk(), *bad_messages.wrong_calls(URL)]))
def test_no_hostile_message_reaches_celery(body: str) -> None:
    message = translate(text_of(body), "id-1", "damage")
    assert message["headers"]["task"] == RECORD_MALFORMED
    assert message["headers"]["id"] == (readable_id(body) or "id-1")
    assert arguments(message) == [text_of(body)[:MAX_BODY_CHARACTERS]]


@pytest.mark.parametrize(("headers", "embed"), named(bad_messages.wishes()))
def test_a_sender_gets_the_photo_examined_and_nothing_else(headers: Any, embed: Any) -> None:
    body = hostile_case.celery([URL], id="id-2", headers=headers, embed=embed)
    message = translate(text_of(body), "id-1", "damage")
    kept = message["headers"]
    assert (kept["task"], kept["id"], arguments(message)) == (DETECT_DAMAGE, "id-2", [URL])
    assert (kept["eta"], kept["expires"], kept["timelimit"]) == (None, None, [None, None])
    assert (kept["group"], kept["ignore_result"]) == (None, False)
    assert not any(json.loads(base64.b64decode(message["body"]))[2].values())
    for name in ("lang", "root_id", "origin", "argsrepr", "kwargsrepr"):
        assert isinstance(kept[name], str) and len(kept[name]) <= 8192
    for value in kept.get("headers", {}).values():
        assert isinstance(value, str)


@pytest.mark.parametrize("depth", range(1, 3000, 37))
def test_any_depth_of_nesting_is_translated(depth: int) -> None:
    # Python itself raises RecursionError near 1000, in json, repr or pickle.
    text = f'{{"image_url": "{URL}", "a": {"[" * depth}{"]" * depth}}}'
    task = translate(text, "id-1", "damage")["headers"]["task"]
    assert task == (DETECT_DAMAGE if depth < MAX_DEPTH else RECORD_MALFORMED)


def test_metadata_is_not_taken_for_kombus_own_types() -> None:
    # kombu's JSON raises for an unknown type, and Celery then deletes the message.
    from kombu.serialization import loads, prepare_accept_content

    from damage_tasks import app
    from damage_tasks.sqs.celery_message import register_plain_json

    register_plain_json()
    metadata = {"x": {"__type__": "unknown", "__value__": 1}}
    message = translate(json.dumps({"image_url": URL, **metadata}), "id-1", "damage")
    accept = prepare_accept_content(app.conf.accept_content)
    body = base64.b64decode(message["body"])
    (args, _, _) = loads(body, message["content-type"], message["content-encoding"], accept)
    assert args == [URL, metadata]


def test_what_was_translated_passes_again() -> None:
    # A replayed dead letter is translated twice.
    for text in ('{"image_url": "https://x/y.jpg", "a": {"__type__": 1, "__value__": 2}}', "junk"):
        once = translate(text, "id-1", "damage")
        assert translate(json.dumps(once), "id-2", "damage") == once


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["properties", "headers", "body", "image_url", "delivery_info", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@pytest.mark.slow
@given(text=st.text(max_size=200) | json_values.map(json.dumps))
def test_no_arbitrary_body_reaches_celery(text: str) -> None:
    message = translate(text, "id-1", "damage")
    assert message["headers"]["task"] in (DETECT_DAMAGE, RECORD_MALFORMED)
    assert isinstance(arguments(message), list)
