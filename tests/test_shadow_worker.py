"""Another bundle examines kept photos, and nothing that it finds counts."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
import sqlalchemy as sa

from damage_tasks.erasure.photo_erasure import ErasureReport, PhotoEraser
from damage_tasks.errors import BundleError, DatabaseUnavailable
from damage_tasks.results.row_erasure import delete_inspections, next_inspections
from damage_tasks.results.tables import comparison_findings, metadata
from damage_tasks.settings import get_settings
from damage_tasks.shadow_queue import ShadowQueue, ShadowSender, message_body
from damage_tasks.shadow_worker import ShadowExaminer, ShadowLoop
from damage_tasks.sqs.queues import read_queue
from damage_tasks.vision.segmenter import Segmentation, Segmenter
from model_store.bundle import open_bundle
from tests.labelling.conftest import DENT, Archive
from tests.labelling.conftest import archive_in_each_database as archive
from tools.small_bundles import write_bundle

__all__ = ["archive"]  # a fixture


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Segmenter:
    folder = write_bundle(tmp_path_factory.mktemp("candidate"), version="2.1.0")
    return Segmenter(open_bundle(folder), 1, "torch")


@pytest.fixture
def examiner(archive: Archive, networks: Segmenter) -> ShadowExaminer:
    return ShadowExaminer(get_settings(), networks, archive.store)


def rows(archive: Archive) -> list[Any]:
    with archive.store.transaction() as connection:
        return list(connection.execute(sa.select(comparison_findings)))


def everything_else(archive: Archive) -> list[Any]:
    with archive.store.transaction() as connection:
        return [
            (table.name, tuple(row))
            for table in metadata.sorted_tables
            if table is not comparison_findings
            for row in connection.execute(sa.select(table))
        ]


def test_a_finding_is_stored_apart_from_those_that_count(
    archive: Archive, examiner: ShadowExaminer, networks: Segmenter
) -> None:
    sha256 = archive.add("car", DENT)
    before = everything_else(archive)
    assert examiner.examine(sha256) == "examined"
    assert everything_else(archive) == before
    (row,) = rows(archive)
    assert (row.photo_sha256, row.bundle_digest) == (sha256, networks.identity.digest)
    assert row.bundle_version == "2.1.0"
    assert (row.photo_width, row.photo_height) == (320, 240)
    assert {"decode", "segmentation", "overlay"} <= row.timings_ms.keys()
    if row.verdict == "damaged":
        assert {"type", "polygon", "area_px"} <= row.damages[0].keys()


def test_a_photo_is_examined_once_by_each_bundle(
    archive: Archive, examiner: ShadowExaminer
) -> None:
    sha256 = archive.add("car")
    assert [examiner.examine(sha256) for _ in range(2)] == ["examined", "known"]
    assert len(rows(archive)) == 1


def test_a_photo_with_a_verdict_of_the_same_bundle_is_left(
    archive: Archive, examiner: ShadowExaminer, networks: Segmenter
) -> None:
    sha256 = archive.add("car", bundle=networks.identity)
    assert examiner.examine(sha256) == "known"


def test_a_photo_that_is_gone_is_not_downloaded_again(
    archive: Archive, examiner: ShadowExaminer
) -> None:
    assert examiner.examine(archive.add("car", kept=False)) == "not_kept"
    assert rows(archive) == []


def test_a_photo_that_cannot_be_decoded_is_rejected(
    archive: Archive, examiner: ShadowExaminer
) -> None:
    assert examiner.examine(archive.add("car", data=b"not a photo")) == "rejected"


def test_nothing_is_stored_about_a_photo_that_was_erased_meanwhile(
    archive: Archive, examiner: ShadowExaminer
) -> None:
    sha256 = archive.add("car")
    with archive.store.transaction() as connection:
        delete_inspections(connection, next_inspections(connection, {"photo": sha256}))
    assert examiner.examine(sha256) == "erased"
    assert rows(archive) == []


class Networks:
    """Networks that fail while ``is_broken``."""

    def __init__(self, networks: Segmenter) -> None:
        self._networks = networks
        self.is_broken = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._networks, name)

    def segment(self, pixels: Any) -> Segmentation:
        if self.is_broken:
            raise RuntimeError("shapes do not match")
        return self._networks.segment(pixels)


@pytest.fixture
def broken(networks: Segmenter) -> Any:
    return Networks(networks)


def test_a_photo_on_which_the_networks_fail_is_recorded_and_examined_again_if_it_comes_again(
    archive: Archive, broken: Any, caplog: pytest.LogCaptureFixture
) -> None:
    examiner = ShadowExaminer(get_settings(), broken, archive.store)
    sha256 = archive.add("car", DENT)
    assert [examiner.examine(sha256) for _ in range(2)] == ["failed"] * 2
    (row,) = rows(archive)
    assert (row.photo_sha256, row.bundle_version, row.verdict) == (sha256, "2.1.0", "failed")
    assert f"photo {sha256} failed" in caplog.text
    assert "RuntimeError: shapes do not match" in caplog.text and "Traceback" in caplog.text
    broken.is_broken = False
    assert examiner.examine(sha256) == "examined"
    (row,) = rows(archive)
    assert row.verdict != "failed" and row.photo_width == 320


def test_a_photo_that_comes_again_and_kills_its_process_again_is_compared_as_failed(
    archive: Archive, networks: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """In place of a signal, after which nothing more runs."""

    def kill(*_: Any) -> Any:
        raise Killed

    examiner = ShadowExaminer(get_settings(), networks, archive.store)
    sha256 = archive.add("car", DENT)
    monkeypatch.setattr(Segmenter, "segment", kill)
    with pytest.raises(Killed):
        examiner.examine(sha256, 1)
    assert rows(archive) == []
    with pytest.raises(Killed):
        examiner.examine(sha256, 2)
    assert [row.verdict for row in rows(archive)] == ["failed"]
    monkeypatch.undo()
    assert examiner.examine(sha256, 3) == "examined"
    assert [row.verdict for row in rows(archive)] != ["failed"]


def test_the_next_photos_are_examined_after_a_failure_and_a_bundle_that_only_fails_ends(
    archive: Archive, aws: Any, broken: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAMAGE_MAX_FAILURES_IN_A_ROW", "2")
    url = aws.create_queues(f"shadow-{time.monotonic_ns()}")
    examiner = ShadowExaminer(get_settings(), broken, archive.store)
    outcomes: list[str] = []
    stopping = threading.Event()

    def end(outcome: str, _: float) -> None:
        # The second photo is examined, all others fail.
        outcomes.append(outcome)
        broken.is_broken = len(outcomes) != 1

    for number in range(6):
        body = message_body(archive.add(f"car {number}"))
        aws.client("sqs").send_message(QueueUrl=url, MessageBody=body)
    threading.Timer(30, stopping.set).start()
    with pytest.raises(BundleError, match="tiny 2.1.0 failed on 2 photos in a row"):
        ShadowLoop(ShadowQueue(url), examiner, ended=end).run(stopping)
    assert outcomes == ["failed", "examined", "failed", "failed"]
    assert len(rows(archive)) == 4
    assert read_queue(aws.client("sqs"), url).messages == 2


def test_erasing_the_last_inspection_of_a_photo_erases_what_was_found_on_it(
    archive: Archive, examiner: ShadowExaminer
) -> None:
    shared = Archive.photo_of("shared")
    for car in (7, 8):
        sha256 = archive.add(f"car {car}", data=shared, metadata={"car_id": car})
    examiner.examine(sha256)
    eraser = PhotoEraser(archive.store, get_settings())
    eraser.erase({"metadata": {"car_id": 7}}, ErasureReport())
    assert len(rows(archive)) == 1
    eraser.erase({"metadata": {"car_id": 8}}, ErasureReport())
    assert rows(archive) == []


class Examiner:
    """Records photos; the first one fails if ``is_down``."""

    def __init__(self, stopping: threading.Event, *, is_down: bool = False) -> None:
        self.photos: list[str] = []
        self.receives: list[int] = []
        self._stopping = stopping
        self._is_down = is_down

    def examine(self, photo_sha256: str, receives: int) -> str:
        self.receives.append(receives)
        self.photos.append(photo_sha256)
        if self._is_down:
            self._is_down = False
            raise DatabaseUnavailable("restarting")
        self._stopping.set()
        return "examined"

    def check_networks(self) -> None:
        """They work."""


def run_loop(queue: ShadowQueue, examiner: Any, stopping: threading.Event) -> list[str]:
    outcomes: list[str] = []
    loop = ShadowLoop(queue, examiner, ended=lambda outcome, _: outcomes.append(outcome))
    threading.Timer(30, stopping.set).start()
    loop.run(stopping)
    return outcomes


def test_messages_are_deleted_once_they_are_finished(aws: Any) -> None:
    url = aws.create_queues(f"shadow-{time.monotonic_ns()}")
    aws.client("sqs").send_message(QueueUrl=url, MessageBody="of somebody else")
    ShadowSender(url, 1.0).examined("a" * 64, is_kept=True)
    stopping = threading.Event()
    outcomes = run_loop(ShadowQueue(url), examiner := Examiner(stopping), stopping)
    assert sorted(outcomes) == ["examined", "malformed"] and examiner.photos == ["a" * 64]
    found = read_queue(aws.client("sqs"), url)
    assert found.messages == 0


def test_a_photo_comes_again_after_an_outage(aws: Any) -> None:
    url = aws.create_queues(f"shadow-{time.monotonic_ns()}", visibility_timeout=1)
    ShadowSender(url, 1.0).examined("a" * 64, is_kept=True)
    stopping = threading.Event()
    examiner = Examiner(stopping, is_down=True)
    assert run_loop(ShadowQueue(url), examiner, stopping) == ["examined"]
    assert examiner.photos == ["a" * 64] * 2
    assert examiner.receives == [1, 2]
