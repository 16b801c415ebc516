"""The loss of quality with a faster engine is measured against torch in fp32."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from damage_tasks.errors import EnginesDisagree
from damage_tasks.vision.segmenter import Segmenter
from model_store.bundle import open_bundle
from model_store.engines import REFERENCE
from model_training.evaluation import bundle_evaluation, engine_comparison
from model_training.evaluation.engine_comparison import Agreement, agreement, falls, too_much
from tests.model_training.cli.test_training_cli import run
from tools.small_bundles import gate, segmenter, write_bundle

PHOTOS = [np.random.default_rng(n).integers(0, 255, (96, 128, 3), np.uint8) for n in range(2)]


@pytest.fixture
def engine_of(tmp_path: Path) -> Callable[..., Segmenter]:
    """Creates small segmenters; the same ``seed`` gives the same weights."""

    def make(name: str, seed: int = 0, **changes: Any) -> Segmenter:
        return Segmenter(
            open_bundle(write_bundle(tmp_path / name, seed, **changes)), engine=REFERENCE
        )

    return make


def claiming(*thresholds: float) -> list[dict[str, Any]]:
    """A gate, and a scratch and a dent network that claim pixels from ``thresholds`` up."""
    policies = [{"threshold": threshold} for threshold in thresholds]
    return [gate(), segmenter("scratch", 0, policy=policies[0]),
            segmenter("dent", 1, policy=policies[1])]  # fmt: skip


def test_an_engine_agrees_with_itself(engine_of: Callable[..., Segmenter]) -> None:
    one = engine_of("one", networks=claiming(0.5, 0.5))
    assert agreement(one, one, PHOTOS) == Agreement(2, 1.0, 0.0)
    assert agreement(one, one, PHOTOS).good


def test_masks_that_nobody_makes_are_the_same(engine_of: Callable[..., Segmenter]) -> None:
    none = engine_of("none", networks=claiming(1.0, 1.0))
    assert agreement(none, none, PHOTOS).mask_iou == 1


def test_masks_of_all_types_count_together(engine_of: Callable[..., Segmenter]) -> None:
    both = engine_of("both", networks=claiming(0.0, 0.0))
    one = engine_of("one", networks=claiming(0.0, 1.0))
    found = agreement(both, one, PHOTOS)
    assert found.mask_iou == pytest.approx(0.5)  # every pixel of one type out of two
    assert found.score == 0
    assert not found.good


def test_other_weights_have_another_damage_score(engine_of: Callable[..., Segmenter]) -> None:
    one, other = engine_of("one"), engine_of("other", seed=1)
    scores = np.array([[e.segment(photo).damage_score for photo in PHOTOS] for e in (one, other)])
    expected = np.abs(scores[0] - scores[1]).mean()
    assert expected > 0
    assert agreement(one, other, PHOTOS).score == pytest.approx(expected)


def test_a_gate_that_ends_inspections_hides_no_mask(engine_of: Callable[..., Segmenter]) -> None:
    networks = claiming(0.0, 0.0)
    networks[0] = gate(threshold=1.0)
    ended = engine_of("ended", networks=networks)
    assert not ended.segment(PHOTOS[0]).masks
    none = engine_of("none", networks=[networks[0], *claiming(1.0, 1.0)[1:]])
    assert agreement(ended, none, PHOTOS).mask_iou == 0


def figures(auc: float, iou: float) -> dict[str, Any]:
    """Part of the output of `evaluate`."""
    return {
        "views": {"clean": {"auc": auc, "auc_gate": 0.9}},
        "overlap": {"dent": {"iou": iou}},
    }


def test_each_figure_falls_by_what_the_other_lacks() -> None:
    found = falls(figures(auc=0.95, iou=0.6), figures(auc=0.94, iou=0.62))
    assert found == {
        "clean auc": pytest.approx(0.01),
        "clean auc_gate": 0,
        "dent iou": pytest.approx(-0.02),
    }


@pytest.mark.parametrize(
    ("auc", "iou", "bad"),
    [
        (0.95, 0.60, []),
        (0.99, 0.90, []),  # better
        (0.946, 0.592, []),
        (0.944, 0.592, ["clean auc"]),
        (0.946, 0.588, ["dent iou"]),
        (0.900, 0.500, ["clean auc", "dent iou"]),
    ],
)
def test_an_auc_may_fall_by_0_005_and_an_iou_by_0_01(
    auc: float, iou: float, bad: list[str]
) -> None:
    assert too_much(falls(figures(0.95, 0.6), figures(auc, iou))) == bad


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], list[str]]:
    """Gives every engine the same masks and the test's IoU; records what was compared."""

    def measure(iou: float) -> list[str]:
        compared: list[str] = []

        def agree(one: Segmenter, other: Segmenter, photos: Any) -> Agreement:
            compared.extend([one.engine, other.engine])
            return Agreement(len(list(photos)), 1.0, 0.0)

        def evaluate(segmenter: Segmenter, photos: Any) -> dict[str, Any]:
            return figures(0.95, 0.6 if segmenter.engine == REFERENCE else iou)

        monkeypatch.setattr(engine_comparison, "agreement", agree)
        monkeypatch.setattr(bundle_evaluation, "evaluate", evaluate)
        return compared

    return measure


def test_torch_as_workers_run_it_is_compared_with_fp32(
    folder: Path, tmp_path: Path, measured: Callable[[float], list[str]]
) -> None:
    compared = measured(0.595)
    bundle = write_bundle(tmp_path)
    printed = run("compare", "--bundle", bundle, "--photos", folder, "--engine", "torch")
    assert "torch against torch-fp32" in printed
    assert compared == [REFERENCE, "torch"]


def test_an_engine_that_costs_too_much_is_named(
    folder: Path, tmp_path: Path, measured: Callable[[float], list[str]]
) -> None:
    measured(0.58)
    bundle = write_bundle(tmp_path)
    with pytest.raises(EnginesDisagree, match="torch and torch-fp32 disagree: dent iou"):
        run("compare", "--bundle", bundle, "--photos", folder, "--engine", "torch")
