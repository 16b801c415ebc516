"""Kept photos: which are kept, and how the examined bytes are found again."""

from __future__ import annotations

import hashlib

import pytest

from damage_tasks.errors import OriginalUnavailable, PhotoForbidden, PhotoNotFound
from damage_tasks.inspection import Verdict
from damage_tasks.photos.originals import is_kept, media_type, read_original
from damage_tasks.settings import Settings
from damage_tasks.storage.object_keys import photo_key
from tools.sample_pictures_and_results import jpeg

PHOTO = jpeg()
DIGEST = hashlib.sha256(PHOTO).hexdigest()


class Bucket:
    def __init__(self, **stored: bytes) -> None:
        self.stored = stored

    def get(self, key: str) -> bytes:
        if key not in self.stored:
            raise PhotoNotFound(key)
        return self.stored[key]


class Web:
    def __init__(self, data: bytes | None) -> None:
        self.data = data

    def download(self, url: str) -> bytes:
        if self.data is None:
            raise PhotoForbidden("the photo's server returned 403")
        return self.data


@pytest.mark.parametrize(
    ("policy", "verdicts"),
    [
        ("none", set()),
        ("damaged", {Verdict.DAMAGED}),
        ("all", {Verdict.DAMAGED, Verdict.CLEAN}),
        ("sample:1", {Verdict.DAMAGED, Verdict.CLEAN}),
    ],
)
def test_the_policy_decides_which_photos_are_kept(policy: str, verdicts: set[Verdict]) -> None:
    examined = (Verdict.DAMAGED, Verdict.CLEAN)
    assert {verdict for verdict in examined if is_kept(policy, DIGEST, verdict)} == verdicts
    assert Settings(keep_photos=policy).keep_photos == policy


def test_a_sample_is_the_same_each_time_and_about_one_in_n() -> None:
    digests = [hashlib.sha256(str(n).encode()).hexdigest() for n in range(5000)]
    kept = [digest for digest in digests if is_kept("sample:10", digest, Verdict.CLEAN)]
    assert 400 < len(kept) < 600
    assert kept == [digest for digest in digests if is_kept("sample:10", digest, Verdict.DAMAGED)]


@pytest.mark.parametrize("policy", ["sample:0", "sample", "some", "sample:-1"])
def test_an_unknown_policy_is_refused(policy: str) -> None:
    with pytest.raises(ValueError, match="keep_photos"):
        Settings(keep_photos=policy)


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp"])
def test_a_kept_photo_has_its_own_media_type(kind: str) -> None:
    begins = {"jpeg": b"\xff\xd8\xff", "png": b"\x89PNG\r\n", "webp": b"RIFF....WEBP"}
    assert media_type(begins[kind]) == f"image/{kind}"


def test_the_kept_copy_is_read_first() -> None:
    kept = Bucket(**{photo_key(DIGEST): PHOTO})
    assert read_original(DIGEST, "https://x/y.jpg", kept=kept, photos=Web(None)) == PHOTO


def test_without_a_copy_the_address_is_read_if_it_still_has_the_same_photo() -> None:
    assert read_original(DIGEST, "https://x/y.jpg", kept=Bucket(), photos=Web(PHOTO)) == PHOTO
    with pytest.raises(OriginalUnavailable, match="original no longer available"):
        read_original(DIGEST, "https://x/y.jpg", kept=Bucket(), photos=Web(jpeg(seed=2)))


@pytest.mark.parametrize(("digest", "url"), [(DIGEST, "https://x/y"), (DIGEST, None), (None, None)])
def test_where_there_is_none_that_is_said(digest: str | None, url: str | None) -> None:
    with pytest.raises(OriginalUnavailable, match="original no longer available"):
        read_original(digest, url, kept=Bucket(), photos=Web(None))
