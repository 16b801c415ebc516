"""The engines available on this machine, and a bundle with more work for them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from damage_tasks.vision.self_test import open_segmenter
from model_store.bundle import open_bundle
from model_store.engines import engines_of
from model_store.fetch import DEFAULT_BUNDLE_FOLDER

# Times the default bundle's input: a network that takes more than 100 ms per photo.
LARGER = 2.5


def available_engines() -> tuple[str, ...]:
    """The engines that can run the default bundle here, by their names in ``DAMAGE_ENGINE``."""
    return tuple(engines_of(open_bundle(DEFAULT_BUNDLE_FOLDER).manifest))


def auto_engine() -> str:
    """The engine that a worker uses by default: the fastest one that passes the golden photos."""
    return open_segmenter(open_bundle(DEFAULT_BUNDLE_FOLDER)).engine


def bundle_label() -> str:
    """Name, version and digest of the default bundle."""
    return open_bundle(DEFAULT_BUNDLE_FOLDER).label


def engine_settings(engines: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """The settings that choose each engine."""
    return {name: {"DAMAGE_ENGINE": name} for name in engines}


def larger_bundle(folder: Path) -> Path:
    """A copy of the default bundle with a larger input."""
    shutil.copytree(DEFAULT_BUNDLE_FOLDER, folder)
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    for weights in manifest["weights"].values():
        form = weights["input"]
        step = form.get("multiple_of", 32)
        form["long_side"] = round(form["long_side"] * LARGER / step) * step
    for network in manifest["networks"]:
        if "long_side" in network:
            network["long_side"] = round(network["long_side"] * LARGER / 32) * 32
        if "long_sides" in network:
            network["long_sides"] = [round(s * LARGER / 32) * 32 for s in network["long_sides"]]
    # Their expected results apply to the original input size.
    manifest["golden"] = []
    path.write_text(json.dumps(manifest))
    return folder
