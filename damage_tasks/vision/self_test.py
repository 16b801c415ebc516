"""Runs a bundle's golden photos, small pictures with known outcomes, before it serves.

They also warm up a worker process, so that its first real photo does not
pay for memory allocation and caches.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from damage_tasks.errors import BundleError, PhotoRejected
from damage_tasks.photos import decode
from damage_tasks.vision.measurement import conclude
from damage_tasks.vision.segmenter import Segmenter
from model_store.engines import AUTO, candidates

if TYPE_CHECKING:
    from model_store.bundle import Bundle
    from model_store.manifest import Golden

logger = logging.getLogger(__name__)


def open_segmenter(bundle: Bundle, engine: str = AUTO, threads: int = 1) -> Segmenter:
    """The networks of ``bundle`` on an engine that passed the golden photos.

    With ``auto`` this is the fastest engine that passes.  Raises `BundleError` when
    none does, `ExtraMissing` when the engine's library is missing.
    """
    names = candidates(bundle.manifest, engine)
    for name in names:
        try:
            segmenter = Segmenter(bundle, threads, name)
            check_golden(segmenter)
            return segmenter
        except (BundleError, ImportError) as error:
            if name == names[-1]:
                raise
            logger.warning("engine %s is not used: %s", name, error)
    raise AssertionError("there is always an engine")


def check_golden(segmenter: Segmenter) -> int:
    """Examine the bundle's golden photos and return their number.

    Raises `BundleError` naming the first photo whose outcome differs from the
    manifest.
    """
    golden = segmenter.bundle.manifest.golden
    for photo in golden:
        difference = _difference(segmenter, photo)
        if difference:
            raise BundleError(f"golden photo {photo.photo}: {difference}")
    return len(golden)


def _difference(segmenter: Segmenter, golden: Golden) -> str | None:
    try:
        data = (segmenter.bundle.folder / golden.photo).read_bytes()
        photo = decode(data, side=segmenter.side)
    except (OSError, PhotoRejected) as error:
        return f"cannot be decoded: {error}"
    found = segmenter.segment(photo.pixels)
    size = (photo.width, photo.height)
    conclusion = conclude(found, size, segmenter.decision, segmenter.types)
    if conclusion.verdict != golden.verdict:
        return f"is {conclusion.verdict} instead of {golden.verdict}"
    if abs(found.damage_score - golden.damage_score) > golden.score_tolerance:
        return f"has damage score {found.damage_score:.3f} instead of {golden.damage_score:.3f}"
    for name, score in golden.scores.items():
        if abs(found.scores.get(name, -1.0) - score) > golden.score_tolerance:
            return f"has {name} score {found.scores.get(name)} instead of {score:.3f}"
    for number, type in enumerate(segmenter.types, 1):
        area, expected = float(np.mean(conclusion.mask == number)), golden.areas.get(type, 0.0)
        if abs(area - expected) > golden.area_tolerance:
            return f"shows {type} on {area:.1%} of it instead of {expected:.1%}"
    return None
