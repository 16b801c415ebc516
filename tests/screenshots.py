"""The screenshots of the documentation."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

IMAGES = Path(__file__).parent.parent / "docs/images"


def keep_screenshot(page: Any, name: str, tmp_path: Path) -> None:
    """Take a screenshot; ``SCREENSHOTS=1`` updates the one in docs/images.

    ``name`` ends with .png or .jpg.
    """
    folder = IMAGES if os.environ.get("SCREENSHOTS") else tmp_path
    quality = 80 if name.endswith(".jpg") else None
    page.screenshot(path=str(folder / name), quality=quality)
    assert (IMAGES / name).exists()
