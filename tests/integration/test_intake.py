"""A photo that is put into a bucket is examined, without any code of a caller.

The emulator itself sends the events: to the queue directly, through SNS, and through EventBridge.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import pytest
import sqlalchemy as sa

from damage_tasks.devstack import Stack
from damage_tasks.results.store import Inspections
from damage_tasks.results.tables import inspections
from damage_tasks.sqs.queues import dead_letter_queue, read_queue
from tests.conftest import new_database
from tests.result_contract import check_result
from tools import sample_s3_events as s3_events
from tools.sample_pictures_and_results import jpeg
from tools.sample_s3_events import BUCKET

pytestmark = [pytest.mark.xdist_group("intake"), pytest.mark.slow]

RENTAL = "rentals/r 1+2/7"
NAMES = ["front.jpg", "a b.jpg", "a+b.jpg", "50%.jpg", "%2e%2e.jpg", "ü 車.jpg", "?#&.jpg"]
KEYS = [f"{RENTAL}/{name}" for name in NAMES]

Route = dict[str, Any]  # where the emulator sends events
Verdicts = Callable[..., dict[str, dict[str, Any]]]


@pytest.fixture(scope="module")
def running_intake(
    postgres_server: str, migrated_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """A stack that examines the photos uploaded to a bucket."""
    folder = tmp_path_factory.mktemp("intake")
    settings = {
        "DAMAGE_INTAKE_BUCKETS": BUCKET,
        "DAMAGE_INTAKE_KEY_TEMPLATE": "rentals/{rental_id}/{car_id}/*",
    }
    with (
        new_database(postgres_server, migrated_template) as url,
        Stack(folder, processes=2, database_url=url, settings=settings) as stack,
    ):
        stack.client("s3").create_bucket(Bucket=BUCKET)
        yield stack


@pytest.fixture
def stack(running_intake: Stack) -> Iterator[Stack]:
    """The stack, and afterwards a bucket that sends no events."""
    yield running_intake
    running_intake.client("s3").put_bucket_notification_configuration(
        Bucket=BUCKET, NotificationConfiguration={}
    )


@pytest.fixture
def verdicts(stack: Stack) -> Iterator[Verdicts]:
    """Waits until nothing is on the queue, and returns this test's results, by URL or by id."""
    store = Inspections(stack.environment["DAMAGE_DATABASE_URL"])
    with store.engine.begin() as connection:
        connection.execute(sa.delete(inspections))

    def wait(unique: bool = True) -> dict[str, dict[str, Any]]:
        sqs = stack.client("sqs")
        queue = read_queue(sqs, stack.environment["DAMAGE_QUEUE_URL"])
        quiet_since, end = time.monotonic(), time.monotonic() + 300
        while time.monotonic() - quiet_since < 2:
            assert time.monotonic() < end
            if read_queue(sqs, queue.url).messages:
                quiet_since = time.monotonic()
            time.sleep(0.2)
        assert dead_letter_queue(sqs, queue).messages == 0
        with store.engine.connect() as connection:
            ids = connection.execute(sa.select(inspections.c.id)).scalars().all()
        results = {id: check_result(found.to_dict()) for id in ids if (found := store.find(id))}
        if not unique:
            return results
        by_url = {result["photo"]["url"]: result for result in results.values()}
        assert len(by_url) == len(results)
        return by_url

    yield wait
    store.close()


def queue_arn(stack: Stack) -> str:
    found = stack.client("sqs").get_queue_attributes(
        QueueUrl=stack.environment["DAMAGE_QUEUE_URL"], AttributeNames=["QueueArn"]
    )
    return str(found["Attributes"]["QueueArn"])


def directly(stack: Stack) -> Route:
    return {
        "QueueConfigurations": [{"QueueArn": queue_arn(stack), "Events": ["s3:ObjectCreated:*"]}]
    }


def through_sns(stack: Stack) -> Route:
    sns = stack.client("sns")
    topic = sns.create_topic(Name="uploads")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn(stack))
    return {"TopicConfigurations": [{"TopicArn": topic, "Events": ["s3:*"]}]}


def through_eventbridge(stack: Stack) -> Route:
    events = stack.client("events")
    events.put_rule(Name="uploads", EventPattern=json.dumps({"source": ["aws.s3"]}))
    events.put_targets(Rule="uploads", Targets=[{"Id": "queue", "Arn": queue_arn(stack)}])
    return {"EventBridgeConfiguration": {}}


def test_the_embedded_stack_receives_uploads(stack: Stack) -> None:
    stack.receive_uploads("returns")
    found = stack.client("s3").get_bucket_notification_configuration(Bucket="returns")
    assert found["QueueConfigurations"][0]["QueueArn"] == queue_arn(stack)


def url_of(key: str) -> str:
    return f"s3://{BUCKET}/{quote(key)}"


@pytest.mark.parametrize("route", [directly, through_sns, through_eventbridge])
def test_a_photo_put_into_the_bucket_becomes_a_verdict(
    stack: Stack, route: Callable[[Stack], Route], verdicts: Verdicts
) -> None:
    s3 = stack.client("s3")
    # The emulator then sends a test event.
    s3.put_bucket_notification_configuration(Bucket=BUCKET, NotificationConfiguration=route(stack))
    for number, key in enumerate(KEYS):
        # Non-ASCII characters as S3 itself returns them.
        s3.put_object(
            Bucket=BUCKET, Key=key, Body=jpeg(seed=number), Metadata={"camera": "=?UTF-8?B?w7w=?="}
        )
    s3.put_object(Bucket=BUCKET, Key="rentals/", Body=b"")
    s3.put_object(Bucket=BUCKET, Key="elsewhere/list.txt", Body=b"no photo")
    s3.delete_object(Bucket=BUCKET, Key="rentals/")
    results = verdicts()
    text = results.pop(url_of("elsewhere/list.txt"))
    assert (text["reason"]["code"], text["metadata"]) == ("not_a_photo", {})
    assert sorted(results) == sorted(map(url_of, KEYS))
    for result in results.values():
        assert result["verdict"] in ("damaged", "clean"), result["reason"]
        assert result["metadata"] == {"camera": "ü", "rental_id": "r 1+2", "car_id": "7"}


def test_an_event_in_any_form_and_any_number_is_one_verdict(
    stack: Stack, verdicts: Verdicts
) -> None:
    stack.client("s3").put_object(Bucket=BUCKET, Key=KEYS[0], Body=jpeg(seed=1))
    forms = s3_events.all_forms(KEYS[0]).values()
    send(stack, *forms, *forms, s3_events.direct(*[s3_events.record(KEYS[0])] * 5))
    assert list(verdicts()) == [url_of(KEYS[0])]


def test_a_photo_uploaded_again_under_its_key_is_examined_again(
    stack: Stack, verdicts: Verdicts
) -> None:
    stack.client("s3").put_object(Bucket=BUCKET, Key=KEYS[0], Body=jpeg(seed=1))
    records = [s3_events.record(KEYS[0], sequencer=str(number)) for number in (1, 2)]
    send(stack, *map(s3_events.direct, records))
    assert len(verdicts(unique=False)) == 2


def test_each_record_of_a_large_event_becomes_a_verdict(stack: Stack, verdicts: Verdicts) -> None:
    s3 = stack.client("s3")
    keys = [f"rentals/r/{number} +%ü.jpg" for number in range(200)]
    photo = jpeg(seed=1)
    # The others have been deleted in the meantime.
    there = keys[::10]
    with ThreadPoolExecutor(8) as uploads:
        list(uploads.map(lambda key: s3.put_object(Bucket=BUCKET, Key=key, Body=photo), there))
    send(stack, s3_events.direct(*map(s3_events.record, keys)))
    results = verdicts()
    assert sorted(results) == sorted(map(url_of, keys))
    for key in keys:
        result = results[url_of(key)]
        if key in there:
            assert result["verdict"] in ("damaged", "clean")
        else:
            assert result["reason"]["code"] == "photo_not_found"


def test_a_forged_bucket_is_recorded_and_not_read(stack: Stack, verdicts: Verdicts) -> None:
    overlays = stack.environment["DAMAGE_BUCKET"]
    stack.client("s3").put_object(Bucket=overlays, Key="a.jpg", Body=jpeg(seed=1))
    forged = s3_events.record("a.jpg")
    forged["s3"]["bucket"]["name"] = overlays
    send(stack, s3_events.direct(forged))
    (result,) = verdicts(unique=False).values()
    assert result["reason"]["code"] == "message_malformed"
    assert "is not in DAMAGE_INTAKE_BUCKETS" in result["reason"]["text"]


def send(stack: Stack, *events: Any) -> None:
    for event in events:
        stack.client("sqs").send_message(
            QueueUrl=stack.environment["DAMAGE_QUEUE_URL"], MessageBody=json.dumps(event)
        )
