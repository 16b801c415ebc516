"""Bands and costs come from settings, or else from the bundle's manifest."""

from __future__ import annotations

from pathlib import Path
from threading import Event
from time import sleep
from typing import Any

import pytest

from damage_tasks.inspection import REVIEW_BAND
from damage_tasks.production_quality import review_plan
from damage_tasks.production_quality.review_plan import (
    Expected,
    ReviewPlans,
    plan_of,
    read_review,
)
from damage_tasks.results.list_orders import ErrorCosts
from damage_tasks.settings import Settings
from model_store.manifest import Review, ReviewCosts
from tools.small_bundles import change_manifest, write_bundle

COSTS = ReviewCosts(
    missed=150, false_alarm=20, minute_of_inspector=0.6, minutes_per_photo=0.5, prevalence=0.03
)
FIGURES = {
    "share": 0.04, "missed_per_1000": 1.0, "false_alarms_per_1000": 2.0, "hours_per_1000": 0.3,
    "cost_per_1000": 200.0,
}  # fmt: skip
REVIEW = Review(low=0.1, high=0.6, costs=COSTS, expected=FIGURES)


def test_without_costs_all_errors_cost_the_same() -> None:
    plan = plan_of(Settings(), None)
    assert (plan.band, plan.band_origin) == (REVIEW_BAND, "default")
    assert (plan.costs, plan.costs_origin, plan.expected) == (None, "default", None)
    assert plan.error_costs == ErrorCosts(1.0, 1.0, 0.5)


def test_the_manifest_names_band_costs_and_what_to_expect() -> None:
    plan = plan_of(Settings(), REVIEW)
    assert (plan.band, plan.band_origin) == ((0.1, 0.6), "manifest")
    assert (plan.costs, plan.costs_origin) == ((150.0, 20.0, 0.6), "manifest")
    assert plan.error_costs == ErrorCosts(150.0, 20.0, 0.03)
    assert plan.expected == Expected(0.04, 1.0, 2.0, 0.3, 200.0, None)


def test_settings_replace_the_manifest() -> None:
    settings = Settings(review_band=(0.3, 0.4), review_costs=(1.0, 2.0, 3.0), review_prevalence=0.2)
    plan = plan_of(settings, REVIEW)
    assert (plan.band, plan.band_origin) == ((0.3, 0.4), "setting")
    assert (plan.costs, plan.costs_origin) == ((1.0, 2.0, 3.0), "setting")
    assert plan.error_costs == ErrorCosts(1.0, 2.0, 0.2)
    assert plan.expected is None, "the manifest's figures are about another band"


def test_a_bundle_that_is_out_of_reach_has_no_costs(tmp_path: Path) -> None:
    assert read_review(Settings(bundle=str(tmp_path / "none"), bundle_cache=tmp_path)) is None


def test_the_manifest_is_read_again_after_some_minutes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = write_bundle(tmp_path / "bundle")
    plans = ReviewPlans(Settings(bundle=str(bundle), bundle_cache=tmp_path))
    assert plans.current().band_origin == "default"
    change_manifest(bundle, review=REVIEW.model_dump())
    assert plans.current().band_origin == "default"
    monkeypatch.setattr(review_plan, "READ_SECONDS", 0.0)
    while plans.current().band_origin == "default":
        sleep(0.01)
    assert plans.current().costs == (150.0, 20.0, 0.6)


def test_nobody_waits_for_a_slow_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(review_plan, "FIRST_READ_SECONDS", 0.01)
    answers = Event()

    def read(_: Any) -> Review:
        answers.wait()
        return REVIEW

    plans = ReviewPlans(Settings(), read)
    assert plans.current().band_origin == "default"
    answers.set()
    while plans.current().band_origin == "default":
        sleep(0.01)
    assert plans.current().band == (0.1, 0.6)
