"""Faces and plates are pixelated by a bundle, or nothing is given out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from damage_tasks.errors import BundleError, ExtraMissing, RedactionUnavailable
from damage_tasks.redaction import redactor
from damage_tasks.redaction.redactor import Redactor, checked_redactor, open_redactor
from damage_tasks.redaction.redactor_on_first_use import RETRY_SECONDS, RedactorOnFirstUse
from damage_tasks.settings import Settings
from model_store.bundle import open_any_bundle, redaction_bundle
from model_store.engines import loading
from tools.small_bundles import change_manifest, write_bundle
from tools.small_redaction_bundle import FACE, PLATE, private_photo, write_redaction_bundle


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_redaction_bundle(tmp_path / "redaction")


def redactor_of(folder: Path) -> Redactor:
    return checked_redactor(redaction_bundle(open_any_bundle(folder)))


def pixels() -> NDArray[np.uint8]:
    photo = cv2.imdecode(np.frombuffer(private_photo(), np.uint8), cv2.IMREAD_COLOR)
    return np.asarray(photo, np.uint8)


def part(photo: NDArray[np.uint8], box: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    left, top, width, height = box
    return photo[top : top + height, left : left + width]


def test_faces_and_plates_are_pixelated_and_nothing_else_changes(bundle: Path) -> None:
    photo = pixels()
    before = photo.copy()
    redacted = redactor_of(bundle).redact(photo)
    assert (photo == before).all()
    # The characters are gone: each square has one colour, and there are at most five a line.
    assert len(np.unique(part(redacted, PLATE)[15], axis=0)) <= 6 < 20
    assert len(np.unique(part(photo, PLATE)[15], axis=0)) > 20
    outside = np.ones(photo.shape[:2], bool)
    for left, top, width, height in (PLATE, FACE):
        outside[top - 10 : top + height + 10, left - 10 : left + width + 10] = False
    assert (redacted[outside] == photo[outside]).all()
    assert (part(redacted, FACE) != part(photo, FACE)).any()


def test_a_photo_of_any_shape_is_redacted(bundle: Path) -> None:
    checked = redactor_of(bundle)
    for size in ((1000, 400), (333, 777), (40, 40)):
        large = cv2.resize(pixels(), size)
        assert checked.redact(np.asarray(large, np.uint8)).shape == large.shape


def test_a_bundle_that_finds_something_else_on_its_golden_photo_is_refused(bundle: Path) -> None:
    change_manifest(bundle, golden=[{**_golden(bundle), "areas": {"plate": 0.5, "face": 0.03}}])
    with pytest.raises(BundleError, match="shows a plate on 6.1% of it instead of 50.0%"):
        redactor_of(bundle)


def test_without_the_setting_there_is_no_redactor() -> None:
    assert open_redactor(Settings()) is None


@pytest.mark.parametrize("what", ["missing", "damaged", "finds damage"])
def test_a_bundle_that_cannot_be_used_gives_nothing_out(
    what: str, bundle: Path, tmp_path: Path
) -> None:
    folder = bundle
    if what == "missing":
        folder = tmp_path / "missing"
    elif what == "damaged":
        (bundle / "plates.onnx").write_bytes(b"x" * (bundle / "plates.onnx").stat().st_size)
    else:
        folder = write_bundle(tmp_path / "damage")
    with pytest.raises(RedactionUnavailable, match="no pictures are given out"):
        open_redactor(Settings(redact_bundle=str(folder)))


def test_onnx_weights_without_openvino_say_what_to_install(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "openvino_is_installed", lambda: False)
    with pytest.raises(ExtraMissing, match=r"damage-tasks\[openvino\]"):
        redactor_of(bundle)


def test_a_missing_library_gives_nothing_out_either(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacking(*_: Any) -> None:
        raise ModuleNotFoundError("No module named 'safetensors'", name="safetensors")

    monkeypatch.setattr(redactor, "load_engine", lacking)
    with pytest.raises(RedactionUnavailable, match=r"safetensors is missing: .*\[openvino\]"):
        open_redactor(Settings(redact_bundle=str(bundle)))


def test_after_a_failure_the_bundle_is_opened_again_later(bundle: Path) -> None:
    now = 1000.0
    missing = bundle.rename(bundle.with_name("elsewhere"))
    lazy = RedactorOnFirstUse(Settings(redact_bundle=str(bundle)), lambda: now)
    with pytest.raises(RedactionUnavailable):
        lazy.get()
    missing.rename(bundle)
    with pytest.raises(RedactionUnavailable):
        lazy.get()
    now += RETRY_SECONDS
    assert lazy.get() is lazy.get()


def _golden(folder: Path) -> dict[str, Any]:
    golden = open_any_bundle(folder).manifest.golden[0]
    return golden.model_dump(mode="json")
