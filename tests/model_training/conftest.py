"""A few drawn photos in our own data set format."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from model_training.data.label_formats.manifest_csv import read_folder
from model_training.data.labelled_photos import LabelledPhoto


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small networks are fastest on one thread, and results must not depend on the number."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def denormals_are_left_as_they_were() -> Iterator[None]:
    """Training sets a CPU flag for the whole thread, which would affect other tests."""
    yield
    assert float(np.nextafter(np.float32(0), np.float32(1)) * np.float32(1)) > 0


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight grey panels, half of them with bright, obvious damage."""
    folder = tmp_path_factory.mktemp("photos")
    for name in ("images", "masks"):
        (folder / name).mkdir()
    rng = np.random.default_rng(0)
    rows = []
    for number in range(8):
        photo = np.full((96, 128, 3), 90 + 5 * number, np.uint8)
        photo += rng.integers(0, 20, photo.shape, np.uint8)
        cv2.line(photo, (64, 4), (64, 92), (30, 30, 30), 1)  # a panel border
        mask = np.zeros((96, 128), np.uint8)
        kind = ("negative", "typed", "negative", "untyped")[number % 4]
        if kind != "negative":
            centre = (int(rng.integers(30, 98)), int(rng.integers(25, 70)))
            cv2.circle(photo, centre, 14, (20, 240, 250), cv2.FILLED)
            cv2.circle(mask, centre, 14, 1 if kind == "typed" else 5, cv2.FILLED)
        cv2.imwrite(str(folder / f"images/{number}.png"), photo)
        cv2.imwrite(str(folder / f"masks/{number}.png"), mask)
        rows.append(
            {
                "id": str(number),
                "image": f"images/{number}.png",
                "mask": f"masks/{number}.png",
                "kind": kind,
                "split": "val" if number >= 4 else "train",
            }
        )
    with (folder / "manifest.csv").open("w", newline="") as lines:
        writer = csv.DictWriter(lines, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return folder


@pytest.fixture(scope="session")
def photos(folder: Path) -> list[LabelledPhoto]:
    return read_folder(folder)
