"""Networks' outputs become regions of the photo."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from damage_tasks.redaction.regions import Region, area_mask, find_regions
from model_store.manifest import RedactNetwork

SIZE = (320, 240)
ROWS, COLUMNS = 60, 80  # a cell is 4 pixels wide


def network(**changes: object) -> RedactNetwork:
    values = {"name": "x", "role": "redact", "subject": "plate", "weights": "x", "threshold": 0.5}
    return RedactNetwork.model_validate({**values, "margin": 0.0, **changes})


def box_of(region: Region) -> list[int]:
    return [*region.outline.min(0).round().astype(int), *region.outline.max(0).round().astype(int)]


def logits(*areas: tuple[slice, slice]) -> NDArray[np.float32]:
    output = np.full((1, ROWS, COLUMNS), -5, np.float32)
    for area in areas:
        output[0][area] = 3
    return output


def test_each_area_of_a_mask_is_a_region_that_contains_it() -> None:
    areas = (slice(10, 15), slice(20, 50)), (slice(40, 44), slice(5, 9))
    below, above = find_regions(logits(*areas), network(), SIZE)
    # Half a cell more on each side than the cells themselves.
    assert box_of(above) == [78, 38, 202, 62]
    assert box_of(below) == [18, 158, 38, 178]
    assert above.probability == pytest.approx(1 / (1 + np.exp(-3)), abs=1e-4)


def test_a_margin_enlarges_an_area_by_a_share_of_its_shorter_side() -> None:
    output = logits((slice(10, 20), slice(20, 60)))
    (region,) = find_regions(output, network(margin=0.5), SIZE)
    assert box_of(region) == [60, 20, 260, 100]


def test_a_tilted_area_is_redacted_without_its_surroundings() -> None:
    output = logits()
    for row in range(20):
        output[0, 20 + row, 20 + 2 * row : 30 + 2 * row] = 3
    regions = find_regions(output, network(), SIZE)
    covered = (area_mask(regions, SIZE) > 0).sum()
    left, top, right, bottom = box_of(regions[0])
    assert covered < 0.6 * (right - left) * (bottom - top)


def test_centres_become_boxes_and_one_face_is_one_region() -> None:
    output = np.zeros((15, ROWS, COLUMNS), np.float32)
    for row, column, probability in ((20, 30, 0.9), (20, 31, 0.8), (50, 70, 0.7), (5, 5, 0.4)):
        output[:5, row, column] = probability, np.log(10), np.log(8), 0.25, -0.25
    faces = network(subject="face", shape="centres")
    found = find_regions(output, faces, SIZE)
    assert [region.subject for region in found] == ["face", "face"]
    # In cells: the centre is (30.25, 20.75), the size 8 x 10, and half a cell is added.
    assert box_of(found[0]) == [103, 61, 139, 105]


def test_an_empty_output_has_no_regions() -> None:
    assert find_regions(logits(), network(), SIZE) == []
    centres = np.zeros((5, ROWS, COLUMNS), np.float32)
    assert find_regions(centres, network(shape="centres"), SIZE) == []
