"""``damage-tasks stack`` behaves as a cluster does."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import psutil

from damage_tasks.devstack import MODELS_BUCKET, clean_environment
from tests.operators.conftest import wait_until
from tools.sample_pictures_and_results import jpeg
from tools.small_bundles import write_bundle


@contextmanager
def running(folder: Path, **settings: str) -> Iterator[dict[str, str]]:
    """The variables of a stack with a custom bundle that runs until Ctrl-C."""
    env_file = folder / "var/stack.env"
    with (folder / "stack.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "damage_tasks", "stack", "--processes", "1",
             "--bundle", "bundle"],
            cwd=folder, env={**clean_environment(), **settings}, stdout=log, stderr=log,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
    try:
        wait_until(lambda: env_file.exists() or process.poll() is not None, "the stack", 120)
        assert process.poll() is None, (folder / "stack.log").read_text()[-3000:]
        lines = env_file.read_text().splitlines()
        yield {name: value.strip("'") for name, _, value in (x.partition("=") for x in lines)}
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0


def call(stack: dict[str, str], *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *words],
        env={**os.environ, **{k: v for k, v in stack.items() if k != "PATH"}},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def ask(stack: dict[str, str], path: str, method: str = "GET") -> Any:
    """The response of Flower's API."""
    request = urllib.request.Request(f"{stack['FLOWER_URL']}/api/{path}", method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def test_a_stopped_worker_starts_again_and_the_next_stack_has_the_same_address(
    tmp_path: Path,
) -> None:
    bundle = write_bundle(tmp_path / "bundle")
    (tmp_path / "car.jpg").write_bytes(jpeg())
    # It would not start without the worker's line.
    with running(tmp_path, DAMAGE_REVIEW_LANGUAGE="ko", DAMAGE_LOG_LEVEL="ERROR") as first:
        assert first["DAMAGE_BUNDLE"] == str(bundle)
        with urllib.request.urlopen(first["REVIEW_URL"], timeout=60) as answer:
            assert 'lang="ko"' in answer.read().decode()
        # The button in Flower.
        (worker,) = wait_until(lambda: ask(first, "workers?refresh=1"), "the worker in Flower")
        ask(first, f"worker/shutdown/{worker}", "POST")
        log = tmp_path / "stack.log"
        again = "worker 1 ended with 0; restarting it in 1 s"
        wait_until(lambda: again in log.read_text(), "the end of the worker")
        wait_until(lambda: log.read_text().count('"worker is ready"') == 2, "the next one")
        # The emulator would still answer the last poll of the ended worker.
        time.sleep(10)
        call(first, "damage_tasks", "submit", f"file://{tmp_path}/car.jpg", "--wait")
        s3 = boto3.client(
            "s3", endpoint_url=first["AWS_ENDPOINT_URL"], region_name=first["AWS_REGION"],
            aws_access_key_id="test", aws_secret_access_key="test",
        )  # fmt: skip
        assert s3.list_objects_v2(Bucket=MODELS_BUCKET)["KeyCount"] == 0
    with running(tmp_path) as second:
        for name in (
            "AWS_ENDPOINT_URL",
            "DAMAGE_QUEUE_URL",
            "DAMAGE_EVENT_BUS_URL",
            "FLOWER_URL",
            "REVIEW_URL",
        ):
            assert second[name] == first[name]


def test_ctrl_c_during_the_start_stops_what_has_started(tmp_path: Path) -> None:
    log = tmp_path / "stack.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "damage_tasks", "stack", "--processes", "1"],
            cwd=tmp_path, env=clean_environment(), stdout=output, stderr=output,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
    stack = psutil.Process(process.pid)
    started = wait_until(lambda: stack.children(recursive=True), "the first part", 120)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0, log.read_text()
    assert "Everything is stopped." in log.read_text()
    assert not any(part.is_running() for part in started)


def test_the_demo_ends_with_the_address_of_the_inspectors_page(tmp_path: Path) -> None:
    log = tmp_path / "demo.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "damage_tasks", "demo", "--review", "--count", "2",
             "--processes", "1", "--out", str(tmp_path / "out")],
            cwd=tmp_path, stdout=output, stderr=output,
            # A command that used this setting would end.
            env={**clean_environment(), "DAMAGE_KEEP_PHOTOS": "some"},
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
    try:
        ready = "Decide about the photos"
        wait_until(lambda: ready in log.read_text() or process.poll() is not None, ready, 180)
        last = log.read_text().strip().splitlines()[-1]
        assert last.startswith(ready)
        url = last.rpartition(" ")[2]
        with urllib.request.urlopen(f"{url}/lists/all", timeout=60) as answer:
            page = answer.read().decode()
        (first, *_) = re.findall(r"/inspections/([^?\"]+)", page)
        with urllib.request.urlopen(f"{url}/inspections/{first}/photo", timeout=60) as answer:
            assert answer.read()[:2] == b"\xff\xd8"
    finally:
        process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    assert not list((tmp_path / "out").glob("stack-*"))
