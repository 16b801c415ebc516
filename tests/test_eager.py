"""Direct calls of the task in the caller's own process, without a queue."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from damage_tasks import app, detect_damage, get_inspection
from damage_tasks.worker.runtime import WorkerRuntime, runtime_of
from tests.result_contract import check_result
from tools.sample_pictures_and_results import jpeg
from tools.small_bundles import write_bundle


@pytest.fixture
def photo(
    bucket: str, migrated_sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """The URL of a photo, in a process with a worker's settings."""
    (tmp_path / "car.jpg").write_bytes(jpeg())
    settings = {
        "DAMAGE_BUCKET": bucket,
        "DAMAGE_DATABASE_URL": migrated_sqlite_url,
        "DAMAGE_BUNDLE": str(write_bundle(tmp_path / "bundle")),
        "DAMAGE_FILE_ROOTS": str(tmp_path),
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(app, "runtime", WorkerRuntime())
    return f"file://{tmp_path}/car.jpg"


def delay_eagerly(url: str) -> Any:
    app.conf.task_always_eager = True
    try:
        return detect_damage.delay(url, {"car_id": 7}).get()
    finally:
        app.conf.task_always_eager = False


@pytest.mark.parametrize(
    "call",
    [
        lambda url: detect_damage(url, {"car_id": 7}),
        lambda url: detect_damage.apply((url, {"car_id": 7})).get(),
        delay_eagerly,
    ],
    ids=["a direct call", "apply", "task_always_eager"],
)
def test_a_photo_is_examined_and_stored_here(photo: str, call: Callable[[str], Any]) -> None:
    result = check_result(call(photo))
    assert result["verdict"] in ("damaged", "clean")
    assert result["metadata"] == {"car_id": 7}
    assert get_inspection(result["id"]) == result


def test_an_own_id_works_here_too(photo: str) -> None:
    app.conf.task_always_eager = True
    try:
        first = detect_damage.delay(photo, inspection={"id": "car-7"}).get()
        again = detect_damage.delay(photo, inspection={"id": "car-7"}).get()
        other = detect_damage.delay(photo + "2", inspection={"id": "car-7"}).get()
    finally:
        app.conf.task_always_eager = False
    assert first == again
    assert first["id"] == "car-7"
    assert other["reason"] and other["reason"]["code"] == "id_conflict"
    assert get_inspection(other["id"]) == other


def test_an_error_of_a_direct_call_is_raised(photo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from damage_tasks.errors import TemporaryError

    def fail(*_: object) -> None:
        raise TemporaryError("the server is unavailable")

    monkeypatch.setattr(runtime_of(app).get_pipeline().photos, "download", fail)
    with pytest.raises(TemporaryError, match="the server is unavailable"):
        detect_damage(photo)
