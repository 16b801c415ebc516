"""One worker with two queues: urgent photos pass the others, and neither lane loses a photo."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from damage_tasks import detect_damage, get_inspection, submit_many
from damage_tasks.devstack import Stack
from damage_tasks.devstack.aws_emulator import Emulator
from damage_tasks.devstack.child_processes import Child
from damage_tasks.sqs.dead_letters import dead_letters_of
from damage_tasks.sqs.poll_turns import URGENT_IN_A_ROW
from damage_tasks.sqs.queues import read_queue
from tests.integration.conftest import use
from tests.integration.delivery.conftest import VISIBILITY
from tests.integration.delivery.stage import (
    EXAMINED,
    Wait,
    photo,
    start_worker,
    wait_until,
    wait_until_taken,
)
from tools.fault_proxy import FaultProxy
from tools.loopback_web_server import Site
from tools.redrive import limit_receives_of

pytestmark = pytest.mark.xdist_group("delivery")
RECEIVES = 2
_numbers = itertools.count(1)


@pytest.fixture
def urgent_url(
    stack: Stack,
    faulty_emulator: tuple[Emulator, FaultProxy],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[str]:
    """The stack has a queue for urgent photos, which become dead letters after two receives."""
    emulator, _ = faulty_emulator
    url = emulator.create_queues(f"urgent-{next(_numbers)}", VISIBILITY)
    limit_receives_of(emulator.client("sqs"), url, RECEIVES)
    monkeypatch.setitem(stack.environment, "DAMAGE_URGENT_QUEUE_URL", url)
    use(stack, monkeypatch)
    yield url
    monkeypatch.delenv("DAMAGE_URGENT_QUEUE_URL")


@pytest.fixture
def urgent(urgent_url: str) -> Callable[[str], str]:
    """Sends an urgent photo; returns its id."""

    def send(url: str) -> str:
        return detect_damage.apply_async((url,), queue="urgent").id

    return send


@pytest.fixture
def worker(stack: Stack, urgent_url: str) -> Child:
    """A ready worker with one process, which polls both queues."""
    return start_worker(stack)


def finished(ids: list[str]) -> dict[str, Any]:
    """The times of the verdicts that exist, by id."""
    results = {id: get_inspection(id) for id in ids}
    return {id: r["finished_at"] for id, r in results.items() if r and r["state"] == "done"}


def test_an_urgent_photo_passes_all_others_that_wait(
    stack: Stack, worker: Child, site: Site, urgent: Callable[[str], str], result_of: Wait
) -> None:
    photos = [photo(site, f"/slow-{number}.jpg") for number in range(6)]
    others = list(submit_many(photos))
    wait_until(lambda: finished(others))
    before = finished(others)
    id = urgent(photo(site, "/urgent.jpg"))
    assert result_of(id)["verdict"] in EXAMINED
    # The one in progress when it was sent, and at most one that was received just then.
    assert len(finished(others)) <= len(before) + 2
    assert all(result_of(other)["verdict"] in EXAMINED for other in others)


def test_urgent_photos_do_not_keep_the_others_away(
    stack: Stack, urgent_url: str, site: Site, result_of: Wait
) -> None:
    photos = [photo(site, f"/{number}.jpg") for number in range(3 * URGENT_IN_A_ROW)]
    many = list(submit_many(photos, queue="urgent"))
    id = detect_damage.delay(photo(site, "/other.jpg")).id
    start_worker(stack)
    done = result_of(id)["finished_at"]
    assert all(result_of(each)["verdict"] in EXAMINED for each in many)
    assert sum(at > done for at in finished(many).values()) >= URGENT_IN_A_ROW // 2


def test_a_retry_stays_urgent(
    stack: Stack,
    worker: Child,
    site: Site,
    urgent_url: str,
    urgent: Callable[[str], str],
    result_of: Wait,
) -> None:
    url = photo(site, "/fails-once.jpg")
    page = site.pages["/fails-once.jpg"]

    def fail(handler: Any) -> None:
        site.pages["/fails-once.jpg"] = page
        handler.send_error(503)

    site.pages["/fails-once.jpg"] = fail
    id = urgent(url)
    assert result_of(id)["attempts"] == 2
    assert read_queue(stack.client("sqs"), stack.environment["DAMAGE_QUEUE_URL"]).messages == 0


def test_a_photo_that_ends_its_process_is_a_dead_letter_of_the_urgent_queue(
    stack: Stack,
    worker: Child,
    site: Site,
    urgent_url: str,
    urgent: Callable[[str], str],
    result_of: Wait,
) -> None:
    id = urgent(f"{site.url}/crash.jpg")
    reason = result_of(id)["reason"]
    # Recorded before the last receive of this queue; the other queue allows five.
    assert reason["code"] == "worker_lost"
    assert f"delivered {RECEIVES} times" in reason["text"]
    sqs = stack.client("sqs")
    dead = f"{urgent_url}-dead-letters"
    wait_until(lambda: read_queue(sqs, dead).waiting == 1)
    with dead_letters_of(sqs, [read_queue(sqs, urgent_url)]).held() as letters:
        assert [letter.id for letter in letters] == [id]
    assert result_of(detect_damage.delay(photo(site, "/after.jpg")).id)["verdict"] in EXAMINED


def test_an_urgent_photo_that_waits_for_a_free_process_is_received_once(
    stack: Stack, worker: Child, site: Site, urgent_url: str, urgent: Callable[[str], str]
) -> None:
    sqs = stack.client("sqs")
    slow = urgent(photo(site, "/slow-urgent.jpg"))
    waits = urgent(photo(site, "/waits.jpg"))
    wait_until(lambda: read_queue(sqs, urgent_url).in_flight == 2)
    assert wait_until(lambda: len(finished([slow, waits])) == 2)
    assert {get_inspection(id)["attempts"] for id in (slow, waits)} == {1}  # type: ignore[index]


def test_a_worker_that_stops_returns_the_urgent_photo_that_waits(
    stack: Stack, worker: Child, site: Site, urgent_url: str, urgent: Callable[[str], str]
) -> None:
    sqs = stack.client("sqs")
    detect_damage.delay(photo(site, "/slow-bulk.jpg"))
    wait_until_taken(stack)
    urgent(photo(site, "/waits-again.jpg"))
    wait_until(lambda: read_queue(sqs, urgent_url).in_flight == 1)
    time.sleep(1)
    worker.terminate()
    wait_until(lambda: read_queue(sqs, urgent_url).waiting == 1, timeout=3)
    wait_until(lambda: worker.returncode is not None)
    assert worker.returncode == 0
