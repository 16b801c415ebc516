"""Networks run in the manifest's order, and none runs twice."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from damage_tasks.inspection import Verdict
from damage_tasks.vision.network_inputs_and_masks import (
    network_input,
    refine_to_edges,
    sigmoid,
    threshold_mask,
)
from damage_tasks.vision.segmenter import Segmentation, Segmenter
from model_store.bundle import open_bundle
from model_store.engines.torch import TorchEngine
from model_store.manifest import Input, MaskPolicy
from tools.small_bundles import gate, segmenter, write_bundle, write_weights

PHOTO = np.random.default_rng(0).integers(0, 255, (90, 120, 3), np.uint8)


def load(folder: Path, **changes: Any) -> Segmenter:
    return Segmenter(open_bundle(write_bundle(folder, **changes)))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The calls that the engines received."""
    seen: list[str] = []
    for name in ("encode", "decode"):
        genuine = getattr(TorchEngine, name)

        def counted(self: Any, value: Any, name: str = name, genuine: Any = genuine) -> Any:
            seen.append(name)
            return genuine(self, value)

        monkeypatch.setattr(TorchEngine, name, counted)
    return seen


def test_masks_have_the_photos_size_and_probabilities(tmp_path: Path) -> None:
    found = load(tmp_path).segment(PHOTO)
    assert found.size == (120, 90)
    assert set(found.masks) == {"scratch", "dent"}
    for mask in found.masks.values():
        assert mask.pixels.shape == mask.probabilities.shape == (90, 120)
        assert 0 <= mask.probabilities.min() <= mask.probabilities.max() <= 1


def test_large_photos_are_cut_at_working_size(tmp_path: Path) -> None:
    found = load(tmp_path).segment(np.zeros((1500, 3000, 3), np.uint8))
    assert found.size == (1024, 512)


def test_a_shared_trunk_runs_once(tmp_path: Path, calls: list[str]) -> None:
    found = load(tmp_path).segment(PHOTO)
    assert set(found.masks) == {"scratch", "dent"}
    assert found.masks is found.masks
    assert calls == ["encode", "decode"]


def test_unused_masks_are_not_computed(tmp_path: Path, calls: list[str]) -> None:
    load(tmp_path).segment(PHOTO)
    assert calls == ["encode"]


def test_a_gate_ends_the_inspection_before_the_segmenters(tmp_path: Path, calls: list[str]) -> None:
    networks = [gate(threshold=1.0), segmenter("dent", 1)]
    found = load(tmp_path, networks=networks).segment(PHOTO)
    assert (found.ended, found.decided_by, found.masks) == (Verdict.CLEAN, "damage", {})
    assert found.damage_score == found.scores["damage"]
    assert calls == ["encode"]


@pytest.fixture
def screening() -> list[dict[str, Any]]:
    """A gate that sees a smaller photo than the others."""
    first = gate("screening", long_side=32, calibration={"offset": 0.5})
    return [first, gate(), segmenter("dent", 1)]


def test_a_gate_may_see_a_smaller_photo_than_the_others(
    tmp_path: Path, screening: list[dict[str, Any]], calls: list[str]
) -> None:
    bundle = load(tmp_path, networks=screening)
    found = bundle.segment(PHOTO)
    assert calls == ["encode", "encode"]
    assert found.scores["screening"] != pytest.approx(found.scores["damage"])
    assert found.damage_score == found.scores["damage"]
    assert bundle.side == 64


def test_the_score_of_a_photo_that_an_early_gate_ends_is_that_gates(
    tmp_path: Path, screening: list[dict[str, Any]], calls: list[str]
) -> None:
    screening[0]["threshold"] = 1.0
    found = load(tmp_path, networks=screening).segment(PHOTO)
    assert (found.ended, found.decided_by) == (Verdict.CLEAN, "screening")
    assert set(found.scores) == {"screening"}
    assert found.damage_score == found.scores["screening"] > 0
    assert calls == ["encode"]


def test_a_photo_rejected_before_its_damage_was_scored_has_score_zero(tmp_path: Path) -> None:
    vehicle = gate("vehicle", threshold=1.0, ends_with="rejected", code="no_vehicle")
    found = load(tmp_path, networks=[vehicle, gate(), segmenter("dent", 1)]).segment(PHOTO)
    assert found.damage_score == 0


def test_photos_are_decoded_for_the_gate_with_the_largest_input(tmp_path: Path) -> None:
    networks = [gate(), gate("closer", long_side=128), segmenter("dent", 1)]
    assert load(tmp_path, networks=networks).side == 128


def test_a_gate_may_reject_with_a_code(tmp_path: Path) -> None:
    vehicle = gate("vehicle", threshold=1.0, ends_with="rejected", code="no_vehicle")
    networks = [gate(), vehicle, segmenter("dent", 1)]
    found = load(tmp_path, networks=networks).segment(PHOTO)
    assert found.ended is Verdict.REJECTED
    assert found.reason
    assert found.reason.code == "no_vehicle"
    assert set(found.scores) == {"damage", "vehicle"}


def test_a_gate_that_ends_nothing_only_scores(tmp_path: Path) -> None:
    networks = [gate("quality", threshold=1.0, ends_with="none"), gate(), segmenter("dent", 1)]
    found = load(tmp_path, networks=networks).segment(PHOTO)
    assert found.ended is None
    assert set(found.scores) == {"quality", "damage"}


def test_calibration_moves_the_score(tmp_path: Path) -> None:
    plain = load(tmp_path / "a").segment(PHOTO)
    networks = [gate(calibration={"scale": 1.0, "offset": 5.0}), segmenter("dent", 1)]
    moved = load(tmp_path / "b", networks=networks).segment(PHOTO)
    assert moved.damage_score > plain.damage_score


def test_networks_with_files_of_their_own_agree_with_a_shared_file(tmp_path: Path) -> None:
    shared = load(tmp_path / "shared").segment(PHOTO)
    folder = write_bundle(tmp_path / "separate")
    weights = {name: write_weights(folder / f"{name}.safetensors") for name in ("a", "b", "c")}
    apart = load(
        folder,
        weights=weights,
        networks=[gate(weights="a"), segmenter("scratch", 0, "b"), segmenter("dent", 1, "c")],
    ).segment(PHOTO)
    assert apart.scores == pytest.approx(shared.scores)
    for type, mask in shared.masks.items():
        np.testing.assert_allclose(apart.masks[type].probabilities, mask.probabilities, atol=1e-6)


def test_two_scales_are_averaged(tmp_path: Path) -> None:
    def probabilities(folder: str, sides: tuple[int, ...]) -> Any:
        networks = [gate(), segmenter("dent", 1, long_sides=sides)]
        return load(tmp_path / folder, networks=networks).segment(PHOTO).masks["dent"].probabilities

    small, large = probabilities("a", (64,)), probabilities("b", (96,))
    np.testing.assert_allclose(
        probabilities("c", (64, 96)), (small + large) / 2, rtol=1e-4, atol=1e-6
    )


def test_a_network_sees_rgb_normalised_in_multiples_of_its_step() -> None:
    blue = np.zeros((300, 400, 3), np.uint8)
    blue[..., 0] = 255
    form = Input(long_side=128, multiple_of=32, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    tensor = network_input(blue, form)
    assert tensor.shape == (3, 96, 128)
    assert tensor.dtype == np.float32
    assert tensor[:, 0, 0].tolist() == [-1.0, -1.0, 1.0]


@pytest.mark.parametrize("shape", [(1, 3000), (3000, 1), (33, 31), (1, 1)])
def test_photos_of_any_shape_are_examined(tmp_path: Path, shape: tuple[int, int]) -> None:
    found = load(tmp_path).segment(np.zeros((*shape, 3), np.uint8))
    assert found.masks["dent"].pixels.shape == found.size[::-1]


def test_hysteresis_keeps_faint_regions_that_hold_a_sure_pixel() -> None:
    probabilities = np.zeros((10, 30), np.float32)
    probabilities[2, 2:12] = 0.4
    probabilities[2, 5] = 0.9
    probabilities[7, 2:12] = 0.4
    policy = MaskPolicy(kind="hysteresis", threshold=0.8, low=0.3)
    mask = threshold_mask(probabilities, policy)
    assert mask[2, 2:12].all()
    assert not mask[7].any()


def test_a_plain_threshold_includes_its_own_value() -> None:
    probabilities = np.array([[0.49, 0.5, 0.51]], np.float32)
    assert threshold_mask(probabilities, MaskPolicy(threshold=0.5)).tolist() == [
        [False, True, True]
    ]


def test_extreme_logits_do_not_overflow() -> None:
    assert sigmoid(np.float32(-1e4)) == 0
    assert sigmoid(np.float32(1e4)) == 1
    assert sigmoid(np.float32(0)) == 0.5


def union(**changes: Any) -> dict[str, Any]:
    network = segmenter("dent", 0, policy={"threshold": 0.0}, **changes)
    del network["type"]
    return {**network, "name": "any", "role": "union"}


def test_pixels_that_only_the_union_claims_go_to_the_likeliest_stable_type(tmp_path: Path) -> None:
    nothing = {"threshold": 1.0}
    networks = [
        gate(),
        segmenter("scratch", 0, policy=nothing),
        segmenter("dent", 1, policy=nothing, calibration={"offset": 9.0}),
        union(),
    ]
    found = load(tmp_path / "a", networks=networks).segment(PHOTO)
    assert found.masks["dent"].pixels.all()
    assert not found.masks["scratch"].pixels.any()
    networks[2]["status"] = "experimental"
    found = load(tmp_path / "b", networks=networks).segment(PHOTO)
    assert found.masks["scratch"].pixels.all()


def test_pixels_that_no_type_claims_do_not_go_to_whatever_type_asks_for_least(
    tmp_path: Path,
) -> None:
    def always(logit: float) -> dict[str, float]:
        return {"scale": 0.0, "offset": logit}

    faint = {"kind": "hysteresis", "threshold": 0.9, "low": 0.4}
    networks = [
        gate(),
        segmenter("scratch", 0, policy=faint, calibration=always(-0.5)),
        segmenter("dent", 1, policy={"threshold": 0.2}, calibration=always(-9.0)),
        union(),
    ]
    found = load(tmp_path, networks=networks).segment(PHOTO)
    assert found.masks["scratch"].pixels.all()
    assert not found.masks["dent"].pixels.any()


def test_evidence_from_the_masks_is_weighed_into_the_score(tmp_path: Path) -> None:
    def score(folder: str, offset: float) -> Any:
        evidence = {"network": "any", "gate_scale": 0.0, "scale": 1.0, "offset": 0.5}
        return load(
            tmp_path / folder,
            networks=[gate(), segmenter("dent", 1), union(calibration={"offset": offset})],
            decision={"gate": "damage", "threshold": 0.5, "evidence": evidence},
        ).segment(PHOTO)

    sure, unsure = score("a", 20.0), score("b", -20.0)
    assert (sure.decided_by, unsure.decided_by) == ("any", "any")
    assert sure.damage_score == pytest.approx(float(sigmoid(np.float32(8.5))), abs=1e-4)
    assert unsure.damage_score == pytest.approx(float(sigmoid(np.float32(-7.5))), abs=1e-4)
    assert sure.scores == pytest.approx(unsure.scores)


class Spot:
    """An engine with a confident mask in one cell, where the photo is brightest."""

    def encode(self, photo: Any) -> Any:
        return photo, np.zeros(1, np.float32)

    def decode(self, photo: Any) -> Any:
        grey = photo.mean(0)
        cells = grey.reshape(grey.shape[0] // 4, 4, grey.shape[1] // 4, 4).mean((1, 3))
        found = np.where(cells > cells.max() - 0.5, 9.0, -9.0).astype(np.float32)
        return np.stack([found, np.full_like(found, 9.0)])


def test_a_small_vehicle_is_cropped_and_its_masks_are_in_the_right_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locate = segmenter("dent", 0)
    del locate["type"], locate["policy"]
    locate |= {"name": "place", "role": "locate", "threshold": 0.5, "crop_below": 0.5}
    networks = [gate(), locate, segmenter("dent", 1, policy={"threshold": 0.5})]
    looker = load(tmp_path, networks=networks)
    seen: list[tuple[int, ...]] = []
    spot = Spot()

    def encode(photo: Any) -> Any:
        seen.append(photo.shape)
        return Spot.encode(spot, photo)

    monkeypatch.setattr(spot, "encode", encode)
    monkeypatch.setattr(looker, "engines", {"trunk": spot})
    photo = np.zeros((400, 800, 3), np.uint8)
    photo[200:300, 100:300] = 255
    mask = looker.segment(photo).masks["dent"]
    assert len(seen) == 2
    rows, columns = np.nonzero(mask.pixels)
    assert 150 < rows.min() < 200 < 300 < rows.max() < 350
    assert 50 < columns.min() < 100 < 300 < columns.max() < 370
    photo[:] = 255
    looker.segment(photo)
    assert len(seen) == 3


def test_a_refined_mask_follows_the_photos_edges() -> None:
    photo = np.zeros((100, 200, 3), np.uint8)
    photo[:, 100:] = 255
    ramp = np.clip((np.arange(200, dtype=np.float32) - 95) / 10, 0, 1)
    blurred = ramp[None].repeat(100, 0).astype(np.float32)
    sharp = refine_to_edges(blurred, photo)
    assert sharp.dtype == np.float32
    assert np.abs(np.diff(sharp[50]))[95:105].max() > 2 * np.abs(np.diff(blurred[50])).max()
    flat = refine_to_edges(blurred, np.zeros_like(photo))
    np.testing.assert_allclose(flat[50].mean(), blurred[50].mean(), atol=0.01)


def test_refinement_costs_nothing_where_nothing_was_found() -> None:
    rng = np.random.default_rng(3)
    photo = rng.integers(0, 255, (300, 400, 3), np.uint8)
    found = np.full((300, 400), 0.01, np.float32)
    found[100:120, 200:260] = rng.random((20, 60), np.float32)
    everywhere, near = refine_to_edges(found, photo), refine_to_edges(found, photo, 0.1)
    rows, columns = slice(100, 120), slice(200, 260)
    np.testing.assert_allclose(near[rows, columns], everywhere[rows, columns], atol=1e-5)
    np.testing.assert_array_equal(near[200:, :], found[200:, :])
    assert refine_to_edges(found, photo, 1.1) is found


def test_masks_of_two_photos_are_made_at_the_same_time() -> None:
    together = threading.Barrier(2)

    def make() -> dict[str, Any]:
        together.wait(20)
        return {}

    looks = [Segmentation(0.5, "damage", {}, (4, 4), find_masks=make) for _ in range(2)]
    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(lambda found: found.masks, looks)) == [{}, {}]
