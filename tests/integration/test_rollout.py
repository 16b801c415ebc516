"""A bundle is rolled out and taken back while photos run, on a real worker with two processes."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from damage_tasks import detect_damage, get_inspection
from damage_tasks.__main__ import cli as damage_tasks_cli
from damage_tasks.cli.bundles import cli
from damage_tasks.devstack import Stack
from damage_tasks.devstack.aws_emulator import Emulator
from damage_tasks.devstack.child_processes import Child, clean_environment
from damage_tasks.devstack.embedded_stack import MODELS_BUCKET
from damage_tasks.results.store import Inspections
from damage_tasks.shadow_worker import READY
from model_store.bundle import open_bundle
from model_store.publishing import publish
from model_store.rollout import Rollout, pointer_at
from tests.conftest import new_database
from tests.integration.conftest import use
from tests.integration.delivery.stage import wait_until
from tests.model_store.test_data_scientists_page import BLOCKS
from tests.model_store.test_model_store_cli import GOLDEN
from tests.operators.conftest import Recorder
from tools.loopback_web_server import Site
from tools.redrive import limit_receives
from tools.sample_pictures_and_results import jpeg
from tools.small_bundles import write_bundle

pytestmark = pytest.mark.xdist_group("rollout")

STORE = f"s3://{MODELS_BUCKET}"
POINTER = f"{STORE}/tiny/CURRENT"
# Runs when Python starts: an engine whose native code ends the process that opens the first
# version, or that examines a photo other than the golden ones with the second version.
CRASHING_VERSION = "2.4.0"
CRASHING_ON_PHOTOS = "2.5.0"
CRASHING_ENGINE = f"""
import os, resource, sys

def crash():
    module = sys.modules.get("damage_tasks.vision.self_test")
    if module is None:
        return
    segmenters = sys.modules["damage_tasks.vision.segmenter"].Segmenter
    check, segment, checking = module.check_golden, segmenters.segment, []
    def check_golden(segmenter):
        if segmenter.identity.version == "{CRASHING_VERSION}":
            os.abort()
        checking.append(segmenter)
        try:
            return check(segmenter)
        finally:
            checking.pop()
    def segment_or_crash(self, pixels):
        if self.identity.version == "{CRASHING_ON_PHOTOS}" and not checking:
            os.abort()
        return segment(self, pixels)
    module.check_golden, segmenters.segment = check_golden, segment_or_crash

resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
os.register_at_fork(after_in_child=crash)
"""
_numbers = itertools.count()


@pytest.fixture(scope="module")
def slack() -> Iterator[Recorder]:
    recorder = Recorder()
    yield recorder
    recorder.close()


@pytest.fixture(scope="module")
def running(
    slack: Recorder,
    postgres_server: str,
    migrated_template: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    """A stack without workers, and two published versions."""
    folder = tmp_path_factory.mktemp("rollout")
    emulator = Emulator(folder / "emulator.log")
    emulator.start()
    (folder / "engine").mkdir()
    (folder / "engine/sitecustomize.py").write_text(CRASHING_ENGINE)
    settings = {
        "PYTHONPATH": os.pathsep.join([str(folder / "engine"), os.environ.get("PYTHONPATH", "")]),
        "DAMAGE_KEEP_PHOTOS": "all",
        "DAMAGE_SHADOW_QUEUE_URL": emulator.create_queues("damage-shadow"),
        "DAMAGE_SHADOW_SHARE": "1",
        "DAMAGE_BUNDLE": POINTER,
        "DAMAGE_BUNDLE_CACHE": str(folder / "cache"),
        "DAMAGE_ROLLOUT_INTERVAL": "1",
        "DAMAGE_SLACK_WEBHOOK_URL": slack.slack_url,
        "DAMAGE_ENGINE": "torch",
    }
    with (
        new_database(postgres_server, migrated_template) as url,
        Stack(
            folder / "var", processes=2, workers=0, database_url=url, settings=settings,
            emulator=emulator,
        ) as stack,
    ):  # fmt: skip
        yield stack
    emulator.stop()


@pytest.fixture
def stack(running: Stack, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """The stack with a worker that follows the pointer, and this process as a caller."""
    use(running, monkeypatch)
    if not running.workers:
        for version in ("2.0.0", "2.1.0"):
            publish_version(Path(running.folder), version)
        rollout("set", "2.0.0=100")
        running.start_worker().wait_for("worker is ready", timeout=90)
    return running


def publish_version(folder: Path, version: str, **changes: Any) -> str:
    seed = next(_numbers)
    bundle = write_bundle(
        folder / version, seed, version=version, **{"golden": [GOLDEN], **changes}
    )
    (bundle / "golden").mkdir()
    (bundle / "golden/a.jpg").write_bytes(jpeg(128, 96))
    return publish(open_bundle(bundle), STORE)


def rollout(*words: str) -> Rollout:
    result = CliRunner().invoke(cli, ["rollout", *words], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    stored = pointer_at(POINTER).read()
    assert stored is not None
    return stored.rollout


class Sender:
    """Sends new photos all the time, and remembers their ids."""

    def __init__(self, site: Site) -> None:
        self.ids: list[str] = []
        self._site = site
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Sender:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.1):
            self.send()

    def send(self) -> str:
        """Send one photo."""
        number = next(_numbers)
        url = self._site.serve(f"/{number}.jpg", jpeg(seed=number))
        self.ids.append(detect_damage.delay(url).id)
        return self.ids[-1]

    def next_results(self, count: int) -> list[dict[str, Any]]:
        """Results of photos that are sent from now on."""
        start = len(self.ids)
        wait_until(lambda: len(self.ids) >= start + count)
        return results(self.ids[start : start + count])


def results(ids: Sequence[str], timeout: float = 90) -> list[dict[str, Any]]:
    sent = tuple(ids)  # a sender adds to its list all the time

    def found() -> list[dict[str, Any]]:
        all_of_them = [get_inspection(id) for id in sent]
        return [dict(result) for result in all_of_them if result and result["verdict"]]

    wait_until(lambda: len(found()) == len(sent), timeout)
    return found()


def versions(found: list[dict[str, Any]]) -> set[str]:
    return {result["bundle"]["version"] for result in found}


def loads(worker: Child, versions: str) -> None:
    """Wait until both processes have loaded ``versions`` and no others."""

    def switched() -> bool:
        lines = [json.loads(line) for line in worker.log.read_text().splitlines()]
        newest = {line["process"]: line["event"] for line in lines if "loaded: " in line["event"]}
        return [event.partition("loaded: ")[2] for event in newest.values()] == [versions] * 2

    wait_until(switched)


@contextmanager
def shadow(stack: Stack, version: str) -> Iterator[None]:
    """Another process examines the photos with ``version``, which does not count."""
    child = Child(
        "shadow",
        [sys.executable, "-m", "damage_tasks", "shadow"],
        log=stack.folder / "shadow.log",
        environment={
            **clean_environment(),
            **stack.environment,
            "DAMAGE_SHADOW_BUNDLE": f"{STORE}/tiny/{version}",
            "DAMAGE_HEARTBEAT_FILE": str(stack.folder / "shadow.heartbeat"),
        },
    )
    child.start()
    child.wait_for(READY, timeout=90)
    yield
    child.terminate()
    child.wait(30)


def compared_photos(report: Path) -> int:
    """Run the command of the page for data scientists; returns the number of photos."""
    (command,) = [block for block in BLOCKS if "damage-tasks compare" in block]
    arguments = command.replace("report.html", str(report)).split()[1:]
    done = CliRunner().invoke(damage_tasks_cli, arguments)
    found = re.search(r"^(\d+) photos?, the same verdict on", done.stdout, re.MULTILINE)
    return int(found[1]) if found and report.exists() else 0


def test_a_bundle_is_rolled_out_and_taken_back_while_photos_run(
    stack: Stack, site: Site, tmp_path: Path
) -> None:
    (worker,) = stack.workers
    with Sender(site) as sender:
        with shadow(stack, "2.1.0"):
            assert versions(sender.next_results(5)) == {"2.0.0"}
            wait_until(lambda: compared_photos(tmp_path / "report.html") >= 5)
        assert versions(results(sender.ids)) == {"2.0.0"}
        half = rollout("set", "2.1.0=50")
        loads(worker, "2.0.0, 2.1.0")
        shared = sender.next_results(30)
        assert versions(shared) == {"2.0.0", "2.1.0"}
        for result in shared:
            assert result["bundle"]["digest"] == half.share_of(result["photo"]["sha256"]).digest
        rollout("set", "2.1.0=100")
        loads(worker, "2.1.0")
        assert versions(sender.next_results(5)) == {"2.1.0"}
        rollout("back")
        loads(worker, "2.0.0")
        assert versions(sender.next_results(5)) == {"2.0.0"}
    found = results(sender.ids)
    assert {result["verdict"] for result in found} <= {"damaged", "clean"}
    store = Inspections(os.environ["DAMAGE_DATABASE_URL"])
    assert sum(store.counts().values()) == len(set(sender.ids)) == len(found)
    store.close()


@pytest.mark.parametrize("fault", ["golden photo", "truncated upload"])
def test_a_bundle_that_fails_leaves_the_old_one_serving_with_one_alert(
    fault: str, stack: Stack, slack: Recorder, site: Site
) -> None:
    version = "2.2.0" if fault == "golden photo" else "2.3.0"
    if fault == "golden photo":
        publish_version(stack.folder, version, golden=[{**GOLDEN, "verdict": "clean"}])
    else:
        publish_version(stack.folder, version)
        stack.client("s3").put_object(
            Bucket=MODELS_BUCKET, Key=f"tiny/{version}/weights.safetensors", Body=b"half of it"
        )
    with Sender(site) as sender:
        rollout("set", f"{version}=100")
        wait_until(slack.slack)
        (alert,) = slack.slack()
        assert f"bundle {version} is refused" in alert
        assert versions(sender.next_results(20)) == {"2.0.0"}
        time.sleep(3)  # the pointer is checked again
    assert len(slack.slack()) == 1
    assert versions(results(sender.ids)) == {"2.0.0"}
    rollout("back")
    slack.posts.clear()


def test_a_bundle_that_kills_its_processes_leaves_the_old_one_serving_with_one_alert(
    stack: Stack, slack: Recorder, site: Site
) -> None:
    slack.posts.clear()
    publish_version(stack.folder, CRASHING_VERSION)
    with Sender(site) as sender:
        rollout("set", f"{CRASHING_VERSION}=100")
        wait_until(lambda: refusals(slack))
        assert versions(sender.next_results(20)) == {"2.0.0"}
        time.sleep(3)  # the pointer is checked again, and no process tries the bundle
        (refusal,) = refusals(slack)
        assert "processes or workers were killed while they loaded 2.4.0" in refusal
        deaths = stack.workers[0].log.read_text().count("SIGABRT")
        assert versions(sender.next_results(20)) == {"2.0.0"}
    assert versions(results(sender.ids)) == {"2.0.0"}
    assert stack.workers[0].log.read_text().count("SIGABRT") == deaths >= 2
    rollout("back")
    slack.posts.clear()


def refusals(slack: Recorder) -> list[str]:
    return [post for post in slack.slack() if f"bundle {CRASHING_VERSION} is refused" in post]


def test_a_bundle_that_kills_the_processes_of_its_photos_is_stopped_by_the_guard(
    stack: Stack, slack: Recorder, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    slack.posts.clear()
    for worker in stack.workers:
        worker.terminate()
        worker.wait(60)
    limit_receives(stack, 2)
    short = {"DAMAGE_SOFT_TIME_LIMIT": "10", "DAMAGE_TIME_LIMIT": "15"}
    for name, value in {**short, "DAMAGE_MAX_FAILURES_IN_A_ROW": "100"}.items():
        monkeypatch.setitem(stack.environment, name, value)
    worker = stack.start_worker()
    worker.wait_for("worker is ready", timeout=90)
    publish_version(stack.folder, CRASHING_ON_PHOTOS)
    half = rollout("set", f"{CRASHING_ON_PHOTOS}=50")
    loads(worker, f"2.0.0, {CRASHING_ON_PHOTOS}")
    sent = send_to_each(half, 10, site)
    # Twenty processes are killed and replaced, one or two at a time.
    found = results([id for ids in sent.values() for id in ids], timeout=300)
    assert {result["id"] for result in found if result["verdict"] == "failed"} == set(
        sent[CRASHING_ON_PHOTOS]
    )
    for result in found:
        assert result["id"] in sent[result["bundle"]["version"]]
    done = CliRunner().invoke(damage_tasks_cli, ["guard-rollout"], env={"COLUMNS": "200"})
    stopped = f"{CRASHING_ON_PHOTOS} was stopped: more photos fail: 10 of 10 instead of 0 of 10"
    assert stopped in done.output
    time.sleep(3)  # the pointer is checked again
    assert versions(results([Sender(site).send() for _ in range(3)])) == {"2.0.0"}


def send_to_each(half: Rollout, count: int, site: Site) -> dict[str, list[str]]:
    """Send ``count`` photos to each version of ``half``; returns their ids by version."""
    sent: dict[str, list[str]] = {share.version: [] for share in half.shares}
    for number in _numbers:
        photo = jpeg(seed=number)
        ids = sent[half.share_of(hashlib.sha256(photo).hexdigest()).version]
        if len(ids) < count:
            ids.append(detect_damage.delay(site.serve(f"/{number}.jpg", photo)).id)
        elif all(len(each) == count for each in sent.values()):
            break
    return sent
