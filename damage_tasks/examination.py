"""Examines one photo: decodes it, runs the networks, and draws the overlay and the mask."""

from __future__ import annotations

from dataclasses import dataclass

from damage_tasks.attempt_state import Stopwatch
from damage_tasks.inspection import Finding
from damage_tasks.overlay import class_mask_png, encode_jpeg, render_overlay
from damage_tasks.overlay.wanted_pictures import wanted_pictures
from damage_tasks.ports import Networks, Photos
from damage_tasks.telemetry.metrics import get_metrics
from damage_tasks.vision.measurement import conclude


@dataclass(frozen=True, slots=True)
class Examination:
    """A photo's finding, without the URLs of its pictures, and the pictures that are stored."""

    finding: Finding
    overlay: bytes | None  # JPEG
    mask: bytes | None  # PNG


def examine(
    data: bytes,
    watch: Stopwatch,
    *,
    photos: Photos,
    segmenter: Networks,
    overlay_side: int,
    overlay_quality: int,
    clean_pictures: str,
) -> Examination:
    """Examine the photo whose file is ``data``; ``watch`` measures the stages.

    The overlay's longer side has ``overlay_side`` pixels, 0 for the photo's own size;
    ``overlay_quality`` is that of JPEG, 1 to 100, and ``clean_pictures`` DAMAGE_CLEAN_PICTURES.
    Raises `PhotoRejected` for a photo that cannot be decoded.
    """
    with watch.stage("decode"):
        # An overlay in the photo's own size needs all of its pixels.
        side = max(segmenter.side, overlay_side) if overlay_side else 0
        photo = photos.decode(data, side)
    size = (photo.width, photo.height)
    with watch.stage("segmentation"):
        found = segmenter.segment(photo.pixels)
        if found.ended is not None and (metrics := get_metrics()):
            metrics.gate_exits.labels(found.decided_by).inc()
        conclusion = conclude(found, size, segmenter.decision, segmenter.types)
    wanted = wanted_pictures(clean_pictures, conclusion.verdict)
    overlay = mask = None
    with watch.stage("overlay"):
        if wanted.overlay:
            picture = render_overlay(
                photo.pixels,
                conclusion.damages,
                photo_size=size,
                types=segmenter.types,
                verdict=conclusion.verdict,
                damage_score=found.damage_score,
                side=overlay_side,
            )
            overlay = encode_jpeg(picture, overlay_quality)
        if wanted.mask:
            mask = class_mask_png(conclusion.mask)
    finding = Finding(
        verdict=conclusion.verdict,
        damage_score=round(found.damage_score, 4),
        decided_by=found.decided_by,
        photo_size=size,
        scores={name: round(score, 4) for name, score in found.scores.items()},
        damages=conclusion.damages,
        reason=found.reason,
        quality=photo.quality,
        camera=photo.camera,
    )
    return Examination(finding, overlay, mask)
