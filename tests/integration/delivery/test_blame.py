"""A photo is rejected for its own faults only, and fails only after the last attempt."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
import sqlalchemy as sa

from damage_tasks import detect_damage, get_inspection
from damage_tasks.devstack import Stack
from damage_tasks.devstack.child_processes import Child
from damage_tasks.errors import PhotoExpired, RetriesExhausted, WorkerLost
from tests.integration.delivery.stage import (
    EXAMINED,
    Wait,
    child_of,
    dead_letters,
    is_quiet,
    photo,
    start_worker,
    wait_until,
    wait_until_taken,
)
from tools.fault_proxy import ERROR_503, FaultProxy
from tools.loopback_web_server import Site
from tools.redrive import limit_receives
from tools.sample_pictures_and_results import jpeg

pytestmark = pytest.mark.xdist_group("blame")

EXPIRED = b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"


def expiring(site: Site, path: str) -> tuple[str, list[int]]:
    """The URL of a photo that can be downloaded once, and the statuses of its responses."""
    answers: list[int] = []

    def page(handler: BaseHTTPRequestHandler) -> None:
        status, body = (403, EXPIRED) if answers else (200, jpeg(seed=hash(path) % 2**31))
        answers.append(status)
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    site.pages[path] = page
    return site.url + path, answers


def state_of(id: str) -> Any:
    found = get_inspection(id)
    return found and found["state"]


def test_an_outage_within_the_soft_limit_costs_no_second_download(
    stack: Stack, worker: Child, site: Site, proxy: FaultProxy, result_of: Wait
) -> None:
    proxy.fail("s3", ERROR_503)
    url, answers = expiring(site, "/short-outage.jpg")
    id = detect_damage.delay(url).id
    wait_until(lambda: "storage_unavailable; next attempt" in worker.log.read_text())
    proxy.heal()
    result = result_of(id)
    assert (result["verdict"] in EXAMINED, result["attempts"]) == (True, 1)
    assert answers == [200]


def test_a_photo_that_expires_while_we_retry_is_our_failure(
    stack: Stack, site: Site, proxy: FaultProxy, result_of: Wait
) -> None:
    limit_receives(stack, 2)
    worker = start_worker(stack)
    proxy.fail("s3", ERROR_503)
    url, answers = expiring(site, "/expires.jpg")
    sent = detect_damage.delay(url)
    wait_until(lambda: "photo will be retried" in worker.log.read_text())
    proxy.heal()
    result = result_of(sent.id, timeout=200)
    assert (result["verdict"], result["reason"]["code"]) == ("failed", "photo_expired")
    assert "403 AccessDenied: Request has expired" in result["reason"]["text"]
    assert answers[:2] == [200, 403]
    wait_until(lambda: dead_letters(stack) == 1, timeout=200)
    with pytest.raises(PhotoExpired, match="an earlier attempt downloaded the photo"):
        sent.get(timeout=60)
    assert worker.returncode is None


def test_a_photo_that_expires_while_it_is_delivered_again_is_our_failure(
    stack: Stack, site: Site, result_of: Wait
) -> None:
    limit_receives(stack, 2)
    worker = start_worker(stack)
    url, answers = expiring(site, "/slow-expires.jpg")
    id = detect_damage.delay(url).id
    wait_until_taken(stack)
    child_of(worker).kill()
    # The stage sleeps before it downloads: this is the killed process's download.
    answers.append(200)
    result = result_of(id, timeout=200)
    assert (result["verdict"], result["reason"]["code"]) == ("failed", "photo_expired")


def test_a_url_that_had_expired_from_the_start_is_the_callers_fault(
    stack: Stack, worker: Child, site: Site, result_of: Wait
) -> None:
    url = site.serve("/expired.jpg", EXPIRED, 403)
    result = result_of(detect_damage.delay(url).id)
    assert (result["verdict"], result["reason"]["code"]) == ("rejected", "photo_forbidden")
    assert "AccessDenied: Request has expired" in result["reason"]["text"]
    wait_until(lambda: is_quiet(stack))


def test_a_photo_that_is_retried_says_why_and_when(stack: Stack, worker: Child, site: Site) -> None:
    sent = detect_damage.delay("http://127.0.0.1:9/refused.jpg")
    wait_until(lambda: state_of(sent.id) == "retrying")
    found: Any = get_inspection(sent.id)
    assert (found["verdict"], found["reason"]["code"]) == (None, "download_failed")
    assert found["worker"].startswith("worker1@")
    age = datetime.now(UTC) - datetime.fromisoformat(found["since"])
    assert timedelta(0) < age < timedelta(seconds=30)
    assert datetime.fromisoformat(found["next_attempt_at"]) > datetime.now(UTC) - timedelta(
        seconds=20
    )
    assert (sent.state, sent.ready()) in (("RETRY", False), ("STARTED", False))


def test_a_deadline_ends_the_retries(stack: Stack, worker: Child, result_of: Wait) -> None:
    sent = detect_damage.apply_async(("http://127.0.0.1:9/refused.jpg",), expires=6)
    began = time.monotonic()
    result = result_of(sent.id)
    assert 5 < time.monotonic() - began < 25
    assert (result["verdict"], result["reason"]["code"]) == ("rejected", "too_old")
    assert "download_failed" in result["reason"]["text"]
    assert dict(sent.get(timeout=60))["verdict"] == "rejected"
    wait_until(lambda: is_quiet(stack))


def test_a_raw_message_may_give_a_deadline_too(
    stack: Stack, worker: Child, site: Site, result_of: Wait, send: Any
) -> None:
    url = photo(site, "/in-time.jpg")
    past, future = (
        (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat() for minutes in (-1, 5)
    )
    late = send({"image_url": url, "inspection": {"deadline": past}})
    in_time = send({"image_url": url, "inspection": {"deadline": future}})
    assert result_of(late)["reason"]["code"] == "too_old"
    assert result_of(in_time)["verdict"] in EXAMINED


def test_a_failure_stored_before_the_last_attempt_is_provisional(
    stack: Stack, site: Site, result_of: Wait
) -> None:
    limit_receives(stack, 2)
    worker = start_worker(stack)
    sent = detect_damage.delay(photo(site, "/slow-last.jpg"))
    wait_until_taken(stack)
    child_of(worker).kill()
    engine = sa.create_engine(stack.environment["DAMAGE_DATABASE_URL"])
    row = sa.text("SELECT verdict, final_after > now() FROM inspections WHERE id = :id")
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        stored = wait_until(lambda: connection.execute(row, {"id": sent.id}).one_or_none())
        assert tuple(stored) == ("failed", True)
        # A caller that waits for the result gets neither an error nor a failure.
        assert (state_of(sent.id), sent.ready()) == ("running", False)
    engine.dispose()
    assert dict(sent.get(timeout=60))["verdict"] in EXAMINED


def test_the_class_of_a_failures_code_is_raised(
    stack: Stack, site: Site, result_of: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(stack.environment, "DAMAGE_MAX_RETRIES", "0")
    limit_receives(stack, 2)
    start_worker(stack)
    with pytest.raises(RetriesExhausted, match="^download_failed: "):
        detect_damage.delay("http://127.0.0.1:9/refused.jpg").get(timeout=120)
    lost = detect_damage.delay(site.url + "/crash.jpg")
    wait_until(lambda: dead_letters(stack) == 2, timeout=120)
    result = result_of(lost.id, timeout=120)
    assert result["reason"]["code"] == "worker_lost"
    with pytest.raises(WorkerLost):
        lost.get(timeout=60)
