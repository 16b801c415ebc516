"""`submit_many` sends ten photos with each request and names those that were not sent."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest

from damage_tasks import submit_many
from damage_tasks.contract import Photo
from damage_tasks.devstack.aws_emulator import Emulator
from damage_tasks.errors import MetadataInvalid, PhotosNotSent
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
    while messages := (
        aws.client("sqs")
        .receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10)
        .get("Messages")
    ):
        for message in messages:
            body = json.loads(base64.b64decode(message["Body"]))
            arguments, _, _ = json.loads(base64.b64decode(body["body"]))
            found[body["headers"]["id"]] = arguments
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
        return {"Failed": [{"Id": id, **failed} for id in ids[self._accepts :]]}


def message(size: int = 10) -> OutgoingMessage:
    return OutgoingMessage("id", "label", "https://sqs/1/damage", {"MessageBody": "x" * size})


def test_messages_that_sqs_could_not_accept_are_sent_again() -> None:
    sqs = BusySqs()
    assert send_batch(sqs, [message()] * 3) == {}
    assert sqs.requests == [["0", "1", "2"], ["1", "2"], ["2"]]


@pytest.mark.slow
def test_messages_are_given_up_after_several_attempts() -> None:
    assert send_batch(BusySqs(accepts=0), [message()]) == {0: "InternalError: try again"}


def test_a_request_is_no_larger_than_sqs_accepts() -> None:
    third = MAX_REQUEST_BYTES // 3
    sizes = [third, third, third, third, MAX_REQUEST_BYTES + 1, 10, *([1] * 12)]
    requests = [[each.size for each in request] for request in in_requests(map(message, sizes))]
    assert requests == [[third] * 3, [third], [MAX_REQUEST_BYTES + 1], [10, *[1] * 9], [1] * 3]


def test_attributes_count_as_part_of_a_message() -> None:
    attribute = {"DataType": "String", "StringValue": "äb"}
    entry = {"MessageBody": "body", "MessageAttributes": {"name": attribute}}
    assert OutgoingMessage("id", "label", "url", entry).size == 4 + 4 + 6 + 3
