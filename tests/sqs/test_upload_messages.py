"""S3's events on the queue become requests, or are deleted without a trace."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest

from damage_tasks.settings import get_settings
from damage_tasks.sqs.envelope import is_ignored, translate
from damage_tasks.sqs.task_names import DETECT_DAMAGE, FORWARD_UPLOADS, RECORD_MALFORMED
from damage_tasks.sqs.transport import Channel
from damage_tasks.sqs.upload_forwarding import forward
from tools import sample_s3_events as s3_events

TRACE = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}


@pytest.fixture(autouse=True)
def intake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAMAGE_INTAKE_BUCKETS", s3_events.BUCKET)
    monkeypatch.setenv("DAMAGE_INTAKE_KEY_TEMPLATE", "rentals/{rental_id}/*")
    get_settings.cache_clear()


def arguments(message: dict[str, Any]) -> Any:
    return json.loads(base64.b64decode(message["body"]))[0]


def thousand() -> str:
    records = [s3_events.record(f"rentals/{n}/ä b+c%.jpg", sequencer=str(n)) for n in range(1000)]
    return json.dumps(s3_events.direct(*records))


@pytest.mark.parametrize("form", list(s3_events.all_forms("")))
def test_one_upload_becomes_a_call_with_the_metadata_of_its_key(form: str) -> None:
    text = json.dumps(s3_events.all_forms("rentals/r-1/a b.jpg")[form])
    message = translate(text, "message-1", "damage")
    headers = message["headers"]
    assert headers["task"] == DETECT_DAMAGE
    url = f"s3://{s3_events.BUCKET}/rentals/r-1/a%20b.jpg"
    assert arguments(message) == [url, {"rental_id": "r-1"}]
    assert (headers["own_id"], headers["uploaded"]) == (True, True)
    # Delivered twice, also in another form, it has the same id.
    again = translate(
        json.dumps(s3_events.from_eventbridge("rentals/r-1/a b.jpg")), "message-2", "damage"
    )
    assert again["headers"]["id"] == headers["id"]
    assert translate(json.dumps(message), "message-2", "damage") == message


def test_a_key_can_name_the_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAMAGE_INTAKE_KEY_TEMPLATE", "{case_id}/{car_id}/*")
    get_settings.cache_clear()
    for key, case, metadata in (
        ("r-1/7/a.jpg", "r-1", {"car_id": "7"}),
        ("r\n1/7/a.jpg", None, {"case_id": "r\n1", "car_id": "7"}),
    ):
        message = translate(json.dumps(s3_events.from_eventbridge(key)), "message-1", "damage")
        assert message["headers"].get("case_id") == case
        assert arguments(message)[1] == metadata


def test_an_event_that_was_rejected_for_its_bucket_can_be_sent_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DAMAGE_INTAKE_BUCKETS", "another-bucket")
    get_settings.cache_clear()
    text = json.dumps(s3_events.direct(s3_events.record("rentals/r-1/" + "a" * 1000)))
    rejected = translate(text, "message-1", "damage")
    assert rejected["headers"]["task"] == RECORD_MALFORMED
    assert "DAMAGE_INTAKE_BUCKETS" in rejected["headers"]["problem"]
    monkeypatch.setenv("DAMAGE_INTAKE_BUCKETS", s3_events.BUCKET)
    get_settings.cache_clear()
    (recorded,) = arguments(rejected)
    assert translate(recorded, "message-2", "damage")["headers"]["task"] == DETECT_DAMAGE


def test_several_uploads_become_one_call_that_forwards_them() -> None:
    message = translate(thousand(), "message-1", "damage", TRACE)
    assert message["headers"]["headers"] == TRACE
    assert (message["headers"]["task"], message["headers"]["id"]) == (FORWARD_UPLOADS, "message-1")
    assert len(arguments(message)[0]) == 1000
    assert message["headers"]["argsrepr"] == "(1000 uploads)"


def test_no_message_may_call_the_forwarding_itself() -> None:
    message = translate(thousand(), "message-1", "damage")
    assert translate(json.dumps(message), "message-2", "damage")["headers"]["task"] == (
        RECORD_MALFORMED
    )


def test_the_main_loop_spends_little_on_a_large_event() -> None:
    text = thousand()

    def spend() -> float:
        # This thread's CPU time: other tests and threads run at the same time.
        began = time.thread_time()
        assert not is_ignored(text)
        translate(text, "message-1", "damage")
        return time.thread_time() - began

    assert min(spend() for _ in range(5)) < 0.5


@pytest.mark.parametrize("form", list(s3_events.all_forms("")))
def test_a_forged_bucket_is_recorded_and_not_read(
    form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAMAGE_INTAKE_BUCKETS", "another-bucket")
    get_settings.cache_clear()
    text = json.dumps(s3_events.all_forms("a.jpg")[form])
    headers = translate(text, "message-1", "damage")["headers"]
    assert (headers["task"], headers["id"]) == (RECORD_MALFORMED, "message-1")
    assert headers["problem"].endswith("is not in DAMAGE_INTAKE_BUCKETS")


def test_one_forged_record_spoils_the_event() -> None:
    forged = s3_events.record("b.jpg")
    forged["s3"]["bucket"]["name"] = "our-secrets"
    text = json.dumps(s3_events.direct(s3_events.record("a.jpg"), forged))
    headers = translate(text, "message-1", "damage")["headers"]
    assert headers["task"] == RECORD_MALFORMED
    assert "'our-secrets'" in headers["problem"]


def test_events_that_announce_no_photo_are_deleted_and_leave_nothing(
    channel: Channel, queue_url: str, aws: Any
) -> None:
    received: list[Any] = []
    name = queue_url.rpartition("/")[2]
    channel.connection._callbacks[name] = received.append
    sqs = aws.client("sqs")
    bodies = [json.dumps(event) for event in s3_events.ignored().values()]
    for body in [*bodies, '{"image_url": "https://x/aws:s3.jpg"}']:
        sqs.send_message(QueueUrl=queue_url, MessageBody=body)
    found = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=2)
    assert len(found["Messages"]) == 9
    assert channel._on_messages_ready(queue_url, name, found) == 1
    assert [each["headers"]["task"] for each in received] == [DETECT_DAMAGE]
    end = time.monotonic() + 10
    while time.monotonic() < end:
        counts = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["All"])["Attributes"]
        if counts["ApproximateNumberOfMessagesNotVisible"] == "1":
            break
        time.sleep(0.1)
    assert counts["ApproximateNumberOfMessagesNotVisible"] == "1"


def test_forwarding_again_sends_the_same_ids(queue_url: str, aws: Any) -> None:
    sqs = aws.client("sqs")
    (uploads,) = arguments(translate(thousand(), "message-1", "damage"))
    uploads = uploads[:25]
    for _ in range(2):
        assert forward(sqs, queue_url, "damage", "message-1", uploads, TRACE) == 25
    ids: list[str] = []
    while found := sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10).get("Messages"):
        for each in found:
            message = translate(each["Body"], each["MessageId"], "damage")
            assert message["headers"]["task"] == DETECT_DAMAGE
            assert message["headers"]["message_id"] == "message-1"
            assert message["headers"]["headers"] == TRACE
            ids.append(message["headers"]["id"])
    assert len(ids) == 50
    assert len(set(ids)) == 25
