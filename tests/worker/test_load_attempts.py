"""A bundle that kills the processes that load it is refused; one that only met a kill is not."""

from __future__ import annotations

import faulthandler
import os
import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from damage_tasks import wiring
from damage_tasks.errors import BundleError
from damage_tasks.worker.load_attempts import LoadAttempts, forget_attempts
from damage_tasks.worker.rollout_plan import RolloutPlan
from damage_tasks.worker.runtime import WorkerRuntime
from damage_tasks.worker.worker_startup import WorkerStartup
from tests.model_store.test_model_store_cli import GOLDEN
from tests.worker.test_rollout_watch import Worker

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")

DIGEST = "d" * 64


def dies(act: Callable[[], object]) -> None:
    """Another process of the worker does ``act``, which must kill it."""
    pid = os.fork()
    if pid == 0:
        try:
            faulthandler.disable()
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            act()
        finally:
            os._exit(0)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status), f"it ended with status {status} and was not killed"


def kill_this_process() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("it is dead")


class Crashing:
    """An engine whose native code ends the process that opens one of these ``versions``.

    It reports an error for those in ``failing``.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, crash: Callable[[], NoReturn]) -> None:
        self.versions: set[str] = set()
        self.failing: set[str] = set()
        open_networks = wiring.build_segmenter
        tests = os.getpid()

        def build_segmenter(settings: Any, bundle: Any) -> Any:
            if bundle.identity.version in self.versions:
                if os.getpid() == tests:
                    pytest.fail("it is retried")
                crash()
            if bundle.identity.version in self.failing:
                raise BundleError("a golden photo has another verdict")
            return open_networks(settings, bundle)

        monkeypatch.setattr(wiring, "build_segmenter", build_segmenter)


@pytest.fixture(params=[kill_this_process, os.abort])
def crashing(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Crashing:
    return Crashing(monkeypatch, request.param)


@pytest.fixture
def worker(tmp_path: Path) -> Worker:
    worker = Worker(tmp_path)
    for seed, version in enumerate(("2.0.0", "2.1.0", "2.2.0")):
        worker.publish(version, seed, golden=[GOLDEN])
    worker.set(v2_0_0=100)
    worker.start()
    return worker


def dies_in_its_turn(worker: Worker) -> None:
    worker.watch.check_pointer()
    dies(lambda: worker.loader.check_plan(worker.pipeline))


@pytest.mark.parametrize("percent", [50, 100])
def test_a_bundle_that_kills_two_processes_is_refused_with_one_alert(
    percent: int, worker: Worker, crashing: Crashing
) -> None:
    crashing.versions = {"2.1.0"}
    worker.set(v2_1_0=percent)
    dies_in_its_turn(worker)
    dies_in_its_turn(worker)
    for _ in range(3):
        worker.follow()
    assert worker.pipeline.versions == {"2.0.0"}
    assert worker.post() == ["bundle 2.1.0 is refused"]
    plan = RolloutPlan.read(worker.files.rollout)
    assert plan is not None
    (reason,) = plan.refused.values()
    assert reason.startswith("bundle_invalid: 2 processes or workers were killed while they loaded")
    assert "raise the memory limit" in reason


def test_one_death_refuses_nothing(worker: Worker, crashing: Crashing) -> None:
    crashing.versions = {"2.1.0"}
    worker.set(v2_1_0=100)
    dies_in_its_turn(worker)
    crashing.versions = set()
    worker.follow()
    assert worker.pipeline.versions == {"2.1.0"}
    assert worker.post() == []


def test_another_bundle_is_tried_afresh(worker: Worker, crashing: Crashing) -> None:
    crashing.versions = {"2.1.0"}
    worker.set(v2_1_0=100)
    dies_in_its_turn(worker)
    dies_in_its_turn(worker)
    worker.follow()
    worker.set(v2_2_0=100)
    worker.follow()
    assert worker.pipeline.versions == {"2.2.0"}
    assert worker.post() == ["bundle 2.1.0 is refused"]


def test_the_deaths_are_forgotten_when_the_pointer_stops_naming_the_bundle(
    worker: Worker, crashing: Crashing
) -> None:
    crashing.versions = {"2.1.0"}
    worker.set(v2_1_0=100)
    dies_in_its_turn(worker)
    dies_in_its_turn(worker)
    worker.follow()
    worker.back()
    worker.follow()
    crashing.versions = set()
    worker.set(v2_1_0=100)
    worker.follow()
    assert worker.pipeline.versions == {"2.1.0"}


def test_a_worker_that_dies_twice_at_its_start_serves_the_predecessor(
    worker: Worker, crashing: Crashing
) -> None:
    crashing.versions = {"2.1.0"}
    worker.set(v2_1_0=100)
    dies(worker.start)
    dies(worker.start)
    worker.start()
    assert worker.pipeline.versions == {"2.0.0"}
    worker.watch.check_refusals()
    assert worker.post() == ["bundle 2.1.0 is refused"]


def test_a_worker_whose_only_bundle_kills_its_processes_continues_to_die(
    worker: Worker, crashing: Crashing
) -> None:
    crashing.versions = {"2.0.0"}
    for _ in range(4):
        dies(worker.start)
    assert worker.post() == []


def test_if_all_bundles_kill_their_processes_the_last_one_continues_to_do_so(
    worker: Worker, crashing: Crashing
) -> None:
    crashing.versions = {"2.0.0", "2.1.0"}
    worker.set(v2_1_0=100)
    for _ in range(6):
        dies(worker.start)


def test_a_refused_bundle_is_tried_after_all_if_its_substitute_fails(
    worker: Worker, crashing: Crashing
) -> None:
    crashing.versions = {"2.1.0"}
    worker.set(v2_1_0=100)
    dies(worker.start)
    dies(worker.start)
    crashing.versions, crashing.failing = set(), {"2.0.0"}
    worker.start()
    assert worker.pipeline.versions == {"2.1.0"}
    worker.watch.check_refusals()
    assert worker.post() == ["bundle 2.1.0 is refused", "bundle 2.0.0 is refused"]
    plan = RolloutPlan.read(worker.files.rollout)
    assert plan is not None and not plan.usable
    worker.pipeline.serving = worker.new_process(plan).open()
    assert worker.pipeline.versions == {"2.1.0"}


def test_a_load_that_ends_in_an_error_or_in_time_is_not_a_death(tmp_path: Path) -> None:
    attempts = LoadAttempts(tmp_path)
    with attempts.record(DIGEST):
        pass
    with pytest.raises(ValueError, match="damaged"), attempts.record(DIGEST):
        raise ValueError("damaged")
    assert attempts.deaths(DIGEST) == 0


def killed_together(attempts: LoadAttempts, processes: int) -> None:
    """Processes are killed while all of them load the bundle."""
    before = attempts.deaths(DIGEST)
    ready, tell = os.pipe()
    pids = []
    for _ in range(processes):
        pids.append(os.fork())
        if pids[-1] == 0:
            with attempts.record(DIGEST):
                os.write(tell, b"x")
                time.sleep(60)
            os._exit(0)
    for _ in pids:
        os.read(ready, 1)
    assert attempts.deaths(DIGEST) == before, "they live"
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    os.close(ready)
    os.close(tell)


def test_processes_that_are_killed_together_with_their_worker_count_as_one_death(
    tmp_path: Path,
) -> None:
    first = LoadAttempts(tmp_path)
    killed_together(first, 3)
    assert first.deaths(DIGEST) == 3
    second = LoadAttempts(tmp_path)
    assert second.deaths(DIGEST) == 1
    killed_together(second, 1)
    assert LoadAttempts(tmp_path).deaths(DIGEST) == 2


def test_a_process_that_ends_in_order_while_it_loads_a_bundle_does_not_blame_it(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = WorkerRuntime()
    runtime.loader = worker.loader

    def end() -> NoReturn:
        WorkerStartup(runtime).leave_bundles()
        kill_this_process()

    crashing = Crashing(monkeypatch, end)
    crashing.versions = {"2.1.0"}
    worker.set(v2_1_0=100)
    dies_in_its_turn(worker)
    dies_in_its_turn(worker)
    crashing.versions = set()
    worker.follow()
    assert worker.pipeline.versions == {"2.1.0"}


def test_a_process_that_has_ended_in_order_blames_no_bundle_that_its_thread_still_loads(
    tmp_path: Path,
) -> None:
    attempts = LoadAttempts(tmp_path)
    attempts.end()
    with attempts.record(DIGEST):
        assert not list(tmp_path.iterdir())


def test_deaths_are_forgotten_after_an_hour(tmp_path: Path) -> None:
    attempts = LoadAttempts(tmp_path)
    killed_together(attempts, 2)
    for file in tmp_path.iterdir():
        os.utime(file, (time.time() - 3601,) * 2)
    assert attempts.deaths(DIGEST) == 0


def test_files_of_deaths_are_removed_after_an_hour_but_not_those_of_a_living_process(
    tmp_path: Path,
) -> None:
    attempts = LoadAttempts(tmp_path)
    killed_together(attempts, 2)
    with attempts.record(DIGEST):
        forget_attempts(tmp_path, {DIGEST})
        assert len(list(tmp_path.iterdir())) == 3
        for file in tmp_path.iterdir():
            os.utime(file, (time.time() - 3601,) * 2)
        forget_attempts(tmp_path, {DIGEST})
        (living,) = tmp_path.iterdir()
        assert living.name.endswith(f".{os.getpid()}")


def test_a_bundle_is_loaded_where_no_file_can_be_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "state").write_text("a file, so that there can be no folder")
    with LoadAttempts(tmp_path / "state").record(DIGEST):
        pass
    assert "the load of a bundle is not recorded" in caplog.text
