"""The order of the pipeline's stages, their timings, and the outcome of errors."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import numpy as np
import pytest

from damage_tasks.attempt_state import Attempt
from damage_tasks.errors import (
    DamageTaskError,
    DatabaseUnavailable,
    PhotoExpired,
    PhotoNotFound,
    StorageUnavailable,
    WorkerLost,
)
from damage_tasks.inspection import Finding, Inspection, Progress, Verdict
from damage_tasks.photos import Photo, decode
from damage_tasks.pipeline import Pipeline
from damage_tasks.results.storable_text import storable
from damage_tasks.serving import Serving
from damage_tasks.storage.object_keys import photo_key
from damage_tasks.vision.segmenter import Segmentation
from damage_tasks.vision.view_results import Mask
from model_store.manifest import Decision, MaskPolicy
from model_store.rollout import NamedBundle, Rollout, with_percentages
from tests.result_contract import check_result
from tools.sample_pictures_and_results import BUNDLE, damage, finding, jpeg


class Photos:
    def __init__(self) -> None:
        self.error: Exception | None = None
        self.downloads = 0
        self.data = jpeg()

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    def download(self, url: str) -> bytes:
        self.downloads += 1
        if self.error:
            raise self.error
        return self.data

    def object_metadata(self, url: str) -> dict[str, str]:
        if self.error:
            raise self.error
        return {"car_id": "of the object", "camera": "front"}

    def decode(self, data: bytes, side: int) -> Photo:
        return decode(data, side=side)


class Networks:
    identity = BUNDLE
    types: tuple[str, ...] = ("scratch", "dent")
    decision = Decision(gate="damage", threshold=0.5)
    side = 320
    review_band = (0.2, 0.8)

    def __init__(self, ended: Verdict | None = None) -> None:
        self.looks = 0
        self.ended = ended

    def segment(self, pixels: Any) -> Segmentation:
        self.looks += 1
        if self.ended is not None:
            return Segmentation(0.1, "damage", {"damage": 0.1}, (320, 240), ended=self.ended)
        found = np.zeros(pixels.shape[:2], bool)
        found[20:60, 20:60] = True
        mask = Mask(found, found.astype(np.float32), MaskPolicy(threshold=0.5))
        return Segmentation(
            0.9, "damage", {"damage": 0.9}, (320, 240), find_masks=lambda: {"dent": mask}
        )


class Pictures:
    def __init__(self) -> None:
        self.stored: dict[str, tuple[bytes, str]] = {}
        self.gone: set[str] = set()
        self.error: Exception | None = None

    def put(self, key: str, data: bytes, content_type: str) -> str:
        if self.error:
            raise self.error
        self.stored[key] = (data, content_type)
        return self.address(key)

    def address(self, key: str) -> str:
        return f"s3://bucket/{key}"

    def has(self, address: str) -> bool:
        return address not in self.gone


class Records:
    def __init__(self) -> None:
        self.rows: dict[str, Inspection] = {}
        self.known: Finding | None = None
        self.progress: Progress | None = None
        self.error: Exception | None = None

    def find(self, id: str) -> Inspection | None:
        return self.rows.get(id)

    def find_finding(self, photo_sha256: str, bundle_digest: str) -> Finding | None:
        return self.known

    def find_progress(self, id: str) -> Progress | None:
        return self.progress

    def withdraw_failure(self, id: str) -> None:
        self.rows.pop(id, None)

    def save(self, inspection: Inspection, callback_url: str | None = None) -> Inspection:
        if self.error:
            raise self.error
        stored = self.rows.get(inspection.id)
        if stored is None or stored.may_be_replaced:
            self.rows[inspection.id] = inspection
        return self.rows[inspection.id]


class Shadow:
    def __init__(self, records: Records) -> None:
        self.photos: list[tuple[str, bool]] = []
        self._records = records

    def examined(self, photo_sha256: str, *, is_kept: bool) -> None:
        assert self._records.rows, "the verdict is stored first"
        self.photos.append((photo_sha256, is_kept))


class Parts:
    def __init__(self) -> None:
        self.photos, self.networks = Photos(), Networks()
        self.pictures, self.records = Pictures(), Records()
        self.build()

    def build(self, **options: Any) -> None:
        self.pipeline = Pipeline(
            photos=self.photos,
            segmenter=self.networks,
            pictures=self.pictures,
            inspections=self.records,
            **options,
        )

    def inspect(self, metadata: Mapping[str, Any] | None = None) -> dict[str, Any]:
        attempt = Attempt("task-1", "https://x/y.jpg", metadata, number=2)
        result = self.pipeline.inspect(attempt)
        return dict(check_result(result.to_dict()))


@pytest.fixture
def parts() -> Parts:
    return Parts()


def serve_two_bundles(parts: Parts) -> tuple[Rollout, dict[str, Networks]]:
    """A roll-out in which the bundle with the smaller share examines the photo."""
    new = Networks()
    new.identity = replace(BUNDLE, version="1.1.0", digest="c" * 64)
    new.review_band = (0.0, 1.0)
    place = int(parts.photos.sha256[-8:], 16) * 100 >> 32
    percent = place if place > 50 else place + 1
    versions = {
        NamedBundle(version="1.0.0", digest="b" * 64): percent,
        NamedBundle(version="1.1.0", digest="c" * 64): 100 - percent,
    }
    rollout = with_percentages(None, versions)
    networks = {BUNDLE.digest: parts.networks, new.identity.digest: new}
    parts.pipeline.serving = Serving(networks, rollout)
    return rollout, networks


def test_a_damaged_photo_ends_with_damaged_areas_and_pictures(parts: Parts) -> None:
    result = parts.inspect({"car": 7})
    assert result["verdict"] == "damaged"
    assert [found["type"] for found in result["damages"]] == ["dent"]
    assert result["metadata"] == {"car": 7}
    assert result["attempts"] == 2
    kinds = {content_type: data[:4] for data, content_type in parts.pictures.stored.values()}
    assert kinds == {"image/jpeg": b"\xff\xd8\xff\xe0", "image/png": b"\x89PNG"}
    assert parts.records.rows["task-1"].finding


@pytest.mark.parametrize(("band", "needed"), [((0.2, 0.89), False), ((0.2, 0.9), True)])
def test_a_person_should_look_at_scores_in_the_review_band(
    parts: Parts, band: tuple[float, float], needed: bool
) -> None:
    parts.records.known = finding(damage(), damage_score=0.9)
    parts.pipeline.review_band = band
    assert parts.inspect()["needs_review"] is needed


def test_a_photo_is_examined_and_recorded_with_the_bundle_of_its_share(parts: Parts) -> None:
    rollout, networks = serve_two_bundles(parts)
    chosen = rollout.share_of(parts.photos.sha256).digest
    assert parts.inspect()["bundle"]["digest"] == chosen
    assert networks[chosen].looks == 1
    parts.photos.data = parts.photos.data[:500]  # cannot be decoded, by whichever bundle
    other = rollout.share_of(parts.photos.sha256).digest
    parts.records.rows.clear()
    result = parts.inspect()
    assert (result["verdict"], result["bundle"]["digest"]) == ("rejected", other)


def test_a_last_attempt_that_is_killed_leaves_a_failure_with_the_photo_and_its_bundle(
    parts: Parts,
) -> None:
    class Killed(BaseException):
        """In place of a signal, after which nothing more runs."""

    def kill(pixels: Any) -> Segmentation:
        raise Killed

    rollout, networks = serve_two_bundles(parts)
    chosen = rollout.share_of(parts.photos.sha256).digest
    networks[chosen].segment = kill  # type: ignore[method-assign]
    attempt = Attempt("task-1", "https://x/y.jpg", number=5)
    until = datetime.now(UTC) + timedelta(minutes=5)
    before = parts.pipeline.record_failure(attempt, WorkerLost("never finished"), until)
    with pytest.raises(Killed):
        parts.pipeline.inspect(attempt)
    left = parts.records.rows["task-1"]
    assert left.bundle is not None
    assert (left.bundle.digest, left.photo.sha256) == (chosen, parts.photos.sha256)
    assert (left.reason, left.final_after) == (before.reason, until)
    assert left.finished_at == before.finished_at  # the beginning, to which progress is compared


def test_an_attempt_continues_if_the_photo_of_its_failure_cannot_be_stored(parts: Parts) -> None:
    attempt = Attempt("task-1", "https://x/y.jpg", number=5)
    until = datetime.now(UTC) + timedelta(minutes=5)
    parts.pipeline.record_failure(attempt, WorkerLost("never finished"), until)
    segment, parts.records.error = parts.networks.segment, DatabaseUnavailable("away")

    def segment_later(pixels: Any) -> Segmentation:
        parts.records.error = None
        return segment(pixels)

    parts.networks.segment = segment_later  # type: ignore[method-assign]
    assert parts.pipeline.inspect(attempt).verdict is Verdict.DAMAGED
    assert parts.records.rows["task-1"].verdict is Verdict.DAMAGED


def test_every_stage_is_timed(parts: Parts) -> None:
    assert list(parts.inspect()["timings_ms"]) == [
        "download",
        "decode",
        "segmentation",
        "overlay",
        "persistence",
    ]


def test_the_log_line_says_id_verdict_and_milliseconds_by_stage(
    parts: Parts, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        parts.inspect()
    (record,) = [r for r in caplog.records if r.message == "photo inspected"]
    assert record.__dict__["task_id"] == "task-1"
    assert record.__dict__["verdict"] == "damaged"
    assert {"download", "segmentation", "overlay", "persistence", "commit"} <= set(
        record.__dict__["ms"]
    )


def test_pictures_get_the_same_keys_each_time(parts: Parts) -> None:
    parts.inspect()
    first = set(parts.pictures.stored)
    parts.inspect()
    assert set(parts.pictures.stored) == first
    assert all("y.jpg" not in key for key in first)


def test_a_known_photo_is_not_examined_again(parts: Parts) -> None:
    parts.records.known = finding(damage("scratch"), camera="Apple iPad")
    result = parts.inspect()
    assert (result["reused"], result["damages"][0]["type"]) == (True, "scratch")
    assert result["photo"]["camera"] == "Apple iPad"
    assert (result["photo"]["width"], result["photo"]["height"]) == (320, 240)
    assert parts.networks.looks == 0
    assert not parts.pictures.stored


def test_a_known_photo_whose_overlay_was_deleted_is_examined_again(parts: Parts) -> None:
    parts.records.known = replace(finding(), overlay_url="s3://bucket/overlays/a.jpg")
    parts.pictures.gone.add("s3://bucket/overlays/a.jpg")
    result = parts.inspect()
    assert (result["reused"], parts.networks.looks) == (False, 1)
    assert result["overlay_url"] in {f"s3://bucket/{key}" for key in parts.pictures.stored}


def test_a_known_photo_whose_pictures_have_expired_is_examined_again(parts: Parts) -> None:
    parts.records.known = replace(finding(), overlay_url=None, mask_url=None)
    result = parts.inspect()
    assert (result["reused"], parts.networks.looks) == (False, 1)
    assert result["overlay_url"]


@pytest.mark.parametrize(
    ("policy", "folders"), [("all", {"overlays", "masks"}), ("overlay", {"overlays"}), ("none", {})]
)
def test_a_clean_photo_has_the_pictures_of_the_setting(
    parts: Parts, policy: str, folders: set[str]
) -> None:
    parts.networks.ended = Verdict.CLEAN
    parts.pipeline.finding_pictures.policy = policy
    result = parts.inspect()
    assert {key.partition("/")[0] for key in parts.pictures.stored} == set(folders)
    assert (result["overlay_url"] is not None) == ("overlays" in folders)
    assert (result["mask_url"] is not None) == ("masks" in folders)
    assert result["contract"] == (1 if policy == "all" else 2)


@pytest.mark.parametrize(
    ("policy", "known", "is_known"),
    [
        ("overlay", finding(mask_url=None), True),
        ("none", finding(mask_url=None, overlay_url=None), True),
        ("none", finding(), True),
        # The setting was changed: what it wants now is stored.
        ("all", finding(mask_url=None), False),
        ("overlay", finding(mask_url=None, overlay_url=None), False),
        ("none", finding(damage(), mask_url=None), False),
    ],
)
def test_a_known_photo_is_examined_again_if_it_lacks_a_picture_of_the_setting(
    parts: Parts, policy: str, known: Finding, is_known: bool
) -> None:
    parts.records.known = known
    parts.pipeline.finding_pictures.policy = policy
    assert parts.inspect()["reused"] is is_known


def test_the_overlay_and_the_mask_are_uploaded_at_the_same_time(parts: Parts) -> None:
    both = Barrier(2, timeout=10)  # broken if one waits for the other
    put = parts.pictures.put

    def wait_and_put(key: str, data: bytes, content_type: str) -> str:
        both.wait()
        return put(key, data, content_type)

    parts.pictures.put = wait_and_put  # type: ignore[method-assign]
    result = parts.inspect()
    assert result["overlay_url"].partition("overlays/")[1]
    assert result["mask_url"].partition("masks/")[1]


def test_nothing_is_stored_if_only_one_of_two_uploads_succeeds(parts: Parts) -> None:
    put = parts.pictures.put

    def refuse_masks(key: str, data: bytes, content_type: str) -> str:
        if key.startswith("masks/"):
            raise StorageUnavailable("503")
        return put(key, data, content_type)

    parts.pictures.put = refuse_masks  # type: ignore[method-assign]
    with pytest.raises(StorageUnavailable):
        parts.inspect()
    assert not parts.records.rows


def kept(parts: Parts) -> list[tuple[bytes, str]]:
    return [value for key, value in parts.pictures.stored.items() if key.startswith("photos/")]


def test_the_photo_itself_is_kept_if_the_settings_say_so(parts: Parts) -> None:
    parts.inspect()
    assert kept(parts) == []
    parts.pipeline.keep_photos = "damaged"
    parts.inspect()
    assert kept(parts) == [(parts.photos.data, "image/jpeg")]


def test_a_known_photo_is_kept_too_unless_it_is_there_already(parts: Parts) -> None:
    parts.records.known = finding()
    parts.pipeline.keep_photos = "all"
    parts.inspect()
    assert kept(parts) == []
    key = photo_key(hashlib.sha256(parts.photos.data).hexdigest())
    parts.pictures.gone.add(f"s3://bucket/{key}")
    parts.inspect()
    assert kept(parts) == [(parts.photos.data, "image/jpeg")]


def test_a_refusal_after_an_earlier_attempt_had_the_photo_is_our_failure(parts: Parts) -> None:
    parts.photos.error = PhotoNotFound("404")
    attempt = Attempt("task-1", "https://x/y.jpg", number=2, had_photo=True)
    with pytest.raises(PhotoExpired, match="photo_not_found: 404"):
        parts.pipeline.inspect(attempt)
    assert parts.inspect()["verdict"] == "rejected"


def test_a_photo_after_its_deadline_is_rejected_without_a_download(parts: Parts) -> None:
    attempt = Attempt("task-1", "https://x/y.jpg", deadline=datetime.now(UTC))
    result = parts.pipeline.inspect(attempt)
    assert result.reason is not None
    assert (str(result.verdict), result.reason.code) == ("rejected", "too_old")
    assert attempt.photo.sha256 is None


@pytest.fixture
def database_restarts(parts: Parts) -> None:
    """The first save fails; the pipeline has time to repeat it."""
    parts.build(retry_seconds=5)
    save, failures = parts.records.save, [DatabaseUnavailable("the database is starting up")]

    def flaky(inspection: Inspection, callback_url: str | None = None) -> Inspection:
        if failures:
            raise failures.pop()
        return save(inspection)

    parts.records.save = flaky  # type: ignore[method-assign]


@pytest.mark.usefixtures("database_restarts")
def test_the_database_is_retried_within_an_attempt(parts: Parts) -> None:
    assert parts.inspect()["verdict"] == "damaged"


@pytest.mark.usefixtures("database_restarts")
def test_a_last_attempt_waits_for_the_database_to_record_its_failure_in_advance(
    parts: Parts,
) -> None:
    attempt = Attempt("task-1", "https://x/y.jpg")
    parts.pipeline.record_failure(attempt, WorkerLost(), final_after=datetime.now(UTC))
    assert parts.records.rows["task-1"].verdict is Verdict.FAILED


def test_a_photo_that_cannot_be_downloaded_is_a_stored_verdict(parts: Parts) -> None:
    parts.photos.error = PhotoNotFound("404 at https://x/y.jpg?Signature=secret")
    result = parts.inspect()
    assert (result["verdict"], result["reason"]["code"]) == ("rejected", "photo_not_found")
    assert "secret" not in result["reason"]["text"]
    assert parts.records.rows["task-1"].verdict is Verdict.REJECTED


@pytest.mark.parametrize(
    "metadata",
    [["list"], "text", {"x": "y" * 9000}, {"x": float("nan")}, {"x": {1, 2}}, {"x": "a\0b"}],
)
def test_metadata_that_cannot_be_stored_is_rejected_before_the_download(
    parts: Parts, metadata: Any
) -> None:
    result = parts.inspect(metadata)
    assert result["reason"]["code"] == "metadata_invalid"
    assert parts.photos.downloads == 0


def test_an_unavailable_store_stores_nothing(parts: Parts) -> None:
    parts.pictures.error = StorageUnavailable("S3 is unavailable")
    with pytest.raises(StorageUnavailable):
        parts.inspect()
    assert not parts.records.rows


def test_a_failure_is_recorded_without_its_secrets(parts: Parts) -> None:
    error = DamageTaskError("no luck with https://x/y?token=hunter2")
    inspection = parts.pipeline.record_failure(Attempt("task-1", "https://x", {"car": 7}), error)
    result = check_result(inspection.to_dict())
    assert (result["verdict"], result["reason"]["code"]) == ("failed", "unexpected")
    assert "hunter2" not in result["reason"]["text"]


def test_recording_a_failure_never_raises(parts: Parts, caplog: pytest.LogCaptureFixture) -> None:
    parts.records.error = DatabaseUnavailable("away")
    parts.pipeline.record_failure(Attempt("task-1", "https://x"), DamageTaskError("x"))
    assert "could not record the failure" in caplog.text


def test_a_verdict_is_known_by_its_id_and_a_failure_is_none(parts: Parts) -> None:
    assert parts.pipeline.verdict_of(Attempt("task-1", "https://x/y.jpg")) is None
    parts.pipeline.record_failure(Attempt("task-1", "https://x/y.jpg"), StorageUnavailable())
    assert parts.pipeline.verdict_of(Attempt("task-1", "https://x/y.jpg")) is None
    parts.inspect()
    known = parts.pipeline.verdict_of(Attempt("task-1", "https://x/y.jpg"))
    assert known is not None and known.finding is not None


def test_an_id_that_belongs_to_another_photo_is_a_conflict_under_the_messages_id(
    parts: Parts,
) -> None:
    parts.inspect()
    attempt = Attempt("task-1", "https://x/2.jpg", {"car": 8}, message_id="message-2")
    for _ in range(2):  # it may be delivered again
        result = check_result(parts.pipeline.verdict_of(attempt).to_dict())  # type: ignore[union-attr]
        assert (result["id"], result["reason"]["code"]) == ("message-2", "id_conflict")
        assert (result["photo"]["url"], result["metadata"]) == ("https://x/2.jpg", {"car": 8})
    assert parts.records.rows["task-1"].photo_url == "https://x/y.jpg"
    assert len(parts.records.rows) == 2


def test_a_conflict_that_arises_during_the_examination_is_noticed(parts: Parts) -> None:
    first = Attempt("task-1", "https://x/1.jpg", message_id="message-1")
    second = Attempt("task-1", "https://x/2.jpg", message_id="message-2")
    assert parts.pipeline.verdict_of(first) is None
    assert parts.pipeline.verdict_of(second) is None
    assert parts.pipeline.inspect(first).id == "task-1"
    assert parts.pipeline.inspect(second).id == "message-2"
    assert {id: row.photo_url for id, row in parts.records.rows.items()} == {
        "task-1": "https://x/1.jpg",
        "message-2": "https://x/2.jpg",
    }


def test_a_failed_photo_gives_its_id_to_another(parts: Parts) -> None:
    parts.pipeline.record_failure(Attempt("task-1", "https://x/1.jpg"), StorageUnavailable())
    second = Attempt("task-1", "https://x/2.jpg", message_id="message-2")
    assert parts.pipeline.verdict_of(second) is None
    assert parts.pipeline.inspect(second).id == "task-1"


@pytest.mark.parametrize("url", ["https://x/" + "y" * 9000, "https://x/\0", "https://x/\ud83d", 7])
def test_the_same_odd_url_does_not_conflict_with_itself(url: Any) -> None:
    parts = Parts()
    parts.photos.error = PhotoNotFound("nothing there")
    for number in (1, 2):
        attempt = Attempt("task-1", url, number=number, message_id="message-1")
        found = parts.pipeline.verdict_of(attempt) or parts.pipeline.inspect(attempt)
        assert found.id == "task-1"
        # As the database stores it.
        parts.records.rows["task-1"] = replace(found, photo_url=storable(found.photo_url))


def test_an_uploaded_photo_has_the_metadata_of_its_object(parts: Parts) -> None:
    attempt = Attempt("task-1", "s3://uploads/7.jpg", {"car_id": "of the key"}, is_upload=True)
    result = check_result(parts.pipeline.inspect(attempt).to_dict())
    assert result["metadata"] == {"car_id": "of the key", "camera": "front"}


def test_an_upload_that_is_gone_is_rejected_with_the_metadata_of_its_key(parts: Parts) -> None:
    parts.photos.error = PhotoNotFound("NoSuchKey")
    attempt = Attempt("task-1", "s3://uploads/7.jpg", {"car_id": "7"}, is_upload=True)
    result = check_result(parts.pipeline.inspect(attempt).to_dict())
    assert (result["reason"]["code"], result["metadata"]) == ("photo_not_found", {"car_id": "7"})


def test_an_upload_is_retried_while_s3_is_unavailable(parts: Parts) -> None:
    parts.photos.error = StorageUnavailable("S3 is unavailable")
    with pytest.raises(StorageUnavailable):
        parts.pipeline.inspect(Attempt("task-1", "s3://uploads/7.jpg", {}, is_upload=True))


def test_the_stored_inspection_is_what_is_returned(parts: Parts) -> None:
    stored: list[Inspection] = []

    def save(inspection: Inspection, callback_url: str | None = None) -> Inspection:
        stored.append(replace(inspection, attempts=9))
        return stored[-1]

    parts.records.save = save  # type: ignore[method-assign]
    assert parts.inspect()["attempts"] == 9


def test_the_shadow_gets_photos_with_a_stored_verdict_only(parts: Parts) -> None:
    parts.pipeline.shadow = shadow = Shadow(parts.records)
    sha256 = hashlib.sha256(parts.photos.data).hexdigest()
    parts.records.error = DatabaseUnavailable()
    with pytest.raises(DatabaseUnavailable):
        parts.inspect()
    parts.records.error = None
    parts.inspect()
    parts.pipeline.keep_photos = "all"
    parts.inspect()
    assert shadow.photos == [(sha256, False), (sha256, True)]
    parts.photos.data = parts.photos.data[:500]  # is rejected, by whichever bundle
    parts.records.rows.clear()
    assert parts.inspect()["verdict"] == "rejected"
    assert len(shadow.photos) == 2
