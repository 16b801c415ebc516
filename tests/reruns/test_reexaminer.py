"""A past photo is examined with another bundle once, and what ends that is recorded."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from damage_tasks.errors import NetworksFailed, StorageUnavailable
from damage_tasks.inspection import Inspection
from damage_tasks.reexaminer import MAX_ATTEMPTS, Reexaminer
from damage_tasks.results.reexaminations import claim, ended_among, forget_failures
from damage_tasks.results.rerun_selection import Selection, count_selection, next_photos
from damage_tasks.results.row_erasure import delete_inspections, next_inspections
from damage_tasks.results.tables import comparison_findings, reexaminations
from damage_tasks.settings import get_settings
from damage_tasks.shadow_worker import ShadowExaminer
from damage_tasks.vision.segmenter import Segmenter
from tests.labelling.conftest import DENT, Archive
from tools.loopback_web_server import Site


def outcome(archive: Archive, photo: str, digest: str) -> tuple[str | None, str | None]:
    """Where the bytes of the photo came from, and the code with which its examination failed."""
    with archive.store.transaction() as connection:
        (ended,) = ended_among(connection, [photo], digest)
    return ended.source, ended.reason_code


def number_of(archive: Archive, table: sa.Table) -> int:
    with archive.store.transaction() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()


def stored(archive: Archive, id: str) -> Inspection:
    found = archive.store.find(id)
    assert found is not None
    return found


def test_both_findings_are_kept_and_the_earlier_one_counts(
    archive: Archive, examiner: ShadowExaminer, networks: Segmenter
) -> None:
    photo, digest = archive.add("car", DENT), networks.identity.digest
    before = stored(archive, "car")
    assert examiner.reexamine(photo, digest) == "reexamined"
    assert stored(archive, "car") == before
    assert number_of(archive, comparison_findings) == 1
    assert outcome(archive, photo, digest) == ("kept", None)


def test_a_photo_that_is_not_kept_is_read_from_its_address(
    archive: Archive,
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
    networks: Segmenter,
) -> None:
    monkeypatch.setenv("DAMAGE_ALLOW_HTTP", "true")
    monkeypatch.setenv("DAMAGE_ALLOW_PRIVATE_ADDRESSES", "true")
    url = site.serve("/car.jpg", archive.photo_of("car"))
    photo, digest = archive.add("car", kept=False, photo_url=url), networks.identity.digest
    gone = archive.add("gone", kept=False, photo_url=f"{url}.gone")
    examiner = ShadowExaminer(get_settings(), networks, archive.store)
    assert examiner.reexamine(photo, digest) == "reexamined"
    assert outcome(archive, photo, digest) == ("url", None)
    assert examiner.reexamine(gone, digest) == "failed"
    assert outcome(archive, gone, digest) == (None, "original_unavailable")


def test_a_message_delivered_twice_is_examined_once(
    archive: Archive, examiner: ShadowExaminer, networks: Segmenter
) -> None:
    message = (archive.add("car"), networks.identity.digest)
    assert examiner.reexamine(*message) == "reexamined"
    assert examiner.reexamine(*message) == "claimed"


def test_a_photo_in_progress_is_left_to_its_worker_until_that_is_lost(
    archive: Archive, examiner: ShadowExaminer, networks: Segmenter
) -> None:
    photo, digest = archive.add("car"), networks.identity.digest
    with archive.store.transaction() as connection:
        assert claim(connection, photo, digest, timedelta(minutes=5)) == 1
    assert examiner.reexamine(photo, digest) == "claimed"
    end_claims(archive)
    assert examiner.reexamine(photo, digest) == "reexamined"


def end_claims(archive: Archive) -> None:
    with archive.store.transaction() as connection:
        connection.execute(
            sa.update(reexaminations).values(claimed_until=stored(archive, "car").finished_at)
        )


def test_a_photo_that_ends_its_workers_fails(
    archive: Archive, examiner: ShadowExaminer, networks: Segmenter
) -> None:
    photo, digest = archive.add("car"), networks.identity.digest
    for _ in range(MAX_ATTEMPTS):
        with archive.store.transaction() as connection:
            claim(connection, photo, digest, timedelta(seconds=-1))
    assert examiner.reexamine(photo, digest) == "failed"
    assert outcome(archive, photo, digest) == (None, "worker_lost")


def test_a_photo_on_which_the_networks_fail_is_compared_as_failed_and_can_be_retried(
    archive: Archive, examiner: ShadowExaminer, networks: Segmenter, selection: Selection
) -> None:
    def fail(_: bytes) -> Any:
        raise NetworksFailed("RuntimeError: shapes do not match")

    photo, digest = archive.add("car"), networks.identity.digest
    broken = Reexaminer(get_settings(), archive.store, networks.identity, fail)
    assert broken.reexamine(photo, digest) == "failed"
    assert outcome(archive, photo, digest) == (None, "networks_failed")
    assert number_of(archive, comparison_findings) == 1
    with archive.store.transaction() as connection:
        assert count_selection(connection, selection) == (1, 0, 1)
        forget_failures(connection, [photo], digest)
        assert next_photos(connection, selection, "", 1) == [photo]
    assert examiner.reexamine(photo, digest) == "reexamined"
    with archive.store.transaction() as connection:
        assert count_selection(connection, selection) == (1, 1, 0)
    assert number_of(archive, comparison_findings) == 1


def test_a_worker_with_another_bundle_refuses_the_photo(
    archive: Archive, examiner: ShadowExaminer
) -> None:
    photo, other = archive.add("car"), "f" * 64
    assert examiner.reexamine(photo, other) == "failed"
    assert outcome(archive, photo, other) == (None, "bundle_mismatch")
    assert number_of(archive, comparison_findings) == 0


def test_a_photo_that_the_bundle_has_examined_for_a_verdict_is_known(
    archive: Archive, networks: Segmenter, examiner: ShadowExaminer
) -> None:
    photo = archive.add("car", bundle=networks.identity)
    assert examiner.reexamine(photo, networks.identity.digest) == "known"
    assert outcome(archive, photo, networks.identity.digest) == (None, None)


def test_a_temporary_error_leaves_the_photo_to_a_later_attempt(
    archive: Archive, networks: Segmenter
) -> None:
    attempts = []

    def find(_: bytes) -> Any:
        attempts.append(1)
        raise StorageUnavailable

    photo, digest = archive.add("car"), networks.identity.digest
    reexaminer = Reexaminer(get_settings(), archive.store, networks.identity, find)
    for _ in range(MAX_ATTEMPTS + 1):
        with pytest.raises(StorageUnavailable):
            reexaminer.reexamine(photo, digest)
    assert len(attempts) == MAX_ATTEMPTS + 1


def test_nothing_is_left_of_an_erased_photo(
    archive: Archive, examiner: ShadowExaminer, networks: Segmenter
) -> None:
    photo = archive.add("car", DENT)
    message = (photo, networks.identity.digest)
    examiner.reexamine(*message)
    with archive.store.transaction() as connection:
        delete_inspections(connection, next_inspections(connection, {"photo": photo}))
    assert number_of(archive, comparison_findings) == number_of(archive, reexaminations) == 0
    assert examiner.reexamine(*message) == "claimed"
    assert number_of(archive, reexaminations) == 0
