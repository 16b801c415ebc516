"""A photo's finding and its pictures, without any storage."""

from __future__ import annotations

import pytest

from damage_tasks.attempt_state import Stopwatch
from damage_tasks.examination import Examination, examine
from damage_tasks.inspection import Verdict
from damage_tasks.photos import decode
from tests.test_pipeline import Networks, Photos
from tools.sample_pictures_and_results import jpeg


def examined(
    overlay_side: int, clean_pictures: str = "overlay", networks: Networks | None = None
) -> Examination:
    """The examination of a photo of 3200 x 1600 pixels."""
    return examine(
        jpeg(3200, 1600),
        Stopwatch(),
        photos=Photos(),
        segmenter=networks or Networks(),
        overlay_side=overlay_side,
        overlay_quality=85,
        clean_pictures=clean_pictures,
    )


def test_an_overlay_of_the_photos_own_size_has_all_its_pixels() -> None:
    assert decode(examined(0).overlay or b"").pixels.shape[1] == 3200


def test_a_smaller_overlay_has_the_longer_side_of_the_settings() -> None:
    assert decode(examined(640).overlay or b"").pixels.shape[1] == 640


def test_the_finding_has_the_photos_size_and_no_urls_yet() -> None:
    finding = examined(640).finding
    assert finding.photo_size == (3200, 1600)
    assert (finding.overlay_url, finding.mask_url) == (None, None)


@pytest.mark.parametrize(
    ("policy", "has_overlay", "has_mask"),
    [("all", True, True), ("overlay", True, False), ("none", False, False)],
)
@pytest.mark.parametrize("verdict", [Verdict.CLEAN, Verdict.REJECTED])
def test_the_setting_decides_which_pictures_a_photo_without_damage_has(
    policy: str, has_overlay: bool, has_mask: bool, verdict: Verdict
) -> None:
    examination = examined(640, policy, Networks(ended=verdict))
    assert (examination.overlay is not None, examination.mask is not None) == (
        has_overlay,
        has_mask,
    )


@pytest.mark.parametrize("policy", ["all", "overlay", "none"])
def test_a_damaged_photo_always_has_both_pictures(policy: str) -> None:
    examination = examined(640, policy)
    assert examination.overlay and examination.mask
