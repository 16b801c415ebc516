"""Compact messages are the same requests as those in JSON, with the same limits."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from google.protobuf.struct_pb2 import Struct
from hypothesis import given
from hypothesis import strategies as st

from damage_tasks import InspectionOptions
from damage_tasks.errors import MetadataInvalid
from damage_tasks.sqs.compact_message import (
    DESCRIPTORS,
    is_compact,
    read_request,
    request_class,
    write_request,
)
from damage_tasks.sqs.envelope import MAX_BODY_CHARACTERS, translate
from damage_tasks.sqs.task_names import DETECT_DAMAGE, RECORD_MALFORMED
from tools.compiled_schema import compiled
from tools.hostile import bad_compact_messages

URL = "https://photos.example/car.jpg"
OPTIONS = {
    "id": "rental-7/front",
    "case_id": "rental-7",
    "case_photos": 12,
    "deadline": "2026-12-01T12:00:00.250000+00:00",
    "callback_url": "https://rental.example/done",
}
METADATA = {
    "car_id": 7,
    "exact": 2**53,
    "score": -0.5,
    "note": "ü\n",
    "sent": True,
    "none": None,
    "image_url": "https://x/other.jpg",
    "inspection": {"id": [1, {"a": []}]},
}


def test_the_compiled_definition_is_up_to_date() -> None:
    assert DESCRIPTORS.read_bytes() == compiled(), "run `make docs`"


def test_the_definition_has_every_option() -> None:
    options = request_class().DESCRIPTOR.fields_by_name["inspection"].message_type
    assert {field.name for field in options.fields} == {*InspectionOptions.__annotations__}


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"content_type": {"DataType": "String", "StringValue": "application/protobuf"}}, True),
        ({"content_type": {"StringValue": "Application/X-Protobuf; v=1"}}, True),
        ({"content_type": {"StringValue": "application/json"}}, False),
        ({"content_type": {"BinaryValue": b"application/protobuf"}}, False),
        ({"content_type": "application/protobuf"}, False),
        ({"ContentType": {"StringValue": "application/protobuf"}}, False),
        ([], False),
        (None, False),
    ],
)
def test_an_attribute_distinguishes_compact_messages(attributes: Any, expected: bool) -> None:
    assert is_compact({"Body": "x", "MessageAttributes": attributes}) is expected
    assert not is_compact({"Body": "x"})


def test_a_compact_message_becomes_the_same_call_as_one_in_json() -> None:
    metadata = {"car_id": 7, "rental": {"id": "r-1"}, "sentry-trace": "abc-def-1"}
    body = write_request(URL, metadata, OPTIONS)
    found = translate(body, "message-1", "damage", compact=True)
    plain = json.dumps({"image_url": URL, **metadata, "inspection": OPTIONS})
    expected = translate(plain, "message-1", "damage")
    assert call(found) == call(expected) == [URL, metadata]
    for message in (found, expected):
        del message["body"], message["headers"]["argsrepr"]
    assert found == expected


def test_without_options_the_message_id_is_the_id() -> None:
    headers = translate(write_request(URL, {}, {}), "message-1", "damage", compact=True)["headers"]
    plain = translate(json.dumps({"image_url": URL}), "message-1", "damage")["headers"]
    assert headers == plain
    assert headers["id"] == "message-1"


def test_metadata_comes_back_as_it_was_sent() -> None:
    found = read_request(write_request(URL, METADATA, {}))["metadata"]
    assert found == METADATA
    assert {key: type(value) for key, value in found.items()} == {
        key: type(value) for key, value in METADATA.items()
    }


def test_a_whole_number_comes_back_as_an_integer() -> None:
    (found,) = read_request(write_request(URL, {"price": 20.0}, {}))["metadata"].values()
    assert (found, type(found)) == (20, int)


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    "metadata", [{"n": 2**53 + 1}, {"n": [2**60]}, {"n": 10**400}, nested(40)], ids=str
)
def test_metadata_that_the_format_would_change_is_not_sent(metadata: dict[str, Any]) -> None:
    with pytest.raises(MetadataInvalid, match="would change the metadata"):
        write_request(URL, metadata, {})
    assert write_request(URL, {"n": -(2**53)}, {})
    assert write_request(URL, nested(30), {})


def test_the_body_may_have_line_breaks_and_fields_that_are_added_later() -> None:
    known = request_class()(image_url=URL).SerializeToString()
    # Field 15, a text.
    body = base64.encodebytes(known + b"\x7a\x03new" + known).decode()
    assert body.endswith("\n")
    assert call(translate(body, "id-1", "damage", compact=True)) == [URL, {}]


def test_a_caller_may_have_compiled_the_definition() -> None:
    # In protobuf's default pool, two files that define the same message would collide.
    from google.protobuf import descriptor_pb2, descriptor_pool, timestamp_pb2

    assert timestamp_pb2.DESCRIPTOR.name == "google/protobuf/timestamp.proto"
    files = descriptor_pb2.FileDescriptorSet.FromString(compiled()).file
    own = next(file for file in files if file.name == "inspection_request.proto")
    own.name = "copied/inspection_request.proto"
    descriptor_pool.Default().Add(own)
    request_class.cache_clear()
    assert read_request(write_request(URL, {}, {}))["image_url"] == URL


@pytest.mark.parametrize(
    ("body", "id", "reason"),
    [pytest.param(*values, id=name) for name, *values in bad_compact_messages.malformed()],
)
def test_a_malformed_message_is_recorded_with_a_reason(
    body: str, id: str | None, reason: str
) -> None:
    message = translate(body, "message-1", "damage", compact=True)
    headers = message["headers"]
    assert (headers["task"], headers["id"]) == (RECORD_MALFORMED, id or "message-1")
    assert reason in headers["problem"]
    assert call(message) == [body[:MAX_BODY_CHARACTERS]]


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 1e300, 2.0**60])
def test_other_numbers_stay_as_they_are(number: float) -> None:
    request = request_class()(image_url=URL)
    request.metadata.fields["n"].number_value = number
    body = base64.b64encode(request.SerializeToString()).decode()
    (found,) = read_request(body)["metadata"].values()
    assert type(found) is float
    assert repr(found) == repr(number)


def test_a_value_without_a_kind_is_null() -> None:
    request = request_class()(image_url=URL)
    request.metadata.fields["n"].Clear()
    body = base64.b64encode(request.SerializeToString()).decode()
    assert read_request(body)["metadata"] == {"n": None}


def test_the_metadata_is_protobufs_own_struct() -> None:
    struct = Struct()
    struct.update(METADATA)
    request = request_class()(image_url=URL)
    request.metadata.ParseFromString(struct.SerializeToString())
    body = base64.b64encode(request.SerializeToString()).decode()
    assert read_request(body)["metadata"] == METADATA


@pytest.mark.slow
@given(data=st.binary(max_size=200))
def test_no_arbitrary_bytes_reach_celery(data: bytes) -> None:
    body = base64.b64encode(data).decode()
    task = translate(body, "id-1", "damage", compact=True)["headers"]["task"]
    assert task in (DETECT_DAMAGE, RECORD_MALFORMED)


def call(message: dict[str, Any]) -> Any:
    """The arguments of the task that a message calls."""
    return json.loads(base64.b64decode(message["body"]))[0]
