"""An overlay shows every damaged area, hides none, and is readable on any paint and at any size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from damage_tasks.damage import Damage, Severity
from damage_tasks.inspection import Verdict, percent
from damage_tasks.overlay import class_mask_png, encode_jpeg, legend, render_overlay, style_of

TYPES = ("scratch", "dent", "spacing", "breakage")

Pixels = NDArray[np.uint8]


def damage(
    *corners: tuple[int, int], type: str = "dent", severity: Severity = Severity.MODERATE
) -> Damage:
    box = cv2.boundingRect(np.array(corners, np.int32))
    return Damage(type, 0.83, severity, 100, 0.01, tuple(box), corners)


def square(x: int, y: int, side: int, type: str = "dent") -> Damage:
    return damage((x, y), (x + side, y), (x + side, y + side), (x, y + side), type=type)


def paint(
    width: int = 800, height: int = 600, colour: tuple[int, int, int] = (90, 90, 90)
) -> Pixels:
    return np.full((height, width, 3), colour, np.uint8)


def overlay_of(
    photo: Pixels,
    damages: Sequence[Damage],
    *,
    verdict: Verdict = Verdict.DAMAGED,
    score: float = 0.97,
    types: Sequence[str] = TYPES,
    **more: Any,
) -> Pixels:
    size = more.pop("photo_size", (photo.shape[1], photo.shape[0]))
    return render_overlay(
        photo,
        damages,
        photo_size=size,
        types=types,
        verdict=verdict,
        damage_score=score,
        **more,
    )


def painted(overlay: Pixels, photo: Pixels) -> Any:
    """Where the photo's part of the overlay differs from the photo."""
    height, width = photo.shape[:2]
    return (overlay[:height, :width] != photo).any(axis=2)


def has_colour(picture: Pixels, bgr: tuple[int, ...]) -> bool:
    return bool((np.abs(picture.astype(int) - bgr).max(axis=2) <= 2).any())


def test_no_pixel_inside_a_damaged_area_is_painted_over() -> None:
    photo = paint()
    corners = [(200, 200), (420, 230), (390, 260), (610, 400), (330, 380), (260, 300)]
    inside = np.zeros(photo.shape[:2], np.uint8)
    cv2.fillPoly(inside, [np.array(corners, np.int32)], 1)

    changed = painted(overlay_of(photo, [damage(*corners)]), photo)

    assert changed.any()
    assert not changed[inside > 0].any()


def test_the_outline_runs_close_around_the_damage_in_the_colour_of_its_type() -> None:
    photo = paint()
    for class_id, name in enumerate(TYPES, 1):
        overlay = overlay_of(photo, [square(300, 250, 150, type=name)])
        for strip in (overlay[325, 280:300], overlay[325, 451:471], overlay[230:250, 375]):
            assert (strip != photo[0, 0]).any(), f"{name} has no line next to its damage"
        assert has_colour(overlay[230:480, 280:480], style_of(class_id).colour)


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (40, 30, 190), (233, 180, 86)])
def test_an_outline_has_a_dark_and_a_light_line_so_that_it_shows_on_any_paint(
    colour: tuple[int, int, int],
) -> None:
    overlay = overlay_of(paint(colour=colour), [square(300, 250, 150, type="scratch")])
    beside = overlay[300:350, 270:300].reshape(-1, 3).astype(int)

    assert (beside.max(axis=1) < 100).any()
    assert (beside.min(axis=1) > 180).any()


def test_outlines_follow_a_photo_that_was_decoded_at_a_reduced_scale() -> None:
    small = paint(500, 375)
    scaled = overlay_of(small, [square(800, 800, 400)], photo_size=(2000, 1500))
    native = overlay_of(small, [square(200, 200, 100)])

    differing = painted(scaled, small) ^ painted(native, small)
    assert differing.sum() < 0.2 * painted(native, small).sum()


def test_the_photo_given_is_left_as_it_was() -> None:
    photo = paint()
    overlay_of(photo, [square(300, 250, 150)], side=0)
    assert (photo == 90).all()


def test_a_speck_is_framed_by_ticks_and_stays_visible() -> None:
    photo = paint()
    changed = painted(overlay_of(photo, [square(400, 300, 2)]), photo)

    assert not changed[296:307, 396:407].any()
    around = changed[270:330, 370:435]
    assert around.any(), "nothing marks the speck"


@pytest.mark.parametrize(
    ("width", "height", "side", "expected"),
    [
        (2048, 1536, 1024, (1024, 768)),
        (1536, 2048, 1024, (768, 1024)),
        (4032, 3024, 1024, (1024, 768)),
        (800, 600, 1024, (800, 600)),
        (2048, 1536, 0, (2048, 1536)),
        (1001, 777, 500, (500, 388)),
    ],
)
def test_the_photo_keeps_its_shape_and_is_never_enlarged(
    width: int, height: int, side: int, expected: tuple[int, int]
) -> None:
    photo = np.full((height, width, 3), 90, np.uint8)
    overlay = overlay_of(photo, [], side=side)

    assert overlay.shape[1] == expected[0]
    assert (overlay[: expected[1]] == 90).all()
    assert not (overlay[expected[1] :] == 90).all(axis=2).all()


def test_shrinking_averages_instead_of_skipping_pixels() -> None:
    checks = np.indices((2048, 2048)).sum(axis=0) % 2 * 255
    photo = np.repeat(checks[:, :, None], 3, axis=2).astype(np.uint8)
    assert np.abs(overlay_of(photo, [], side=512)[:512].astype(int) - 128).max() <= 2


def test_labels_are_next_to_the_damaged_areas_and_inside_the_picture() -> None:
    photo = paint()
    corners = [square(x, y, 60) for x, y in ((0, 0), (740, 0), (0, 540), (740, 540), (370, 270))]
    changed = painted(overlay_of(photo, corners), photo)

    for item in corners[4:]:
        x, y, width, height = item.bbox
        assert not changed[y : y + height, x : x + width].any()
    plates = (overlay_of(photo, corners)[:600] == (28, 28, 28)).all(axis=2)
    stats = cv2.connectedComponentsWithStats(plates.astype(np.uint8))[2]
    assert sum(stats[1:, cv2.CC_STAT_WIDTH] > 60) == len(corners)


def test_a_label_covers_no_other_damage_either() -> None:
    photo = paint()
    column = [square(300, y, 60) for y in range(20, 500, 86)]
    changed = painted(overlay_of(photo, column), photo)

    for item in column:
        x, y, width, height = item.bbox
        assert not changed[y : y + height, x : x + width].any()


def test_crowded_pictures_keep_the_numbers_and_drop_the_words() -> None:
    rng = np.random.default_rng(7)
    many = [
        square(x, y, 30, type=TYPES[i % 4])
        for i, (x, y) in enumerate(rng.integers(0, 500, (60, 2)).tolist())
    ]
    photo = paint()
    words = overlay_of(photo, many[:2])[:600]
    numbers = overlay_of(photo, many)[:600]

    def share_of_plates(picture: Pixels) -> float:
        return (picture == (28, 28, 28)).all(axis=2).mean()

    assert share_of_plates(numbers) < 12 * share_of_plates(words)
    assert painted(overlay_of(photo, many), photo).mean() < 0.6


def test_damage_that_fills_the_photo_is_outlined_along_the_border() -> None:
    photo = paint()
    whole = damage((0, 0), (799, 0), (799, 599), (0, 599))
    changed = painted(overlay_of(photo, [whole]), photo)

    assert changed[300, :12].any() and changed[300, -12:].any()
    assert not changed[100:500, 20:780].any()


@pytest.fixture
def legend_words(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The words in the legend, as passed to the text function."""
    words: list[str] = []
    monkeypatch.setattr(legend, "write_text", lambda picture, text, *more: words.append(text))
    return words


def test_the_legend_names_verdict_score_types_counts_and_severities(
    legend_words: list[str],
) -> None:
    dent = square(100, 100, 80)
    severe = damage(*dent.polygon, severity=Severity.SEVERE)
    scratch = square(400, 300, 80, type="scratch")
    below = overlay_of(paint(), [dent, severe, scratch])[600:]

    assert legend_words == [
        "DAMAGED",
        "damage score 97 %",
        "1 \N{MULTIPLICATION SIGN} scratch: moderate",
        "2 \N{MULTIPLICATION SIGN} dent: 1 severe, 1 moderate",
    ]
    assert has_colour(below, style_of(1).colour) and has_colour(below, style_of(2).colour)


def test_a_clean_photo_is_left_untouched_and_the_legend_says_so(legend_words: list[str]) -> None:
    photo = paint()
    overlay = overlay_of(photo, [], verdict=Verdict.CLEAN, score=0.03)

    assert not painted(overlay, photo).any()
    assert legend_words == ["CLEAN", "no damage found", "damage score 3 %"]


def test_a_damaged_photo_without_outlines_is_not_called_free_of_damage(
    legend_words: list[str],
) -> None:
    overlay_of(paint(), [])
    assert legend_words == ["DAMAGED", "no damage outlined", "damage score 97 %"]


def test_every_verdict_has_a_legend() -> None:
    for verdict in Verdict:
        assert overlay_of(paint(), [], verdict=verdict).shape[0] > 600


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1), (32, 3000), (3000, 32), (300, 200)])
def test_any_size_of_photo_gets_a_readable_legend(size: tuple[int, int]) -> None:
    photo = paint(*size)
    x, y = size[0] // 2, size[1] // 2
    overlay = overlay_of(photo, [square(x, y, 6), square(0, 0, 1, type="scratch")], side=0)

    assert overlay.shape[1] == max(size[0], 240)
    assert overlay.shape[0] > max(size[1], 96)
    assert overlay.dtype == np.uint8


def test_polygons_beyond_the_border_or_without_corners_are_still_drawn() -> None:
    photo = paint()
    outside = damage((-50, -50), (900, -50), (900, 40), (-50, 40))
    empty = Damage("dent", 0.5, Severity.MINOR, 1, 0.0, (400, 300, 1, 1), ())
    changed = painted(overlay_of(photo, [outside, empty]), photo)

    assert changed[30:60, 400].any()
    assert changed[270:330, 370:430].any()


def test_a_type_has_the_same_style_in_every_bundle_and_no_two_are_alike() -> None:
    photo = paint()
    alone = overlay_of(photo, [square(300, 250, 150)], types=("scratch", "dent"))
    among = overlay_of(photo, [square(300, 250, 150)], types=(*TYPES, "rust", "dirt"))

    assert (alone == among).all()
    styles = [style_of(class_id) for class_id in range(1, 29)]
    assert len(set(styles)) == 28
    assert len({style.colour for style in styles[:7]}) == 7
    assert len({style.dashes for style in styles[:4]}) == 4


def test_a_type_the_bundle_does_not_name_is_drawn_in_its_own_style() -> None:
    overlay = overlay_of(paint(), [square(300, 250, 150, type="rust")])
    assert has_colour(overlay[:600], style_of(5).colour)


def test_photos_of_another_kind_are_refused() -> None:
    wrongs: list[Any] = [
        np.zeros((10, 10), np.uint8),
        np.zeros((10, 10, 4), np.uint8),
        np.zeros((10, 10, 3), np.float32),
        np.zeros((0, 10, 3), np.uint8),
    ]
    for wrong in wrongs:
        with pytest.raises(ValueError, match="uint8 H x W x 3"):
            overlay_of(wrong, [], photo_size=(10, 10))


def test_percentages_never_claim_more_certainty_than_there_is() -> None:
    assert [percent(p) for p in (0, 0.001, 0.034, 0.97, 0.999, 1)] == [
        "0 %",
        "1 %",
        "3 %",
        "97 %",
        "99 %",
        "100 %",
    ]


def test_a_jpeg_opens_as_the_picture_it_was_made_of() -> None:
    picture = overlay_of(paint(), [square(300, 250, 150)])
    jpeg = encode_jpeg(picture)
    again = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)

    assert jpeg[:3] == b"\xff\xd8\xff"
    assert again.shape == picture.shape
    assert np.abs(again.astype(int) - picture).mean() < 3
    assert len(encode_jpeg(picture, quality=30)) < len(jpeg)


def test_a_class_mask_comes_back_id_for_id(tmp_path: Path) -> None:
    mask = np.zeros((40, 70), np.uint8)
    mask[5:20, 10:60] = np.arange(50, dtype=np.uint8)
    mask[0, 0] = 255
    path = tmp_path / "mask.png"
    path.write_bytes(class_mask_png(mask))

    again = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert again.dtype == np.uint8 and again.shape == mask.shape
    assert (again == mask).all()


def test_masks_of_another_kind_are_refused() -> None:
    wrongs: list[Any] = [np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.int64)]
    for wrong in wrongs:
        with pytest.raises(ValueError, match="uint8 H x W"):
            class_mask_png(wrong)
