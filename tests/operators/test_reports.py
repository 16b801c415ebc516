"""Reports of real photos to Sentry and Slack, which never delay a photo."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from damage_tasks import detect_damage
from damage_tasks.devstack import Stack
from damage_tasks.devstack.loopback_ports import free_port
from damage_tasks.telemetry.slack import Alert, Slack
from tests.operators.conftest import Recorder, endless, process_with, verdicts, wait_until
from tools.loopback_web_server import Site
from tools.sample_pictures_and_results import jpeg

pytestmark = pytest.mark.xdist_group("watched")
STAGES = {"download", "decode", "segmentation", "overlay", "persistence", "commit"}


def transaction(recorder: Recorder, id: str) -> dict[str, Any]:
    found: dict[str, Any] = wait_until(
        lambda: next(
            (t for t in recorder.sentry("transaction") if t["tags"].get("photo") == id), None
        ),
        "the photo's trace",
    )
    return found


def test_a_photos_trace_has_a_span_for_each_stage_and_continues_the_callers(
    watched: Stack, site: Site, recorder: Recorder
) -> None:
    url = site.serve("/traced.jpg", jpeg(640, 480, seed=700))
    program = (
        "import sentry_sdk, sys\n"
        "from sentry_sdk.integrations.celery import CeleryIntegration\n"
        "from damage_tasks import detect_damage\n"
        f"sentry_sdk.init({recorder.sentry_dsn!r}, traces_sample_rate=1,"
        " auto_enabling_integrations=False, integrations=[CeleryIntegration()])\n"
        "with sentry_sdk.start_transaction(name='return of a car') as t:\n"
        f"    print(detect_damage.delay({url!r}).id, t.trace_id)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    id, trace_id = done.stdout.split()
    verdicts([id])
    found = transaction(recorder, id)
    assert found["contexts"]["trace"]["trace_id"] == trace_id
    assert {span["op"].removeprefix("damage.") for span in found["spans"]} >= STAGES
    assert found["release"].startswith("damage-tasks@")
    assert found["environment"] == "stage"
    assert found["tags"]["bundle"] not in ("", "none")


def test_a_raw_message_may_carry_the_callers_trace(
    watched: Stack, site: Site, recorder: Recorder
) -> None:
    trace_id = "0123456789abcdef0123456789abcdef"
    body = {
        "image_url": site.serve("/raw-traced.jpg", jpeg(seed=701)),
        "sentry-trace": f"{trace_id}-0123456789abcdef-1",
    }
    id = watched.client("sqs").send_message(
        QueueUrl=watched.environment["DAMAGE_QUEUE_URL"], MessageBody=json.dumps(body)
    )["MessageId"]
    assert transaction(recorder, id)["contexts"]["trace"]["trace_id"] == trace_id


def test_an_error_says_photo_bundle_and_stage_and_rejected_photos_are_none(
    watched: Stack, site: Site, recorder: Recorder
) -> None:
    cause = "retries_exhausted: download_failed"
    good = site.serve("/good.jpg", jpeg(seed=702))

    def has_passed() -> bool:
        # It is posted when a photo succeeds after the last delivery of the failed one.
        verdicts([detect_damage.delay(good).id])
        told = [text for text in recorder.slack() if f"*{cause}*" in text]
        passed = sum(f"*{cause}* is over" in text for text in told)
        return passed >= sum("rotating" in text for text in told)

    wait_until(has_passed, "the recovery of what other tests have broken", 120)
    rejected = detect_damage.delay(site.url + "/none.jpg?Signature=hunter2").id
    url = site.serve("/broken.jpg", b"", 500) + "?Signature=hunter2"
    failed = detect_damage.delay(url).id
    assert verdicts([rejected, failed]) == {rejected: "rejected", failed: "failed"}
    events = wait_until(
        lambda: [e for e in recorder.sentry("event") if e["tags"].get("photo") == failed],
        "the error in Sentry",
    )
    tags = events[0]["tags"]
    assert (tags["stage"], tags["code"]) == ("download", "retries_exhausted")
    assert tags["bundle"]
    transaction(recorder, rejected)
    assert not [e for e in recorder.sentry("event") if e["tags"].get("photo") == rejected]
    assert not any(b"hunter2" in body for _, body in recorder.posts)

    # Slack: the first example with its links, then the recovery.
    alert = wait_until(
        lambda: next((t for t in recorder.slack() if failed in t and "rotating" in t), None),
        "the alert",
    )
    assert f"*{cause}* on worker1@" in alert
    assert "(stage)" in alert
    assert f"<https://flower.acme.example/task/{failed}|{failed}>" in alert
    assert "https://acme.sentry.example/issues/?query=" in alert
    wait_until(has_passed, "the recovery", 120)


def test_a_photo_whose_process_is_killed_is_named_in_its_report_and_alert(
    watched: Stack, site: Site, recorder: Recorder
) -> None:
    id = detect_damage.delay(endless(site, "/killed.jpg")).id
    os.kill(wait_until(lambda: process_with(id), "the photo in progress"), signal.SIGKILL)
    event = wait_until(
        lambda: next((e for e in recorder.sentry("event") if e["tags"].get("photo") == id), None),
        "the report",
    )
    assert event["tags"]["code"] == "worker_lost"
    assert event["tags"]["bundle"] == "2.0.0"
    alert = wait_until(lambda: next((t for t in recorder.slack() if id in t), None), "the alert")
    assert "*WorkerLostError* on" in alert
    assert event["event_id"] in alert
    # It is delivered again, and is a valid photo by then.
    site.serve("/killed.jpg", jpeg(seed=703))
    assert verdicts([id])[id] != "failed"
    reports = [e for e in recorder.sentry("event") if "ForkPoolWorker" in json.dumps(e)]
    assert {e["tags"].get("photo") for e in reports} <= {id}
    for line in watched.workers[0].log.read_text().splitlines():
        json.loads(line)


def test_photos_do_not_wait_for_a_slack_and_a_sentry_that_hang(
    watched: Stack, site: Site, recorder: Recorder
) -> None:
    recorder.delay = 20
    try:
        start = time.monotonic()
        broken = site.serve("/broken-2.jpg", b"", 502)
        failing = [detect_damage.delay(broken).id for _ in range(3)]
        verdicts([
            detect_damage.delay(site.serve(f"/h-{n}.jpg", jpeg(seed=710 + n))).id for n in range(6)
        ])  # fmt: skip
        assert time.monotonic() - start < 20
    finally:
        recorder.delay = 0
    # Given up only after the last delivery.
    assert set(verdicts(failing, timeout=240).values()) == {"failed"}


def slack_of(recorder: Recorder, **more: Any) -> Slack:
    slack = Slack(recorder.slack_url, window=1.0, where="here", **more)
    slack.start()
    return slack


@pytest.mark.slow
def test_a_hundred_equal_failures_are_one_alert_and_one_summary() -> None:
    recorder = Recorder()
    slack = slack_of(recorder)
    for n in range(100):
        slack.alert(Alert("database_unavailable", "it is unavailable", task_id=f"photo-{n}"))
    wait_until(lambda: len(recorder.slack()) == 2, "alert and summary")
    time.sleep(2.5)
    alert, summary = recorder.slack()
    assert "photo-0" in alert
    assert "99 more" in summary
    # The cause is over only when photos succeed again.
    slack.succeeded()
    wait_until(lambda: len(recorder.slack()) == 3, "the recovery")
    assert "is over" in recorder.slack()[2]
    assert "100 in" in recorder.slack()[2]
    slack.alert(Alert("database_unavailable", "away again"))
    wait_until(lambda: len(recorder.slack()) == 4, "the next alert")
    recorder.close()


@pytest.mark.slow
def test_successful_photos_do_not_end_the_alert_about_dead_letters() -> None:
    recorder = Recorder()
    slack = slack_of(recorder)
    slack.alert(Alert("dead letters", "3 more", lasts=True))
    wait_until(recorder.slack, "the alert")
    slack.succeeded()
    time.sleep(2.5)
    assert len(recorder.slack()) == 1
    slack.passed("dead letters", "the queue is empty")
    wait_until(lambda: len(recorder.slack()) == 2, "the end")
    assert recorder.slack()[1] == ":white_check_mark: *dead letters*: the queue is empty"
    recorder.close()


@pytest.mark.slow
def test_an_alert_that_slack_did_not_take_is_posted_again_and_a_refused_one_is_not() -> None:
    recorder = Recorder()
    recorder.status = 503
    slack = slack_of(recorder)
    slack.alert(Alert("database_unavailable", "it is unavailable", task_id="photo-0"))
    slack.alert(Alert("database_unavailable", "it is unavailable", task_id="photo-1"))
    wait_until(lambda: len(recorder.slack()) >= 2, "the second try")
    recorder.status = 200
    wait_until(lambda: any("1 more" in text for text in recorder.slack()), "the summary")
    *tries, summary = recorder.slack()
    assert all("photo-0" in text for text in tries)
    assert "photo-1" in summary

    recorder.status = 404
    slack.alert(Alert("other", "the webhook is gone"))
    time.sleep(3)
    assert sum("*other*" in text for text in recorder.slack()) == 1
    recorder.close()


def test_causes_are_kept_apart_and_secrets_out() -> None:
    recorder = Recorder()
    slack = slack_of(recorder)
    slack.alert(Alert("a", "https://x/y?Signature=hunter2"))
    slack.alert(Alert("b", "other"))
    wait_until(lambda: len(recorder.slack()) == 2, "two alerts")
    assert "hunter2" not in "".join(recorder.slack())
    recorder.close()


@pytest.mark.server
def test_a_worker_that_does_not_start_is_posted_once_over_its_restarts(tmp_path: Path) -> None:
    recorder = Recorder()
    environment = {
        "PATH": "/usr/bin",
        "DAMAGE_QUEUE_URL": f"http://127.0.0.1:{free_port()}/000000000000/damage",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "DAMAGE_BUCKET": "b",
        "DAMAGE_REFUSAL_PATIENCE": "1",
        "DAMAGE_BUNDLE": str(tmp_path),
        "DAMAGE_HEARTBEAT_FILE": str(tmp_path / "heartbeat"),
        "DAMAGE_SLACK_WEBHOOK_URL": recorder.slack_url,
        "DAMAGE_SENTRY_DSN": recorder.sentry_dsn,
    }
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-m", "celery", "-A", "damage_tasks", "worker"],
            env=environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode != 0
        assert "worker does not start" in done.stderr
    (text,) = recorder.slack()
    assert "worker does not start: queue_unavailable" in text
    assert len(recorder.sentry("event")) == 2
    recorder.close()
