from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from model_store.manifest import ReviewCosts, read_manifest
from model_training.__main__ import cli
from model_training.bundling.review_band import ValidationScores, choose_band
from model_training.data.labelled_photos import PhotosError
from model_training.evaluation.photo_result import PhotoResult
from tools.small_bundles import write_bundle

COSTS = ReviewCosts(
    missed=100, false_alarm=20, minute_of_inspector=0.6, minutes_per_photo=0.5, prevalence=0.1
)


def result(score: float, *, damaged: bool, number: int = 0) -> PhotoResult:
    """A photo whose verdict is damaged from a score of 0.5 on."""
    return PhotoResult(
        id=str(number), source="", domain="", group="", kind="", view="whole", damaged=damaged,
        area=0.0, brightness=100.0, score=score, gate_score=score, found=score >= 0.5,
        ended_by="", cpu_s=0.0, seconds=0.0,
    )  # fmt: skip


def results(seed: int = 0) -> list[PhotoResult]:
    """Scores of 200 damaged and 400 clean photos that overlap between 0.3 and 0.7."""
    rng = np.random.default_rng(seed)
    damaged: NDArray[np.float64] = rng.uniform(0.3, 1.0, 200)
    clean: NDArray[np.float64] = rng.uniform(0.0, 0.7, 400)
    return [
        *(result(float(score), damaged=True) for score in damaged),
        *(result(float(score), damaged=False) for score in clean),
    ]


def test_people_look_where_the_verdict_may_be_wrong() -> None:
    low, high = choose_band(ValidationScores(results(), COSTS)) or (1, 0)
    assert low == pytest.approx(0.3, abs=0.02)
    assert high == pytest.approx(0.7, abs=0.02)


def test_no_other_band_costs_less() -> None:
    scores = ValidationScores(results(), COSTS)
    band = choose_band(scores)
    assert band
    least = scores.expect(band).cost
    assert least < scores.expect(None).cost
    for low, high in [(0.0, 1.0), (0.2, 0.8), (0.35, 0.7), (0.3, 0.6), (0.3, 0.75)]:
        assert scores.expect((low, high)).cost >= least - 1e-9


def test_if_people_cost_too_much_nobody_checks() -> None:
    dear = COSTS.model_copy(update={"minute_of_inspector": 1000.0})
    assert choose_band(ValidationScores(results(), dear)) is None


def test_rare_damage_is_worth_fewer_checks() -> None:
    rare = COSTS.model_copy(update={"prevalence": 0.0001})
    low, high = choose_band(ValidationScores(results(), rare)) or (0, 1)
    assert low >= 0.48  # below the threshold there are hardly any missed damages
    assert high == pytest.approx(0.7, abs=0.02)


def test_expected_figures_are_weighted_by_prevalence() -> None:
    found = [result(0.2, damaged=True), result(0.9, damaged=True),
             result(0.6, damaged=False), result(0.1, damaged=False)]  # fmt: skip
    scores = ValidationScores(found, COSTS)
    nobody, some = scores.expect(None), scores.expect((0.5, 0.7))
    assert (nobody.share, nobody.missed, nobody.false_alarms) == pytest.approx((0, 50, 450))
    assert nobody.cost == pytest.approx(50 * 100 + 450 * 20)
    assert (some.share, some.missed, some.false_alarms) == pytest.approx((0.45, 50, 0))
    assert some.hours == pytest.approx(450 * 0.5 / 60)
    assert some.cost == pytest.approx(50 * 100 + 450 * 0.3)


def test_both_kinds_of_photos_are_needed() -> None:
    with pytest.raises(PhotosError, match="damaged and clean"):
        ValidationScores([result(0.2, damaged=True)], COSTS)


OPTIONS = [
    "--cost-missed", "100", "--cost-false-alarm", "20", "--cost-minute-of-inspector", "0.6",
    "--prevalence", "0.1",
]  # fmt: skip


def run(bundle: Path, evaluation: Path, *more: str) -> Any:
    return CliRunner().invoke(
        cli, ["bands", str(bundle), "--evaluation", str(evaluation), *OPTIONS, *more]
    )


@pytest.fixture
def evaluation(tmp_path: Path) -> tuple[Path, Path]:
    """A bundle, and a file with its evaluation."""
    bundle = write_bundle(tmp_path / "bundle")
    manifest, _ = read_manifest(bundle)
    report = {
        "bundle": {"measured": manifest.decisive_digest},
        "by_photo": [found.as_json() for found in results()],
    }
    path = tmp_path / "val.json"
    path.write_text(json.dumps(report))
    return bundle, path


def test_the_command_writes_the_band_and_its_costs(evaluation: tuple[Path, Path]) -> None:
    before, _ = read_manifest(evaluation[0])
    done = run(*evaluation)
    assert done.exit_code == 0, done.output
    assert "nobody looks" in done.output
    assert "DAMAGE_REVIEW_COSTS=100,20,0.6 and DAMAGE_REVIEW_PREVALENCE=0.1 " in done.output
    manifest, _ = read_manifest(evaluation[0])
    assert manifest.review
    assert manifest.review.low == pytest.approx(0.3, abs=0.02)
    assert manifest.review.costs == COSTS
    expected = manifest.review.expected
    assert 0 < expected["share"] < 1
    assert expected["cost_per_1000"] < expected["cost_per_1000_without_people"]
    assert manifest.decisive_digest == before.decisive_digest


def test_a_dry_run_changes_nothing(evaluation: tuple[Path, Path]) -> None:
    _, before = read_manifest(evaluation[0])
    assert run(*evaluation, "--dry-run").exit_code == 0
    assert read_manifest(evaluation[0])[1] == before


def test_the_evaluation_of_another_bundle_is_refused(evaluation: tuple[Path, Path]) -> None:
    report = json.loads(evaluation[1].read_text())
    report["bundle"]["measured"] = "0" * 64
    evaluation[1].write_text(json.dumps(report))
    assert "is not about" in str(run(*evaluation).exception)
    evaluation[1].write_text("{}")
    assert "is not a file" in str(run(*evaluation).exception)
