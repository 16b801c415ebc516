"""A worker follows the pointer: its parent fetches and its processes load, or refuse, bundles."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from typing import Any

import pytest

from damage_tasks.errors import BundleError, BundleUnavailable
from damage_tasks.serving import Serving
from damage_tasks.settings import Settings
from damage_tasks.telemetry.slack import Alert
from damage_tasks.worker import bundle_loader, rollout_watch
from damage_tasks.worker.bundle_loader import BundleLoader
from damage_tasks.worker.memory_bound import MemoryBound
from damage_tasks.worker.rollout_plan import RolloutPlan
from damage_tasks.worker.rollout_watch import RolloutWatch
from damage_tasks.worker.state_files import StateFiles
from model_store.bundle import Bundle, open_bundle
from model_store.fetch import find_version
from model_store.rollout import NamedBundle, pointer_at, rolled_back, with_percentages
from tests.model_store.test_model_store_cli import GOLDEN
from tools.sample_pictures_and_results import jpeg
from tools.small_bundles import change_manifest, write_bundle


class Photographer:
    """A pipeline's part in a roll-out."""

    def __init__(self) -> None:
        self.serving: Any = None

    @property
    def versions(self) -> set[str]:
        photos = (f"{number:064x}" for number in range(0, 2**32, 2**26))
        return {self.serving.of_photo(photo).identity.version for photo in photos}


class Worker:
    """The parent and one process of a worker, without Celery and without threads."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.store = folder / "damage"
        self.pointer = f"{self.store}/CURRENT"
        self.files = StateFiles(folder / "state/heartbeat")
        # The process of the tests may have become large.
        settings = {"max_process_megabytes": 1_000_000, **settings}
        self.settings = Settings(
            bundle=self.pointer, bundle_cache=folder / "cache", engine="torch", **settings
        )
        self.processes, self.memory_limit = 1, 1_000_000
        self.alerts: list[str] = []
        self.pipeline = Photographer()
        self.loader: Any = None

    def publish(self, version: str, seed: int = 0, **changes: Any) -> Path:
        folder = write_bundle(self.store / version, seed, version=version, **changes)
        (folder / "golden").mkdir()
        (folder / "golden/a.jpg").write_bytes(jpeg(128, 96))
        return folder

    def set(self, **percentages: int) -> None:
        stored = pointer_at(self.pointer).read() if Path(self.pointer).exists() else None
        chosen = {
            find_version(self.pointer, name[1:].replace("_", ".")): percent
            for name, percent in percentages.items()
        }
        rollout = with_percentages(stored.rollout if stored else None, chosen)
        pointer_at(self.pointer).write(rollout, stored.etag if stored else None)

    def back(self) -> None:
        stored = pointer_at(self.pointer).read()
        assert stored is not None
        pointer_at(self.pointer).write(rolled_back(stored.rollout), stored.etag)

    def start(self) -> None:
        self.watch = RolloutWatch(self.settings, self.files, self._change)
        plan = self.watch.prepare()
        self.loader = self.new_process(plan)
        self.pipeline.serving = self.loader.open()

    def new_process(self, plan: RolloutPlan) -> BundleLoader:
        memory = MemoryBound(self.settings, self.processes, self.memory_limit)
        return BundleLoader(self.settings, self.files, plan, memory)

    def _change(self, plan: RolloutPlan) -> None:
        """Running processes must read the plan themselves."""

    def follow(self) -> None:
        """What the threads do until nothing changes any more."""
        for _ in range(2):
            self.watch.check_pointer()
            self.loader.check_plan(self.pipeline)
            self.watch.check_refusals()
        self.loader.check_plan(self.pipeline)

    def post(self) -> list[str]:
        """The causes of the alerts so far."""
        for alert in self.watch._alerts:  # noqa: SLF001  # those of a worker that is not ready
            self._post(alert)
        self.watch._alerts.clear()  # noqa: SLF001
        return self.alerts

    def _post(self, alert: Alert) -> None:
        self.alerts.append(alert.cause)


@pytest.fixture
def worker(tmp_path: Path) -> Worker:
    worker = Worker(tmp_path)
    worker.publish("2.0.0", golden=[GOLDEN])
    worker.publish("2.1.0", 1, golden=[GOLDEN])
    worker.set(v2_0_0=100)
    worker.start()
    return worker


def test_a_worker_follows_the_pointer_to_a_new_bundle_and_back(worker: Worker) -> None:
    assert worker.pipeline.versions == {"2.0.0"}
    worker.set(v2_1_0=50)
    worker.follow()
    assert worker.pipeline.versions == {"2.0.0", "2.1.0"}
    worker.set(v2_1_0=100)
    worker.follow()
    assert worker.pipeline.versions == {"2.1.0"}
    worker.back()
    worker.follow()
    assert worker.pipeline.versions == {"2.0.0"}
    assert worker.post() == []


def test_photos_in_progress_keep_their_networks(worker: Worker) -> None:
    before: Serving = worker.pipeline.serving
    worker.set(v2_1_0=100)
    worker.follow()
    assert before.of_photo("0" * 64).identity.version == "2.0.0"


@pytest.mark.parametrize("percent", [50, 100])
def test_a_bundle_that_fails_its_golden_photos_is_refused_with_one_alert(
    worker: Worker, percent: int
) -> None:
    worker.publish("2.2.0", 2, golden=[{**GOLDEN, "areas": {"dent": 0.9}, "area_tolerance": 0.01}])
    worker.set(v2_2_0=percent)
    for _ in range(3):
        worker.follow()
    assert worker.pipeline.versions == {"2.0.0"}
    assert worker.post() == ["bundle 2.2.0 is refused"]
    # A process that starts later does not try it either.
    plan = RolloutPlan.read(worker.files.rollout)
    assert plan is not None
    late = worker.new_process(plan)
    assert late.open().main.identity.version == "2.0.0"
    assert worker.post() == ["bundle 2.2.0 is refused"]


def test_a_truncated_upload_is_refused_with_one_alert(worker: Worker) -> None:
    folder = worker.publish("2.2.0", 2, golden=[GOLDEN])
    with (folder / "weights.safetensors").open("r+b") as file:
        file.truncate(1000)
    worker.set(v2_2_0=100)
    for _ in range(3):
        worker.follow()
    assert worker.pipeline.versions == {"2.0.0"}
    assert worker.post() == ["bundle 2.2.0 is refused"]


def test_a_bundle_is_refused_with_one_alert_while_another_one_is_unavailable(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.publish("2.2.0", 2, golden=[GOLDEN])
    worker.set(v2_1_0=100)
    worker.set(v2_2_0=50)

    def fetch(_: str, named: NamedBundle, *__: object) -> Bundle:
        if named.version == "2.1.0":
            raise BundleError("damaged")
        raise BundleUnavailable("timed out")

    with monkeypatch.context() as patched:
        patched.setattr(rollout_watch, "fetch_named", fetch)
        worker.follow()
        assert worker.post() == []
    worker.follow()
    assert worker.pipeline.versions == {"2.1.0", "2.2.0"}


def test_a_refused_bundle_is_remembered_by_the_next_worker_of_the_pod(worker: Worker) -> None:
    worker.publish("2.2.0", 2, golden=[{**GOLDEN, "verdict": "clean"}])
    worker.set(v2_2_0=100)
    worker.follow()
    assert worker.post() == ["bundle 2.2.0 is refused"]
    worker.start()
    assert worker.pipeline.versions == {"2.0.0"}
    assert worker.post() == ["bundle 2.2.0 is refused"]


class Resources:
    """What processes need to open a bundle; lacking for the next ``failures`` attempts."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
        self.failures = 0
        open_plan = RolloutPlan.bundle

        def bundle(plan: RolloutPlan, named: NamedBundle) -> Bundle:
            if self.failures:
                self.failures -= 1
                raise error
            return open_plan(plan, named)

        monkeypatch.setattr(RolloutPlan, "bundle", bundle)
        monkeypatch.setattr(bundle_loader, "RETRY_SECONDS", 0.0)


LACKING = [OSError(errno.EMFILE, "too many open files"), MemoryError()]


@pytest.mark.parametrize("error", LACKING)
def test_a_bundle_is_retried_if_the_process_lacked_memory_or_descriptors(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    Resources(monkeypatch, error).failures = 1
    worker.set(v2_1_0=100)
    worker.follow()
    assert worker.pipeline.versions == {"2.1.0"}
    assert worker.post() == []


@pytest.mark.parametrize("error", LACKING)
def test_a_bundle_for_which_resources_lacked_twice_is_refused_until_the_worker_restarts(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    Resources(monkeypatch, error).failures = 2
    worker.set(v2_1_0=50)
    worker.follow()
    assert worker.pipeline.versions == {"2.0.0"}
    assert worker.post() == ["bundle 2.1.0 is refused"]
    worker.set(v2_1_0=60)
    worker.follow()
    assert worker.pipeline.versions == {"2.0.0"}
    worker.start()
    assert worker.pipeline.versions == {"2.0.0", "2.1.0"}


def test_a_refused_bundle_is_retried_after_the_pointer_has_stopped_naming_it(
    worker: Worker,
) -> None:
    folder = worker.publish("2.2.0", 2, golden=[GOLDEN])
    weights = folder / "weights.safetensors"
    good = weights.read_bytes()
    weights.write_bytes(good[:1000])
    worker.set(v2_2_0=50)
    worker.follow()
    worker.back()
    worker.follow()
    weights.write_bytes(good)
    worker.set(v2_2_0=50)
    worker.follow()
    assert worker.pipeline.versions == {"2.0.0", "2.2.0"}


def test_a_worker_that_starts_with_a_bad_bundle_serves_its_predecessor(
    worker: Worker, tmp_path: Path
) -> None:
    worker.publish("2.2.0", 2, golden=[{**GOLDEN, "verdict": "clean"}])
    worker.set(v2_2_0=100)
    shutil.rmtree(tmp_path / "state")
    worker.start()
    assert worker.pipeline.versions == {"2.0.0"}
    worker.watch.check_refusals()
    assert worker.post() == ["bundle 2.2.0 is refused"]


def test_a_worker_whose_first_bundle_fails_does_not_start(tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    worker.publish("2.0.0", golden=[{**GOLDEN, "verdict": "clean"}])
    worker.set(v2_0_0=100)
    with pytest.raises(BundleError, match="golden photo golden/a.jpg: is damaged instead of clean"):
        worker.start()


def test_a_bundle_that_does_not_fit_into_memory_is_refused_with_the_reason(
    tmp_path: Path, worker: Worker
) -> None:
    tight = Worker(tmp_path, max_process_megabytes=256, max_photo_megabytes=64)
    tight.start()
    tight.set(v2_1_0=50)
    tight.follow()
    assert tight.pipeline.versions == {"2.0.0"}
    plan = RolloutPlan.read(tight.files.rollout)
    assert plan is not None
    (reason,) = plan.refused.values()
    assert "exceeds DAMAGE_MAX_PROCESS_MEGABYTES (256); raise it" in reason
    assert tight.post() == ["bundle 2.1.0 is refused"]


@pytest.mark.parametrize(("limit", "fits"), [(2500, False), (2700, True)])
def test_two_bundles_in_all_processes_must_fit_the_memory_limit(
    limit: int, fits: bool, tmp_path: Path, worker: Worker
) -> None:
    tight = Worker(tmp_path, max_photo_megabytes=512)
    tight.processes, tight.memory_limit = 3, limit
    tight.start()
    tight.set(v2_1_0=100)
    for _ in range(3):
        tight.follow()
    if fits:
        assert tight.pipeline.versions == {"2.1.0"}
        assert tight.post() == []
        return
    assert tight.pipeline.versions == {"2.0.0"}
    assert tight.post() == ["bundle 2.1.0 is refused"]
    plan = RolloutPlan.read(tight.files.rollout)
    assert plan is not None
    (reason,) = plan.refused.values()
    figures = "3 x (150 MiB for a process, about 100 MiB for the bundle, 512 MiB for a photo)"
    assert figures in reason
    assert f"exceeds the worker's memory limit ({limit} MiB); raise the limit, or lower" in reason


def test_a_bundle_that_did_not_fit_is_tried_by_the_next_worker_which_may_have_more_memory(
    tmp_path: Path, worker: Worker
) -> None:
    tight = Worker(tmp_path, max_photo_megabytes=512)
    tight.processes, tight.memory_limit = 3, 2500
    tight.start()
    tight.set(v2_1_0=50)
    tight.follow()
    assert tight.pipeline.versions == {"2.0.0"}
    tight.processes = 2
    tight.start()
    assert tight.pipeline.versions == {"2.0.0", "2.1.0"}


def test_a_bundle_that_has_left_the_roll_out_is_unloaded_before_the_next_one_is_loaded(
    tmp_path: Path, worker: Worker
) -> None:
    roomy = Worker(tmp_path, max_photo_megabytes=512)
    roomy.memory_limit = 400 + 250 + 512
    roomy.publish("2.2.0", 2, golden=[GOLDEN])
    roomy.start()
    for version in ("v2_1_0", "v2_2_0"):
        roomy.set(**{version: 50})
        roomy.follow()
    assert roomy.pipeline.versions == {"2.0.0", "2.2.0"}
    assert roomy.post() == []


def test_a_plan_of_another_version_is_ignored(worker: Worker) -> None:
    for text in ("", "[]", "{}", '{"rollout": {}, "substitute": null}'):
        worker.files.rollout.write_text(text)
        assert RolloutPlan.read(worker.files.rollout) is None
    worker.start()
    assert worker.pipeline.versions == {"2.0.0"}


def test_an_unreachable_store_changes_nothing(worker: Worker) -> None:
    worker.store.rename(worker.store.with_name("gone"))
    worker.store.write_text("a file, so that opening the pointer fails")
    worker.follow()
    assert worker.pipeline.versions == {"2.0.0"}
    assert worker.post() == []


def test_an_invalid_or_missing_roll_out_changes_nothing_and_alerts_once(worker: Worker) -> None:
    pointer = Path(worker.pointer)
    pointer.write_text("not JSON")
    for _ in range(3):
        worker.follow()
    assert worker.pipeline.versions == {"2.0.0"}
    assert worker.post() == ["rollout_invalid"]
    pointer.unlink()
    worker.follow()
    assert worker.post() == ["rollout_invalid", "bundle_not_found"]


def test_a_changed_bundle_under_the_same_version_is_refused(worker: Worker) -> None:
    worker.set(v2_1_0=50)
    change_manifest(worker.store / "2.1.0", description="replaced")
    worker.follow()
    assert worker.pipeline.versions == {"2.0.0"}
    assert worker.post() == ["bundle 2.1.0 is refused"]
    assert open_bundle(worker.store / "2.1.0").manifest.description == "replaced"
