"""Copies of a photo are found even if modified; other photos are not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from damage_tasks.samples.car_photo import draw_sample
from model_training.data.duplicates import find_duplicates, perceptual_hash, read_grey
from model_training.data.labelled_photos import LabelledPhoto

pytestmark = pytest.mark.slow

Photo = NDArray[np.uint8]


def textured(seed: int) -> Photo:
    """A drawn car on a textured background, as in real photos."""
    photo = draw_sample(seed, size=(640, 480)).photo.astype(np.int16)
    rng = np.random.default_rng(seed)
    grain = cv2.resize(rng.normal(0, 28, (120, 160)), (640, 480), interpolation=cv2.INTER_CUBIC)
    return np.clip(photo + grain[..., None], 0, 255).astype(np.uint8)


def kept(folder: Path, name: str, pixels: Photo) -> LabelledPhoto:
    cv2.imwrite(str(folder / f"{name}.jpg"), pixels, [cv2.IMWRITE_JPEG_QUALITY, 85])
    return LabelledPhoto(name, folder / f"{name}.jpg", "negative")


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> list[LabelledPhoto]:
    folder = tmp_path_factory.mktemp("others")
    return [kept(folder, f"other{seed}", textured(seed)) for seed in range(1, 7)]


@pytest.mark.parametrize(
    ("change", "mirrored"),
    [
        (lambda p: p, False),
        (lambda p: cv2.resize(p, (320, 240), interpolation=cv2.INTER_AREA), False),
        (lambda p: np.ascontiguousarray(p[:, ::-1]), True),
        (lambda p: np.ascontiguousarray(p[90:400, 160:560]), False),
        (lambda p: np.ascontiguousarray(p[60:430, 60:500][:, ::-1]), True),
        (lambda p: np.clip(p * 0.7 + 20, 0, 255).astype(np.uint8), False),
    ],
    ids=["same", "smaller", "mirrored", "cropped", "cropped and mirrored", "darker"],
)
def test_a_copy_is_found(
    change: Callable[[Photo], Photo],
    mirrored: bool,
    others: list[LabelledPhoto],
    tmp_path: Path,
) -> None:
    whole = textured(0)
    original = kept(tmp_path, "original", whole)
    copy = kept(tmp_path, "copy", change(whole))
    (found,) = find_duplicates([original, others[0]], [copy, *others[1:]])
    assert (found.val, found.train, found.mirrored) == ("original", "copy", mirrored)
    assert found.correlation > 0.9


def test_other_photos_are_not_copies(others: list[LabelledPhoto]) -> None:
    assert find_duplicates(others[:3], others[3:]) == []


def test_a_crop_has_another_hash(tmp_path: Path) -> None:
    """This is why hashes alone are not enough."""
    whole = textured(0)
    hashes = [
        perceptual_hash(read_grey(kept(tmp_path, name, pixels)))
        for name, pixels in (
            ("whole", whole),
            ("smaller", cv2.resize(whole, (320, 240), interpolation=cv2.INTER_AREA)),
            ("crop", np.ascontiguousarray(whole[90:400, 160:560])),
        )
    ]
    smaller, crop = ((hashes[0] ^ other).item().bit_count() for other in hashes[1:])
    assert smaller <= 4
    assert crop > 12


def test_photos_without_features_are_not_copies(tmp_path: Path) -> None:
    flat = np.full((200, 300, 3), 128, np.uint8)
    assert find_duplicates([kept(tmp_path, "a", flat)], [kept(tmp_path, "b", flat)]) == []
