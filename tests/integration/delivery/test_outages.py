"""While SQS, S3 or PostgreSQL is unavailable, work waits, and it completes afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from damage_tasks import detect_damage
from damage_tasks.devstack import Stack
from damage_tasks.devstack.child_processes import Child
from damage_tasks.results.schema_upgrade import migrate
from damage_tasks.sqs.queues import read_queue
from tests.integration.delivery.conftest import VISIBILITY
from tests.integration.delivery.stage import (
    EXAMINED,
    Wait,
    is_quiet,
    photo,
    start_worker,
    wait_until,
    wait_until_taken,
)
from tools.fault_proxy import ERROR_500, ERROR_503, EXPIRED, LOST, RESET, FaultProxy
from tools.loopback_web_server import Site
from tools.postgres import Postgres

pytestmark = pytest.mark.xdist_group("outages of delivery")


@pytest.mark.parametrize("how", [ERROR_500, ERROR_503, RESET])
def test_failed_polls_are_repeated_until_sqs_is_back(
    stack: Stack, worker: Child, site: Site, proxy: FaultProxy, result_of: Wait, how: str
) -> None:
    before = proxy.counts["sqs ReceiveMessage"]
    proxy.fail("sqs", how, "ReceiveMessage")
    began = time.monotonic()
    wait_until(lambda: worker.log.read_text().count("polling SQS failed") >= 3)
    # With increasing pauses: a busy loop would have polled hundreds of times.
    assert proxy.counts["sqs ReceiveMessage"] - before <= 5 + time.monotonic() - began
    proxy.heal()
    id = detect_damage.delay(photo(site, f"/after-{how}.jpg")).id
    assert result_of(id)["verdict"] in EXAMINED


def test_a_connection_lost_during_a_photo_loses_no_photo(
    stack: Stack, worker: Child, site: Site, proxy: FaultProxy, result_of: Wait
) -> None:
    id = detect_damage.delay(photo(site, "/slow-connection.jpg")).id
    wait_until_taken(stack)
    proxy.fail("sqs", RESET)
    assert result_of(id)["verdict"] in EXAMINED
    wait_until(lambda: "polling SQS failed" in worker.log.read_text())
    proxy.heal()
    wait_until(lambda: is_quiet(stack), timeout=VISIBILITY + 40)
    assert result_of(id)["attempts"] == 1


def test_sqs_may_be_unavailable_when_a_worker_starts(
    stack: Stack, site: Site, proxy: FaultProxy, result_of: Wait
) -> None:
    proxy.fail("sqs", ERROR_503)
    worker = stack.start_worker()
    worker.wait_for("worker is waiting to start: queue_unavailable", timeout=60)
    proxy.heal()
    id = detect_damage.delay(photo(site, "/after-start.jpg")).id
    assert result_of(id, timeout=90)["verdict"] in EXAMINED


def test_credentials_that_stay_refused_end_the_worker_with_one_line(
    stack: Stack, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(stack.environment, "DAMAGE_REFUSAL_PATIENCE", "2")
    worker = start_worker(stack)
    proxy.fail("sqs", EXPIRED, "ReceiveMessage")
    assert worker.wait(timeout=60) == 1
    (line,) = [x for x in worker.log.read_text().splitlines() if "worker stops" in x]
    assert "ExpiredTokenException" in line


def test_credentials_that_expire_are_renewed(
    stack: Stack,
    site: Site,
    proxy: FaultProxy,
    result_of: Wait,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key = tmp_path / "key"
    key.write_text("OLDKEY")
    # Like a pod's role; boto3 renews credentials shortly before they expire.
    command = (
        f'printf \'{{"Version": 1, "AccessKeyId": "%s", "SecretAccessKey": "s", '
        f'"SessionToken": "t", "Expiration": "%s"}}\' "$(cat {key})" '
        '"$(date -u -d "+3 seconds" +%Y-%m-%dT%H:%M:%SZ)"'
    )
    script = tmp_path / "credentials.sh"
    script.write_text(f"#!/bin/sh\n{command}\n")
    script.chmod(0o755)
    config = tmp_path / "config"
    config.write_text(f"[default]\ncredential_process = {script}\n")
    monkeypatch.setitem(stack.environment, "AWS_CONFIG_FILE", str(config))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delitem(stack.environment, name)
    start_worker(stack)
    proxy.accept = lambda key: key != "OLDKEY"
    key.write_text("NEWKEY")
    id = detect_damage.delay(photo(site, "/renewed.jpg")).id
    assert result_of(id)["verdict"] in EXAMINED
    wait_until(lambda: is_quiet(stack))


def test_s3_may_be_unavailable_for_a_while(
    stack: Stack, worker: Child, site: Site, proxy: FaultProxy, result_of: Wait
) -> None:
    proxy.fail("s3", ERROR_503)
    id = detect_damage.delay(photo(site, "/no-s3.jpg")).id
    wait_until(lambda: "photo will be retried" in worker.log.read_text())
    proxy.heal()
    result = result_of(id)
    assert result["verdict"] in EXAMINED
    assert result["attempts"] > 1


@pytest.mark.parametrize("how", [ERROR_503, LOST])
def test_a_verdict_whose_deletion_failed_is_not_counted_twice(
    stack: Stack, worker: Child, site: Site, proxy: FaultProxy, result_of: Wait, how: str
) -> None:
    proxy.fail("sqs", how, "DeleteMessageBatch")
    path = f"/deleted-{how}.jpg"
    id = detect_damage.delay(photo(site, path)).id
    first = result_of(id)
    # When it is delivered again, the photo is gone from its server.
    del site.pages[path]
    wait_until(lambda: proxy.counts["sqs DeleteMessageBatch"])
    proxy.heal()
    wait_until(lambda: is_quiet(stack), timeout=VISIBILITY + 30)
    assert result_of(id) == first
    assert site.requests.count(path) == 1


@pytest.fixture
def own_postgres(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Postgres]:
    """A PostgreSQL server that may be damaged, used by the stack and its callers."""
    from damage_tasks import settings
    from damage_tasks.results import celery_backend

    server = Postgres().start()
    migrate(server.url)
    monkeypatch.setitem(stack.environment, "DAMAGE_DATABASE_URL", server.url)
    monkeypatch.setenv("DAMAGE_DATABASE_URL", server.url)
    for cached in (settings.get_settings, celery_backend.open_inspections):
        cached.cache_clear()
    yield server
    for worker in stack.workers:
        worker.kill()
    server.stop()


def test_a_message_is_there_until_its_verdict_is_stored(
    own_postgres: Postgres,
    stack: Stack,
    site: Site,
    result_of: Wait,
    send: Callable[[Any], str],
) -> None:
    worker = start_worker(stack)
    own_postgres.take_away()
    ids = [detect_damage.delay(photo(site, "/no-database.jpg")).id, send("junk")]
    end = time.monotonic() + 25
    while time.monotonic() < end:
        # With its own result store, Celery deletes a message whose result it cannot store.
        # A retry is sent before the old message is deleted.
        assert messages(stack) >= 2
        time.sleep(0.2)
    assert worker.log.read_text().count("photo will be retried") >= 2
    own_postgres.bring_back()
    assert result_of(ids[0])["verdict"] in EXAMINED
    assert result_of(ids[1])["reason"]["code"] == "message_malformed"
    wait_until(lambda: is_quiet(stack))


def messages(stack: Stack) -> int:
    """Messages waiting, in flight or delayed."""
    return read_queue(stack.client("sqs"), stack.environment["DAMAGE_QUEUE_URL"]).messages
