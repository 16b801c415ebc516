"""What Flower shows of a photo is read from events, which are cut off and may come from anybody."""

from __future__ import annotations

from typing import Any

import pytest
from celery.events.state import Task

from damage_tasks.errors import RetriesExhausted
from damage_tasks.flower.photo_description import describe_photo, file_name, overlay_key
from damage_tasks.inspection import Finding
from damage_tasks.settings import get_settings
from tools.sample_pictures_and_results import damage, failed_inspection, finding, inspection


def described(**fields: Any) -> dict[str, Any]:
    shown = describe_photo(Task(uuid="t", **fields))
    return {name: getattr(shown, name) for name in ("verdict", "reason", "photo", "overlay")}


def test_a_result_is_understood_though_events_cut_it_off() -> None:
    many = [damage() for _ in range(50)]
    result = repr(inspection("t", finding(*many)).to_dict())
    shown = described(result=result[:1024], args="('https://x.example/a%20car.jpg?[redacted]', {})")
    assert shown["verdict"] == "damaged"
    assert shown["overlay"]
    assert shown["photo"] == "a car.jpg"


@pytest.mark.parametrize(
    ("found", "shown"),
    [
        (finding(overlay_url=None, mask_url=None), "not stored, because no damage was found"),
        (finding(damage(), overlay_url=None, mask_url=None), "erased"),
    ],
)
def test_an_overlay_that_does_not_exist_says_why(found: Finding, shown: str) -> None:
    result = repr(inspection("t", found).to_dict())
    assert described(result=result)["overlay"].startswith(shown)


def test_a_photo_that_was_not_examined_has_no_overlay_to_explain() -> None:
    assert described(result=repr(failed_inspection().to_dict()))["overlay"] is None


def test_a_failure_shows_its_code() -> None:
    failure = RetriesExhausted("download_failed: no answer")
    assert described(exception=repr(failure))["reason"] == "retries_exhausted"
    assert described(exception="SystemError()")["reason"] == "SystemError"


def test_a_photo_that_has_not_begun_shows_its_name_only() -> None:
    shown = described(args='("https://x.example/o\'brien.jpg",)')
    assert shown == {"verdict": None, "reason": None, "photo": "o'brien.jpg", "overlay": None}


@pytest.mark.parametrize(
    ("arguments", "name"),
    [("('s3://bucket/a/b/c.heic', None)", "c.heic"), ("('https://x/',)", ""), ("()", ""),
     ("", ""), ("('https://[bad/photo.jpg',)", "photo.jpg"), ("(7,)", "")],
)  # fmt: skip
def test_file_names(arguments: str, name: str) -> None:
    assert file_name(arguments) == name


@pytest.mark.parametrize(
    ("url", "key"),
    [("s3://pictures/overlays/ab/c.jpg", "overlays/ab/c.jpg"), ("s3://pictures/photos/c", None),
     ("s3://others/overlays/c.jpg", None), ("https://x.example/overlays/c.jpg", None)],
)  # fmt: skip
def test_only_overlays_of_our_own_bucket_are_read(
    url: str, key: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAMAGE_BUCKET", "pictures")
    get_settings.cache_clear()
    assert overlay_key(url) == key
