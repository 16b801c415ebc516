"""`submit_many` sends ten photos with each request and names those that were not sent."""

from __future__ import annotations

import base64
import json
import socket
import sys
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest

from damage_tasks import submit_many
from damage_tasks.contract import Photo
from damage_tasks.devstack.aws_emulator import Emulator
from damage_tasks.errors import CallRefused, ExtraMissing, MetadataInvalid, PhotosNotSent
from damage_tasks.sqs.compact_message import is_compact, request_class
from damage_tasks.sqs.envelope import translate
from damage_tasks.sqs.outgoing_batches import (
    MAX_REQUEST_BYTES,
    OutgoingMessage,
    in_requests,
    send_batch,
)
from damage_tasks.sqs.queues import read_queue
from tests.integration.conftest import call_with
from tools.fault_proxy import ERROR_500, FaultProxy


@pytest.fixture
def proxy(aws: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultProxy]:
    proxy = FaultProxy(aws.environment["AWS_ENDPOINT_URL"])
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
    yield proxy
    proxy.close()


@pytest.fixture
def queue_url(aws: Emulator, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch) -> str:
    url = aws.create_queues("submit-many")
    call_with({"DAMAGE_QUEUE_URL": url}, monkeypatch)
    aws.client("sqs").purge_queue(QueueUrl=url)
    return url


def photos(count: int) -> Iterator[Photo]:
    for number in range(count):
        yield f"s3://b/{number}.jpg", {"number": number}


def calls_on(queue_url: str, aws: Emulator) -> dict[str, Any]:
    """The arguments of the calls that wait on the queue, by task id."""
    found = {}
    for message in messages_on(queue_url, aws):
        body = json.loads(base64.b64decode(message["Body"]))
        arguments, _, _ = json.loads(base64.b64decode(body["body"]))
        found[body["headers"]["id"]] = arguments
    return found


def headers_on(queue_url: str, aws: Emulator) -> dict[str, Any]:
    """The headers of the calls that wait on the queue, by task id."""
    bodies = [json.loads(base64.b64decode(x["Body"])) for x in messages_on(queue_url, aws)]
    return {body["headers"]["id"]: body["headers"] for body in bodies}


def messages_on(queue_url: str, aws: Emulator) -> list[Any]:
    """The messages that wait on the queue."""
    found: list[Any] = []
    while messages := (
        aws.client("sqs")
        .receive_message(
            QueueUrl=queue_url,
            MaxNumberOfMessages=10,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
        )
        .get("Messages")
    ):
        found += messages
    return found


def test_a_thousand_photos_take_a_hundred_requests(
    queue_url: str, proxy: FaultProxy, aws: Emulator
) -> None:
    ids = list(submit_many(photos(1000)))
    assert len(set(ids)) == 1000
    assert proxy.counts["sqs SendMessageBatch"] == 100
    assert proxy.counts["sqs SendMessage"] == 0
    assert read_queue(aws.client("sqs"), queue_url).waiting == 1000


def test_each_id_belongs_to_the_photo_at_its_place(queue_url: str, aws: Emulator) -> None:
    ids = list(submit_many([*photos(12), "s3://b/url-only.jpg"]))
    calls = calls_on(queue_url, aws)
    assert [calls[id] for id in ids] == [
        *([f"s3://b/{number}.jpg", {"number": number}] for number in range(12)),
        ["s3://b/url-only.jpg"],
    ]


def test_photos_are_taken_only_as_they_are_sent(queue_url: str) -> None:
    taken = []

    def endless() -> Iterator[Photo]:
        while True:
            taken.append(1)
            yield "s3://b/1.jpg"

    assert len(list(islice(submit_many(endless()), 15))) == 15
    assert len(taken) == 21  # two requests, and the photo that ended the second


def test_options_apply_to_every_photo(queue_url: str, aws: Emulator) -> None:
    list(submit_many(photos(3), DelaySeconds=600))
    assert read_queue(aws.client("sqs"), queue_url).delayed == 3


def test_a_photo_may_have_its_own_options(queue_url: str, aws: Emulator) -> None:
    chosen: list[Photo] = [
        "s3://b/1.jpg",
        {"url": "s3://b/2.jpg", "inspection": {"id": "I-2", "case_photos": 3}},
        {"url": "s3://b/3.jpg", "metadata": {"n": 3}, "inspection": {"case_id": "other"}},
    ]
    ids = list(submit_many(chosen, inspection={"case_id": "common"}))
    assert ids[1] == "I-2"
    sent = headers_on(queue_url, aws)
    assert [sent[id]["case_id"] for id in ids] == ["common", "common", "other"]
    assert (sent["I-2"]["case_photos"], sent["I-2"]["own_id"]) == (3, True)


@pytest.mark.parametrize(
    ("photo", "reason"),
    [
        ({"image_url": "s3://b/1.jpg"}, "must have a url"),
        ({"url": "s3://b/1.jpg", "car_id": 7}, "'car_id'"),
        ({"url": 7}, "url must be a string"),
        ({"url": "s3://b/1.jpg", "inspection": {"id": ""}}, "inspection.id must be"),
        ({"url": "s3://b/1.jpg", "inspection": "I-7"}, "inspection must be an object"),
    ],
)
@pytest.mark.parametrize("compact", [False, True])
def test_a_photo_that_is_described_wrongly_is_refused(
    queue_url: str, photo: Any, reason: str, compact: bool
) -> None:
    with pytest.raises(CallRefused, match=reason):
        list(submit_many([photo], compact=compact))


def test_compact_photos_are_the_same_requests(
    queue_url: str, proxy: FaultProxy, aws: Emulator
) -> None:
    chosen: list[Photo] = [
        *photos(11),
        "s3://b/url-only.jpg",
        {"url": "s3://b/own.jpg", "inspection": {"id": "I-1", "deadline": "2026-12-31T12:00:00Z"}},
    ]
    options: dict[str, Any] = {"MessageGroupId": "tenant-1", "inspection": {"case_id": "C-1"}}
    ids = list(submit_many(chosen, compact=True, **options))
    assert proxy.counts["sqs SendMessageBatch"] == 2
    sent = {}
    for message in messages_on(queue_url, aws):
        assert is_compact(message)
        assert message["Attributes"]["MessageGroupId"] == "tenant-1"
        call = translate(message["Body"], message["MessageId"], "damage", compact=True)
        assert call["headers"]["case_id"] == "C-1"
        sent[call["headers"]["id"]] = call
    calls = [json.loads(base64.b64decode(sent[id]["body"]))[0] for id in ids]
    assert calls == [
        *([f"s3://b/{number}.jpg", {"number": number}] for number in range(11)),
        ["s3://b/url-only.jpg", {}],
        ["s3://b/own.jpg", {}],
    ]
    assert ids[-1] == "I-1"
    assert sent["I-1"]["headers"]["deadline"] == "2026-12-31T12:00:00+00:00"
    assert "own_id" not in sent[ids[0]]["headers"]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"expires": 60}, "does not support expires"),
        ({"headers": {"a": "b"}}, "does not support headers"),
        ({"DelaySeconds": 901}, "DelaySeconds must be"),
        ({"queue": "mail"}, "the queue 'mail'"),
    ],
)
def test_compact_messages_have_few_options(
    queue_url: str, options: dict[str, Any], reason: str
) -> None:
    with pytest.raises(CallRefused, match=reason):
        list(submit_many(photos(1), compact=True, **options))


def test_compact_messages_need_an_extra(queue_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    request_class.cache_clear()
    monkeypatch.setitem(sys.modules, "google.protobuf", None)
    with pytest.raises(ExtraMissing, match="damage-tasks\\[compact\\]"):
        list(submit_many(photos(1), compact=True))


def test_photos_before_one_that_cannot_be_sent_have_been_sent(
    queue_url: str, aws: Emulator
) -> None:
    ids: list[str] = []
    with pytest.raises(MetadataInvalid):
        ids.extend(submit_many([*photos(13), ("s3://b/x.jpg", {"bad": float("nan")})]))
    assert {*calls_on(queue_url, aws)} == {*ids}


def test_a_photo_that_sqs_rejects_is_named_and_the_others_are_sent(
    queue_url: str, aws: Emulator
) -> None:
    aws.client("sqs").set_queue_attributes(
        QueueUrl=queue_url, Attributes={"MaximumMessageSize": "4096"}
    )
    chosen = list(photos(14))
    chosen[11] = ("s3://b/large.jpg", {"note": "x" * 6000})
    ids: list[str] = []
    with pytest.raises(PhotosNotSent, match=r"photo 11 \(s3://b/large.jpg\)") as caught:
        ids.extend(submit_many(chosen))
    assert len(ids) == 11
    assert {*caught.value.not_sent} == {11}
    assert {*caught.value.sent} == {12, 13}
    assert {*calls_on(queue_url, aws)} == {*ids, *caught.value.sent.values()}


def test_a_request_that_fails_names_all_its_photos(queue_url: str, proxy: FaultProxy) -> None:
    proxy.fail("sqs", ERROR_500)
    with pytest.raises(PhotosNotSent, match="2 of the 2 photos") as caught:
        list(submit_many(photos(2)))
    assert {*caught.value.not_sent} == {0, 1}
    assert caught.value.sent == {}


class BusySqs:
    """Accepts the messages of a batch one at a time; the client of an overloaded queue."""

    def __init__(self, accepts: int = 1) -> None:
        self.requests: list[list[str]] = []
        self._accepts = accepts

    def send_message_batch(self, **request: Any) -> Any:
        ids = [entry["Id"] for entry in request["Entries"]]
        self.requests.append(ids)
        failed = {"SenderFault": False, "Code": "InternalError", "Message": "try again"}
        return {
            "Successful": [{"Id": id, "MessageId": f"m{id}"} for id in ids[: self._accepts]],
            "Failed": [{"Id": id, **failed} for id in ids[self._accepts :]],
        }


def message(size: int = 10) -> OutgoingMessage:
    return OutgoingMessage("id", "label", "https://sqs/1/damage", {"MessageBody": "x" * size})


def test_messages_that_sqs_could_not_accept_are_sent_again() -> None:
    sqs = BusySqs()
    assert send_batch(sqs, [message()] * 3) == ({0: "id", 1: "id", 2: "id"}, {})
    assert sqs.requests == [["0", "1", "2"], ["1", "2"], ["2"]]


@pytest.mark.slow
def test_messages_are_given_up_after_several_attempts() -> None:
    assert send_batch(BusySqs(accepts=0), [message()]) == ({}, {0: "InternalError: try again"})


def test_a_request_is_no_larger_than_sqs_accepts() -> None:
    third = MAX_REQUEST_BYTES // 3
    sizes = [third, third, third, third, MAX_REQUEST_BYTES + 1, 10, *([1] * 12)]
    requests = [[each.size for each in request] for request in in_requests(map(message, sizes))]
    assert requests == [[third] * 3, [third], [MAX_REQUEST_BYTES + 1], [10, *[1] * 9], [1] * 3]


def test_attributes_count_as_part_of_a_message() -> None:
    attribute = {"DataType": "String", "StringValue": "äb"}
    entry = {"MessageBody": "body", "MessageAttributes": {"name": attribute}}
    assert OutgoingMessage("id", "label", "url", entry).size == 4 + 4 + 6 + 3


@pytest.mark.slow
@pytest.mark.parametrize("compact", [False, True])
def test_an_endpoint_that_never_answers_does_not_hold_up_a_web_request(
    compact: bool, aws: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        call_with({"DAMAGE_QUEUE_URL": f"{endpoint}/000000000000/damage"}, monkeypatch)
        began = time.monotonic()
        with pytest.raises(PhotosNotSent, match="Read timeout"):
            list(submit_many(["s3://b/1.jpg"], compact=compact))
        assert time.monotonic() - began < 12


@pytest.mark.parametrize("photos", ["https://photos.example/1.jpg", b"https://", {"url": "u"}])
def test_a_single_photo_is_not_taken_for_many(photos: Any) -> None:
    with pytest.raises(CallRefused, match="put a single one into a list"):
        list(submit_many(photos))


@pytest.mark.parametrize("compact", [False, True])
@pytest.mark.parametrize("photo", [5, None, (), ("https://photos.example/1.jpg", {}, 1), b"x"])
def test_anything_but_a_photo_is_refused(queue_url: str, photo: Any, compact: bool) -> None:
    with pytest.raises(CallRefused, match="a photo must be a URL"):
        list(submit_many([photo], compact=compact))


def test_half_of_a_surrogate_pair_in_a_url_is_left_to_the_worker(queue_url: str) -> None:
    assert len(list(submit_many(["https://photos.example/\ud800"], compact=True))) == 1
