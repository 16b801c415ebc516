"""Photos of 64 x 48 px, and a square to outline on them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

SQUARE = [[10, 10], [40, 10], [40, 30], [10, 30]]
WIDTH, HEIGHT = 64, 48
INSIDE, OUTSIDE = (20, 30), (40, 50)


@pytest.fixture
def photo(tmp_path: Path) -> Callable[..., Path]:
    """Writes a photo at a path in the data set."""

    def write(name: str, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.full((size[1], size[0], 3), 128, np.uint8))
        return path

    return write


@pytest.fixture
def label(tmp_path: Path) -> Callable[..., Path]:
    """Writes a label at a path in the data set: text as it is, anything else as JSON."""

    def write(name: str, content: Any) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, str) else json.dumps(content)
        path.write_text(text, encoding="utf-8")
        return path

    return write
