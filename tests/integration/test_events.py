"""From a photo on the queue to an event at its receiver, with real processes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from standardwebhooks import Webhook

from damage_tasks import detect_damage
from damage_tasks.devstack import Stack
from damage_tasks.devstack.aws_emulator import REGION
from tests.deliveries.deliveries_for import SECRET
from tests.deliveries.test_deliverer import wait_until
from tests.integration.conftest import use
from tests.result_contract import check_result
from tools.loopback_web_server import Site
from tools.sample_pictures_and_results import jpeg
from tools.small_bundles import write_bundle
from tools.webhook_receiver import WebhookReceiver

pytestmark = pytest.mark.xdist_group("events")


@pytest.fixture(scope="module")
def receiver() -> Iterator[WebhookReceiver]:
    receiver = WebhookReceiver()
    yield receiver
    receiver.close()


@pytest.fixture(scope="module")
def running(receiver: WebhookReceiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("events")
    settings = {
        "DAMAGE_EVENT_TARGETS": f"{receiver.url},arn:aws:sqs:{REGION}:000000000000:events",
        "DAMAGE_CALLBACK_HOSTS": f"127.0.0.1:{receiver.port}",
        "DAMAGE_WEBHOOK_SECRETS": SECRET,
        "DAMAGE_DELIVERY_DELAYS": "1,1,1,1,1,1,1,1,1,1",
        "DAMAGE_BUNDLE": str(write_bundle(folder / "bundle")),
        "DAMAGE_RETRY_BASE": "0.5",
        "DAMAGE_MAX_RETRIES": "1",
    }
    with Stack(folder / "var", processes=1, settings=settings) as stack:
        stack.client("sqs").create_queue(QueueName="events")
        yield stack


@pytest.fixture
def stack(running: Stack, monkeypatch: pytest.MonkeyPatch) -> Stack:
    use(running, monkeypatch)
    return running


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.close()


def events(receiver: WebhookReceiver, id: str, path: str = "/hook") -> list[dict[str, Any]]:
    """The verified events about an inspection at one path of the receiver."""
    found = []
    for request in list(receiver.requests):
        event = Webhook(SECRET).verify(request.body, request.headers)
        if request.path == path and event["data"]["id"] == id:
            found.append(event)
    return found


def test_a_verdict_arrives_at_all_targets(
    stack: Stack, receiver: WebhookReceiver, site: Site
) -> None:
    url = site.serve("/a.jpg", jpeg(seed=1))
    callback = f"http://127.0.0.1:{receiver.port}/photo?id=7"
    result = detect_damage.delay(url, {"car_id": 7}, inspection={"callback_url": callback})
    verdict = result.get(timeout=120)
    for path in ("/hook", "/photo?id=7"):
        wait_until(partial(events, receiver, result.id, path), 60)
        (event,) = events(receiver, result.id, path)
        assert event["type"] == "inspection.completed"
        assert check_result(event["data"]) == verdict
    queue = stack.client("sqs").get_queue_url(QueueName="events")["QueueUrl"]
    (message,) = stack.client("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"]
    assert json.loads(message["Body"])["data"] == verdict


def test_a_plain_message_has_its_callback_in_its_options(
    stack: Stack, receiver: WebhookReceiver, site: Site
) -> None:
    callback = f"http://127.0.0.1:{receiver.port}/plain"
    body = {"image_url": site.url + "/missing.jpg", "inspection": {"callback_url": callback}}
    id = stack.client("sqs").send_message(
        QueueUrl=stack.environment["DAMAGE_QUEUE_URL"], MessageBody=json.dumps(body)
    )["MessageId"]
    wait_until(lambda: events(receiver, id, "/plain"), 60)
    (event,) = events(receiver, id, "/plain")
    assert event["data"]["reason"]["code"] == "photo_not_found"


def test_a_photo_whose_callback_is_not_allowed_is_examined(
    stack: Stack, receiver: WebhookReceiver, site: Site
) -> None:
    url = site.serve("/b.jpg", jpeg(seed=2))
    result = detect_damage.delay(url, inspection={"callback_url": "https://other.example/"})
    assert result.get(timeout=120)["verdict"] in ("clean", "damaged")
    wait_until(lambda: events(receiver, result.id), 60)


def test_a_retried_photo_has_an_event_for_the_retry(
    stack: Stack, receiver: WebhookReceiver, site: Site
) -> None:
    url = site.serve("/busy.jpg", b"", status=503)
    result = detect_damage.delay(url)

    def reasons() -> list[str]:
        return [
            event["data"]["reason"]["code"]
            for event in events(receiver, result.id)
            if event["type"] == "inspection.retrying"
        ]

    wait_until(lambda: "download_failed" in reasons(), 60)


def test_the_deliverer_of_a_stack_is_started_again(stack: Stack) -> None:
    deliverer = stack.deliverer
    assert deliverer
    deliverer.kill()

    def is_running_again() -> bool:
        stack.start_ended_workers()
        return deliverer.returncode is None

    wait_until(is_running_again)
