"""Dead letters are listed, replayed and dropped, however many there are."""

from __future__ import annotations

import base64
import json
import time
import uuid
from typing import Any

import pytest

from damage_tasks.devstack.aws_emulator import Emulator
from damage_tasks.errors import QueueUnavailable
from damage_tasks.sqs import dead_letters
from damage_tasks.sqs.batches import in_batches
from damage_tasks.sqs.compact_message import CONTENT_TYPE, write_request
from damage_tasks.sqs.dead_letters import DeadLetters, dead_letters_of
from damage_tasks.sqs.envelope import translate
from damage_tasks.sqs.queues import Queue, dead_letter_queue, read_queue
from tools.hostile import bad_messages


@pytest.fixture
def pair(aws: Emulator) -> tuple[Queue, Queue]:
    sqs = aws.client("sqs")
    queue = read_queue(sqs, aws.create_queues(f"queue-{uuid.uuid4().hex[:8]}"))
    return queue, dead_letter_queue(sqs, queue)


@pytest.fixture
def letters(aws: Emulator, pair: tuple[Queue, Queue]) -> DeadLetters:
    return DeadLetters(aws.client("sqs"), *pair)


def fill(aws: Emulator, queue: Queue, count: int) -> None:
    bodies = [json.dumps({"image_url": f"https://x/{n}.jpg"}) for n in range(count)]
    for batch in in_batches(bodies):
        entries = [{"Id": str(n), "MessageBody": body} for n, body in enumerate(batch)]
        aws.client("sqs").send_message_batch(QueueUrl=queue.url, Entries=entries)


def waiting(aws: Emulator, queue: Queue) -> int:
    return read_queue(aws.client("sqs"), queue.url).waiting


def test_a_thousand_are_listed_once_each_and_are_there_again_afterwards(
    aws: Emulator, pair: tuple[Queue, Queue], letters: DeadLetters
) -> None:
    fill(aws, pair[1], 1005)
    with letters.held() as held:
        found = [letter.photo_url for letter in held]
    assert len(found) == len(set(found)) == 1005
    assert waiting(aws, pair[1]) == 1005


def test_letters_that_come_into_sight_again_are_listed_once(
    aws: Emulator, pair: tuple[Queue, Queue], letters: DeadLetters, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "HOLD_SECONDS", 1)
    fill(aws, pair[1], 40)
    found = []
    with letters.held() as held:
        for letter in held:
            found.append(letter.id)
            time.sleep(0.04)  # so that the first are visible before the last are seen
    assert len(found) == len(set(found)) == 40


def test_letters_of_several_queues_return_to_their_own(aws: Emulator) -> None:
    sqs = aws.client("sqs")
    queues = [read_queue(sqs, aws.create_queues(f"q-{uuid.uuid4().hex[:8]}")) for _ in range(2)]
    for queue in queues:
        fill(aws, dead_letter_queue(sqs, queue), 2)
    letters = dead_letters_of(sqs, queues)
    with letters.held(3) as held:
        found = list(held)
        assert [letter.queue for letter in found] == [queues[0].name] * 2 + [queues[1].name]
        letters.replay(found[0])
        letters.drop(found[1])
        letters.replay(found[2])
    assert [waiting(aws, queue) for queue in queues] == [1, 1]
    assert [waiting(aws, dead_letter_queue(sqs, queue)) for queue in queues] == [0, 1]


def test_a_replayed_letter_stays_in_its_group(
    aws: Emulator, pair: tuple[Queue, Queue], letters: DeadLetters
) -> None:
    sqs = aws.client("sqs")
    sqs.send_message(QueueUrl=pair[1].url, MessageBody="{}", MessageGroupId="tenant-1")
    with letters.held() as held:
        letters.replay(next(held))
    (message,) = sqs.receive_message(
        QueueUrl=pair[0].url, MessageSystemAttributeNames=["MessageGroupId"]
    )["Messages"]
    assert message["Attributes"]["MessageGroupId"] == "tenant-1"


def test_a_replayed_letters_time_begins_with_the_replay(
    aws: Emulator, pair: tuple[Queue, Queue], letters: DeadLetters
) -> None:
    body = translate('{"image_url": "https://x/y.jpg"}', "id-1", pair[0].name)
    body["headers"] |= {"first_sent": 1.5e9, "had_photo": True}
    aws.client("sqs").send_message(QueueUrl=pair[1].url, MessageBody=json.dumps(body))
    with letters.held() as held:
        letters.replay(next(held))
    (message,) = aws.client("sqs").receive_message(QueueUrl=pair[0].url)["Messages"]
    headers = json.loads(message["Body"])["headers"]
    assert headers["had_photo"] is True
    assert "first_sent" not in headers


def test_a_replayed_letter_stays_in_its_trace(
    aws: Emulator, pair: tuple[Queue, Queue], letters: DeadLetters
) -> None:
    sqs = aws.client("sqs")
    sqs.send_message(
        QueueUrl=pair[1].url,
        MessageBody='{"image_url": "https://x/y.jpg"}',
        MessageAttributes={"baggage": {"DataType": "String", "StringValue": "car=7"}},
        MessageSystemAttributes={
            "AWSTraceHeader": {
                "DataType": "String",
                "StringValue": "Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=b7ad6b7169203331",
            }
        },
    )
    with letters.held() as held:
        letters.replay(next(held))
    (message,) = sqs.receive_message(QueueUrl=pair[0].url)["Messages"]
    assert json.loads(message["Body"])["headers"]["headers"] == {
        "baggage": "car=7",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    }


def test_a_compact_letter_is_replayed_as_the_call_that_it_stands_for(
    aws: Emulator, pair: tuple[Queue, Queue], letters: DeadLetters
) -> None:
    sqs = aws.client("sqs")
    sent = sqs.send_message(
        QueueUrl=pair[1].url,
        MessageBody=write_request("https://x/1.jpg", {"car_id": 7}, {"case_id": "c-1"}),
        MessageAttributes={"content_type": {"DataType": "String", "StringValue": CONTENT_TYPE}},
    )
    with letters.held() as held:
        letter = next(held)
        assert (letter.id, letter.photo_url) == (sent["MessageId"], "https://x/1.jpg")
        # What `damage-tasks dead-letters show` prints.
        assert json.loads(letter.body)["headers"]["task"] == "detect_damage"
        letters.replay(letter)
    (message,) = sqs.receive_message(QueueUrl=pair[0].url, MessageAttributeNames=["All"])[
        "Messages"
    ]
    # Without the attribute, since the body is Celery's JSON.
    assert "MessageAttributes" not in message
    replayed = translate(message["Body"], message["MessageId"], "damage")
    assert replayed["headers"]["id"] == sent["MessageId"]
    assert replayed["headers"]["case_id"] == "c-1"
    call = json.loads(base64.b64decode(replayed["body"]))
    assert call[0] == ["https://x/1.jpg", {"car_id": 7}]


def test_a_limit_looks_at_so_many_only(
    aws: Emulator, pair: tuple[Queue, Queue], letters: DeadLetters
) -> None:
    fill(aws, pair[1], 25)
    with letters.held(12) as held:
        assert len(list(held)) == 12
        assert waiting(aws, pair[1]) == 13


def test_reading_the_first_one_hides_no_other(
    aws: Emulator, pair: tuple[Queue, Queue], letters: DeadLetters
) -> None:
    fill(aws, pair[1], 5)
    with letters.held() as held:
        assert next(held).photo_url
    assert waiting(aws, pair[1]) == 5


def test_a_replay_keeps_the_id_and_may_be_repeated(
    aws: Emulator, pair: tuple[Queue, Queue], letters: DeadLetters
) -> None:
    sqs = aws.client("sqs")
    fill(aws, pair[1], 1)
    with letters.held() as held:
        (letter,) = held
        letters.replay(letter)
        letters.replay(letter)  # as after a failed deletion
    assert waiting(aws, pair[1]) == 0
    answer = sqs.receive_message(QueueUrl=pair[0].url, MaxNumberOfMessages=10)
    bodies = [json.loads(message["Body"]) for message in answer["Messages"]]
    assert [body["headers"]["id"] for body in bodies] == [letter.id, letter.id]
    assert bodies[0]["headers"]["retries"] == 0


def test_a_replay_that_cannot_be_sent_keeps_the_letter(
    aws: Emulator, pair: tuple[Queue, Queue]
) -> None:
    queue, dead = pair
    fill(aws, dead, 1)
    lost = Queue(**{**{f: getattr(queue, f) for f in queue.__slots__}, "url": queue.url + "-none"})
    letters = DeadLetters(aws.client("sqs"), lost, dead)
    with letters.held() as held, pytest.raises(QueueUnavailable):
        letters.replay(next(held))
    assert waiting(aws, dead) == 1


def test_every_hostile_message_can_be_a_dead_letter(
    aws: Emulator, pair: tuple[Queue, Queue], letters: DeadLetters
) -> None:
    bodies = [
        body for _, body in (*bad_messages.junk(), *bad_messages.wrong_calls("https://x/y.jpg"))
    ]
    for body in bodies:
        aws.client("sqs").send_message(QueueUrl=pair[1].url, MessageBody=body)
    with letters.held() as held:
        found = list(held)
        assert len(found) == len(bodies)
        for letter in found:
            letters.replay(letter)
    assert waiting(aws, pair[0]) == len(bodies)


def test_an_unavailable_queue_is_one_clear_error(aws: Emulator, pair: tuple[Queue, Queue]) -> None:
    def away(**_: Any) -> Any:
        from botocore.exceptions import EndpointConnectionError

        raise EndpointConnectionError(endpoint_url="http://127.0.0.1:9")

    sqs: Any = type("SQS", (), {"receive_message": staticmethod(away)})()
    with pytest.raises(QueueUnavailable), DeadLetters(sqs, *pair).held() as held:
        list(held)
