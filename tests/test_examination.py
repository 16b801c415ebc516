"""A photo's finding and its pictures, without any storage."""

from __future__ import annotations

from damage_tasks.attempt_state import Stopwatch
from damage_tasks.examination import Examination, examine
from damage_tasks.photos import decode
from tests.test_pipeline import Networks, Photos
from tools.sample_pictures_and_results import jpeg


def examined(overlay_side: int) -> Examination:
    """The examination of a photo of 3200 x 1600 pixels."""
    return examine(
        jpeg(3200, 1600),
        Stopwatch(),
        photos=Photos(),
        segmenter=Networks(),
        overlay_side=overlay_side,
        overlay_quality=85,
    )


def test_an_overlay_of_the_photos_own_size_has_all_its_pixels() -> None:
    assert decode(examined(0).overlay).pixels.shape[1] == 3200


def test_a_smaller_overlay_has_the_longer_side_of_the_settings() -> None:
    assert decode(examined(640).overlay).pixels.shape[1] == 640


def test_the_finding_has_the_photos_size_and_no_urls_yet() -> None:
    finding = examined(640).finding
    assert finding.photo_size == (3200, 1600)
    assert (finding.overlay_url, finding.mask_url) == (None, None)
