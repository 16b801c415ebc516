"""A decision on the page arrives at the receivers of events, with real processes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from damage_tasks.devstack import OVERLAYS_BUCKET, Stack
from damage_tasks.devstack.aws_emulator import REGION
from damage_tasks.inspection_lookup import get_inspection
from damage_tasks.results.store import Inspections
from tests.deliveries.deliveries_for import SECRET
from tests.deliveries.test_deliverer import wait_until
from tests.integration.conftest import use
from tests.result_contract import check_result
from tests.review.conftest import ReviewSite
from tools.webhook_receiver import WebhookReceiver

pytestmark = [pytest.mark.server, pytest.mark.slow]


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    receiver = WebhookReceiver()
    yield receiver
    receiver.close()


@pytest.fixture
def stack(
    receiver: WebhookReceiver,
    migrated_postgres_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Stack]:
    settings = {
        "DAMAGE_EVENT_TARGETS": f"{receiver.url},arn:aws:sqs:{REGION}:000000000000:events",
        "DAMAGE_CALLBACK_HOSTS": f"127.0.0.1:{receiver.port}",
        "DAMAGE_WEBHOOK_SECRETS": SECRET,
    }
    with Stack(
        tmp_path, workers=0, review=True, database_url=migrated_postgres_url, settings=settings
    ) as stack:
        stack.client("sqs").create_queue(QueueName="events")
        use(stack, monkeypatch)
        yield stack


def reviews(receiver: WebhookReceiver, path: str) -> list[Any]:
    """The verified data of the events about decisions at ``path``, the oldest first."""
    events = [
        Webhook(SECRET).verify(request.body, request.headers)
        for request in list(receiver.requests)
        if request.path == path
    ]
    found = [event for event in events if event["type"] == "inspection.reviewed"]
    return [event["data"] for event in sorted(found, key=lambda event: str(event["timestamp"]))]


def wait_for_reviews(receiver: WebhookReceiver, path: str, count: int) -> list[Any]:
    """The same, once there are ``count``."""
    wait_until(lambda: len(reviews(receiver, path)) == count)
    return reviews(receiver, path)


def test_a_decision_and_its_undoing_arrive_at_all_targets(
    stack: Stack, receiver: WebhookReceiver, migrated_postgres_url: str, chromium: Any
) -> None:
    callback = f"http://127.0.0.1:{receiver.port}/photo?id=7"
    store = Inspections(migrated_postgres_url)
    assert stack.review
    site = ReviewSite(stack.review.url, store, stack.client("s3"), OVERLAYS_BUCKET)
    id = site.add_photo(2, callback_url=callback)
    page = chromium.new_page()
    page.goto(f"{stack.review.url}/inspections/{id}?list=damaged")
    page.wait_for_selector("#photo")
    page.keyboard.press("c")
    for path in ("/hook", "/photo?id=7"):
        (confirmed,) = wait_for_reviews(receiver, path, 1)
        assert check_result(confirmed) == get_inspection(id)
        assert (confirmed["final_verdict"], confirmed["billable"]) == ("damaged", True)
        assert [decision["action"] for decision in confirmed["decisions"]] == ["confirm"]
    page.get_by_role("heading", name="End of the list").wait_for()
    page.keyboard.press("u")
    for path in ("/hook", "/photo?id=7"):
        _, undone = wait_for_reviews(receiver, path, 2)
        assert check_result(undone) == get_inspection(id)
        assert (undone["reviewed_by"], undone["billable"], undone["decisions"]) == (None, False, [])
    queue = stack.client("sqs").get_queue_url(QueueName="events")["QueueUrl"]
    messages = [
        message
        for _ in range(2)
        for message in stack.client("sqs").receive_message(
            QueueUrl=queue, WaitTimeSeconds=2, MaxNumberOfMessages=10,
            MessageAttributeNames=["type"],
        ).get("Messages", [])
    ]  # fmt: skip
    assert [m["MessageAttributes"]["type"]["StringValue"] for m in messages] == (
        ["inspection.reviewed"] * 2
    )
    assert {json.loads(message["Body"])["data"]["billable"] for message in messages} == {
        True, False,
    }  # fmt: skip
    store.close()
