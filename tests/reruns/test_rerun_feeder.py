"""A rerun sends each photo once, a few at a time, and continues where an earlier one ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest

from damage_tasks.errors import BundleMismatch, PhotoUnreadable
from damage_tasks.inspection import Verdict
from damage_tasks.reruns import rerun_feeder
from damage_tasks.reruns.photo_rerun import Rerun
from damage_tasks.reruns.rerun_feeder import RerunFeeder, RerunProgress
from damage_tasks.results.reexaminations import claim, record_end
from damage_tasks.results.rerun_selection import Selection
from damage_tasks.results.row_erasure import delete_inspections, next_inspections
from damage_tasks.shadow_worker import ShadowExaminer
from tests.labelling.conftest import DENT, Archive


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rerun_feeder, "STEP_SECONDS", 0)


class Line:
    """A queue whose messages are examined when a test wants it."""

    def __init__(self, examiner: ShadowExaminer, selection: Selection) -> None:
        self.sent: list[str] = []
        self.waiting: list[str] = []
        self.longest = 0
        self._examiner = examiner
        self._digest = selection.bundle_digest

    def send(self, photos: Sequence[str]) -> None:
        self.sent += photos
        self.waiting += photos
        self.longest = max(self.longest, len(self.waiting))

    def examine(self, _: RerunProgress | None = None) -> None:
        while self.waiting:
            self._examiner.reexamine(self.waiting.pop(), self._digest)


@pytest.fixture
def line(examiner: ShadowExaminer, selection: Selection) -> Line:
    return Line(examiner, selection)


@pytest.fixture
def feeder(archive: Archive, line: Line, selection: Selection) -> Callable[..., RerunFeeder]:
    """A new run, as after a restart."""

    def begin(
        pause: Callable[[], str | None] = lambda: None, limit: int | None = None
    ) -> RerunFeeder:
        chosen = Rerun(archive.store, selection, limit).selection
        return RerunFeeder(archive.store, chosen, line.send, pause, in_flight=3)

    return begin


def add_photos(archive: Archive, number: int) -> list[str]:
    """The digests of new photos, in their order."""
    return sorted(archive.add("abcdefghij"[n]) for n in range(number))


def test_all_photos_are_sent_once_and_a_few_at_a_time(
    archive: Archive, line: Line, feeder: Callable[..., RerunFeeder]
) -> None:
    photos = add_photos(archive, 8)
    archive.add("same", data=archive.photo_of("a"))
    run = feeder()
    run.run(line.examine)
    assert line.sent == photos
    assert line.longest == 3
    assert (run.progress.examined, run.progress.sources["kept"]) == (8, 8)


def test_a_stopped_run_is_continued_and_examines_no_photo_twice(
    archive: Archive, line: Line, selection: Selection, feeder: Callable[..., RerunFeeder]
) -> None:
    photos = add_photos(archive, 8)
    stopped = feeder()
    stopped.step()
    line.examine()
    stopped.step()  # three more are on the queue when the run is stopped
    run = feeder()
    run.run(line.examine)
    assert sorted(set(line.sent)) == photos
    assert run.progress.done == 5
    counts = Rerun(archive.store, selection).counts()
    assert counts == (8, 8, 0)


def test_nothing_is_sent_while_other_photos_wait(
    archive: Archive, line: Line, feeder: Callable[..., RerunFeeder]
) -> None:
    add_photos(archive, 5)
    reasons = iter([None, "urgent", "urgent", None, None, None])
    run = feeder(lambda: next(reasons))
    sent = []
    for _ in range(4):
        run.step()
        line.examine()
        sent.append((len(line.sent), run.progress.pause))
    assert sent == [(3, None), (3, "urgent"), (3, "urgent"), (5, None)]


def test_a_photo_that_fails_does_not_stop_the_run_and_is_retried_when_asked(
    archive: Archive, line: Line, selection: Selection, feeder: Callable[..., RerunFeeder]
) -> None:
    add_photos(archive, 2)
    gone = archive.add("gone", kept=False, photo_url="https://photos.invalid/gone.jpg")
    with archive.store.transaction() as connection:
        claim(connection, gone, selection.bundle_digest, timedelta(minutes=1))
        record_end(connection, gone, selection.bundle_digest, error=PhotoUnreadable("cut off"))
    run = feeder()
    run.run(line.examine)
    rerun = Rerun(archive.store, selection)
    assert rerun.counts() == (3, 2, 1)
    assert [(f.photo_sha256, f.reason_code) for f in rerun.failures()] == [
        (gone, "photo_unreadable")
    ]
    rerun.forget_failures()
    assert rerun.counts() == (3, 2, 0)


def test_workers_with_another_bundle_end_the_run(
    archive: Archive, line: Line, selection: Selection
) -> None:
    add_photos(archive, 2)
    other = Selection("f" * 64, selection.since, selection.until)
    line._digest = other.bundle_digest  # noqa: SLF001  # messages name the run's bundle
    run = RerunFeeder(archive.store, other, line.send, lambda: None, in_flight=3)
    with pytest.raises(BundleMismatch, match="set DAMAGE_SHADOW_BUNDLE"):
        run.run(line.examine)
    assert Rerun(archive.store, other).counts() == (2, 0, 0)


def test_a_photo_whose_worker_was_lost_is_sent_again_and_an_erased_one_is_not(
    archive: Archive,
    line: Line,
    selection: Selection,
    feeder: Callable[..., RerunFeeder],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rerun_feeder, "CHECK_SECONDS", 0)
    first, second, third = add_photos(archive, 3)
    run = feeder()
    run.step()
    line.waiting.clear()  # all messages are lost
    with archive.store.transaction() as connection:
        claim(connection, first, selection.bundle_digest, timedelta(seconds=-1))
        claim(connection, second, selection.bundle_digest, timedelta(minutes=5))
        delete_inspections(connection, next_inspections(connection, {"photo": third}))
    run.step()
    assert line.waiting == [first]
    assert run.progress.in_flight == 2


def test_a_selection_has_photos_of_its_time_and_verdicts_once(
    archive: Archive, selection: Selection
) -> None:
    damaged, clean = archive.add("a", DENT), archive.add("b")
    archive.add("c", finished_at=selection.until)
    assert Rerun(archive.store, selection).counts().total == 2
    verdicts = {Verdict.DAMAGED: [damaged], Verdict.CLEAN: [clean]}
    for verdict, photos in verdicts.items():
        chosen = Selection(
            selection.bundle_digest, selection.since, selection.until, (str(verdict),)
        )
        sent: list[str] = []
        RerunFeeder(archive.store, chosen, sent.extend, lambda: None, in_flight=3).step()
        assert sent == photos


def test_a_limit_always_chooses_the_same_photos(
    archive: Archive, line: Line, feeder: Callable[..., RerunFeeder]
) -> None:
    photos = add_photos(archive, 6)
    for _ in range(2):
        feeder(limit=4).run(line.examine)
    assert line.sent == photos[:4]
