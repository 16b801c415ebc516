"""Events reach subscribers of a topic, a queue and a bus, on the emulator."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

import pytest

from damage_tasks.deliveries.aws_targets import CONFIG, MAX_REQUESTS, AwsSender
from damage_tasks.deliveries.deliverer import LEASE_MARGIN_SECONDS
from damage_tasks.deliveries.sending import MAX_AT_ONCE, SendingFailed
from damage_tasks.devstack.aws_emulator import REGION, Emulator
from damage_tasks.results.delivery import EventType
from tests.deliveries.deliveries_for import BODY, delivery_to

ACCOUNT = "000000000000"


@pytest.fixture
def name() -> str:
    return f"events-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def queue(aws: Emulator, name: str) -> tuple[str, str]:
    """The URL and ARN of an empty queue."""
    url = aws.client("sqs").create_queue(QueueName=name)["QueueUrl"]
    return url, f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"


def receive(aws: Emulator, url: str) -> list[Any]:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        answer = aws.client("sqs").receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"],
            AttributeNames=["All"], WaitTimeSeconds=1,
        )  # fmt: skip
        if found := answer.get("Messages"):
            return list(found)
    return []


def attributes(message: Any) -> dict[str, str]:
    return {name: each["StringValue"] for name, each in message["MessageAttributes"].items()}


def test_a_queue_gets_the_body_with_its_type_and_id(aws: Emulator, queue: tuple[str, str]) -> None:
    url, arn = queue
    AwsSender().send(delivery_to(arn))
    (message,) = receive(aws, url)
    assert message["Body"] == BODY
    assert attributes(message) == {
        "type": "inspection.completed", "webhook-id": "evt_0123456789abcdef",
    }  # fmt: skip


def test_subscribers_of_a_topic_get_the_body(
    aws: Emulator, queue: tuple[str, str], name: str
) -> None:
    url, queue_arn = queue
    sns = aws.client("sns")
    topic = sns.create_topic(Name=name)["TopicArn"]
    sns.subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint=queue_arn,
        Attributes={"RawMessageDelivery": "true"},
    )  # fmt: skip
    AwsSender().send(delivery_to(topic))
    (message,) = receive(aws, url)
    assert message["Body"] == BODY
    assert attributes(message)["type"] == "inspection.completed"


def test_a_rule_of_a_bus_selects_events_by_their_type(
    aws: Emulator, queue: tuple[str, str], name: str
) -> None:
    url, queue_arn = queue
    events = aws.client("events")
    bus = events.create_event_bus(Name=name)["EventBusArn"]
    events.put_rule(
        Name=name, EventBusName=name,
        EventPattern=json.dumps(
            {"source": ["damage-tasks"], "detail-type": [str(EventType.COMPLETED)],
             "detail": {"data": {"a": ["ü"]}}}
        ),
    )  # fmt: skip
    events.put_targets(Rule=name, EventBusName=name, Targets=[{"Id": "1", "Arn": queue_arn}])
    AwsSender().send(delivery_to(bus, type="inspection.failed"))
    AwsSender().send(delivery_to(bus))
    (message,) = receive(aws, url)
    event = json.loads(message["Body"])
    assert event["detail-type"] == "inspection.completed"
    assert event["detail"] == json.loads(BODY)


def test_a_fifo_queue_keeps_an_inspections_events_in_order_and_drops_repetitions(
    aws: Emulator, name: str
) -> None:
    url = aws.client("sqs").create_queue(
        QueueName=f"{name}.fifo", Attributes={"FifoQueue": "true"}
    )["QueueUrl"]
    arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}.fifo"
    for event_id in ("evt_1", "evt_2", "evt_2"):
        AwsSender().send(delivery_to(arn, event_id=event_id, inspection_id="i" * 1000))
    found = receive(aws, url)
    assert [attributes(message)["webhook-id"] for message in found] == ["evt_1", "evt_2"]
    assert {message["Attributes"]["MessageGroupId"] for message in found} == {"i" * 128}


@pytest.mark.parametrize("kind", ["sns", "sqs"])
def test_a_target_that_does_not_exist_is_a_failure(aws: Emulator, kind: str) -> None:
    with pytest.raises(SendingFailed, match=r"NotFound|NonExistentQueue|QueueDoesNotExist"):
        AwsSender().send(delivery_to(f"arn:aws:{kind}:{REGION}:{ACCOUNT}:missing"))


def test_an_endpoint_that_does_not_answer_is_a_failure(
    aws: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(SendingFailed, match="Could not connect"):
        AwsSender().send(delivery_to(f"arn:aws:sns:{REGION}:{ACCOUNT}:events"))


def test_the_requests_for_an_event_end_before_the_claim_of_its_delivery() -> None:
    config: Any = CONFIG
    attempts = MAX_REQUESTS * config.retries["total_max_attempts"]
    seconds = attempts * (config.connect_timeout + config.read_timeout)
    # Before it repeats a request once, botocore waits for a second at most.
    assert seconds + MAX_REQUESTS < LEASE_MARGIN_SECONDS


def test_every_thread_that_sends_has_a_connection() -> None:
    config: Any = CONFIG
    assert config.max_pool_connections == MAX_AT_ONCE
