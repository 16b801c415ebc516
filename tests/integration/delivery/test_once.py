"""SQS delivers at least once; we store exactly one result."""

from __future__ import annotations

import pytest

from damage_tasks import detect_damage
from damage_tasks.devstack import Stack
from tests.integration.delivery.conftest import VISIBILITY
from tests.integration.delivery.stage import (
    EXAMINED,
    Wait,
    in_flight,
    is_quiet,
    photo,
    start_worker,
    wait_until,
)
from tests.integration.test_cli import run
from tools.loopback_web_server import Site

pytestmark = pytest.mark.xdist_group("outages of delivery")


def test_two_workers_with_the_same_photo_at_once_store_it_once(
    stack: Stack, site: Site, result_of: Wait
) -> None:
    for _ in range(2):
        start_worker(stack)
    url = photo(site, "/slow-twice.jpg")
    ids = [detect_damage.delay(url).id, detect_damage.delay(url).id]
    for id in (*ids, *ids):
        detect_damage.apply_async((url,), task_id=id)
    found = [result_of(id) for id in ids]
    assert found[0]["overlay_url"] == found[1]["overlay_url"]
    wait_until(lambda: is_quiet(stack))
    assert run("dead-letters", "list", stack=stack).stdout.strip() == "dead letters: 0"


def test_photos_that_wait_in_a_worker_beyond_the_visibility_timeout_are_examined_once(
    stack: Stack, site: Site, result_of: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Neither kombu nor Celery extends it: the last message would be delivered again meanwhile.
    count = VISIBILITY // 4 + 2
    monkeypatch.setitem(stack.environment, "DAMAGE_PREFETCH", "10")
    paths = [f"/slow-{number}.jpg" for number in range(count)]
    ids = [detect_damage.delay(photo(site, path)).id for path in paths]
    start_worker(stack)  # its first receive returns them all
    wait_until(lambda: in_flight(stack) == count)
    for id in ids:
        result = result_of(id)
        assert result["verdict"] in EXAMINED
        assert result["attempts"] == 1
    assert sorted(site.requests) == sorted(paths)
    wait_until(lambda: is_quiet(stack))
