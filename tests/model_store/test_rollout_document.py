"""The document of a roll-out is checked strictly and chooses one bundle for each photo."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest

from damage_tasks.errors import RolloutInvalid
from model_store.rollout import (
    NamedBundle,
    Rollout,
    parse_rollout,
    rolled_back,
    with_percentages,
)

OLD = NamedBundle(version="2.0.0", digest="a" * 64)
NEW = NamedBundle(version="2.1.0", digest="b" * 64)
NEWEST = NamedBundle(version="2.2.0", digest="c" * 64)
PHOTOS = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(4000)]


def document(**changes: Any) -> bytes:
    shares = [
        {"version": "2.0.0", "digest": "a" * 64, "percent": 95},
        {"version": "2.1.0", "digest": "b" * 64, "percent": 5},
    ]
    valid = {"schema": 1, "shares": shares, "updated": "2026-11-29T17:00:00Z"}
    return json.dumps({**valid, **changes}).encode()


def share(**changes: Any) -> dict[str, Any]:
    return {"version": "2.0.0", "digest": "a" * 64, "percent": 100, **changes}


def percentages(rollout: Rollout) -> dict[str, int]:
    return {share.version: share.percent for share in rollout.shares}


def test_a_document_is_read_as_it_was_written() -> None:
    rollout = parse_rollout(document(fallback=OLD.model_dump(), reason="a trial"), "here")
    assert parse_rollout(rollout.to_json(), "here") == rollout


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"shares": []}, "at least 1 item"),
        ({"shares": [share(percent=99)]}, "add up to 99 instead of 100"),
        ({"shares": [share(percent=60)] * 2}, "add up to 120.*same version.*same digest"),
        ({"shares": [share(percent=50), share(percent=50, version="3.0.0")]}, "same digest"),
        ({"shares": [share(percent=100.0)]}, "shares.0.percent"),
        ({"shares": [share(percent=True)]}, "shares.0.percent"),
        ({"shares": [share(percent=0), share(version="2.1.0", digest="b" * 64)]}, "percent"),
        ({"shares": [share(digest="a" * 63)]}, "shares.0.digest"),
        ({"shares": [share(version="../other/1.0.0")]}, "shares.0.version"),
        ({"shares": [share(percent=p, version=f"{p}.0.0") for p in (1, 2, 97)]}, "at most 2"),
        ({"shares": [{"version": "2.0.0", "percent": 100}]}, "shares.0.digest: Field required"),
        ({"schema": 2}, "schema"),
        ({"weights": "s3://elsewhere"}, "weights: Extra inputs"),
        ({"updated": "2026-11-29T17:00:00"}, "updated"),
        ({"reason": "x" * 501}, "reason"),
    ],
)
def test_a_document_that_breaks_a_rule_is_refused(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(RolloutInvalid, match=f"^here: .*{problem}"):
        parse_rollout(document(**changes), "here")


@pytest.mark.parametrize("text", [b"", b"shares: []", b"\x80\x04.", b"[]", b"null", b"\xff"])
def test_anything_but_a_json_object_is_refused(text: bytes) -> None:
    with pytest.raises(RolloutInvalid, match="here"):
        parse_rollout(text, "here")


def test_a_document_that_is_too_large_is_refused() -> None:
    with pytest.raises(RolloutInvalid, match="more than 16384 bytes"):
        parse_rollout(document() + b" " * 16384, "here")


def test_the_same_photo_always_meets_the_same_bundle_and_shares_are_kept() -> None:
    rollout = with_percentages(with_percentages(None, {OLD: 100}), {NEW: 30})
    found = Counter(rollout.share_of(photo).version for photo in PHOTOS)
    assert 0.27 < found["2.1.0"] / len(PHOTOS) < 0.33
    assert [rollout.share_of(photo) for photo in PHOTOS[:50]] == [
        parse_rollout(rollout.to_json(), "here").share_of(photo) for photo in PHOTOS[:50]
    ]


def test_a_growing_share_keeps_its_photos() -> None:
    small = with_percentages(with_percentages(None, {OLD: 100}), {NEW: 5})
    large = with_percentages(small, {NEW: 50})
    kept = [photo for photo in PHOTOS if small.share_of(photo).version == "2.1.0"]
    assert kept
    assert {large.share_of(photo).version for photo in kept} == {"2.1.0"}


def test_the_rest_goes_to_the_bundle_that_examined_all_photos() -> None:
    first = with_percentages(None, {OLD: 100})
    assert (percentages(first), first.fallback) == ({"2.0.0": 100}, None)
    trial = with_percentages(first, {NEW: 5}, "a trial")
    assert (percentages(trial), trial.fallback) == ({"2.0.0": 95, "2.1.0": 5}, OLD)
    assert trial.reason == "a trial"
    half = with_percentages(trial, {NEW: 50})
    assert (percentages(half), half.fallback) == ({"2.0.0": 50, "2.1.0": 50}, OLD)
    whole = with_percentages(half, {NEW: 100})
    assert (percentages(whole), whole.fallback) == ({"2.1.0": 100}, OLD)
    next_trial = with_percentages(whole, {NEWEST: 10})
    assert (percentages(next_trial), next_trial.fallback) == ({"2.1.0": 90, "2.2.0": 10}, NEW)


@pytest.mark.parametrize("percent", [5, 50, 100])
def test_one_step_leads_back_to_the_bundle_before_the_roll_out(percent: int) -> None:
    trial = with_percentages(with_percentages(None, {OLD: 100}), {NEW: 5})
    rollout = rolled_back(with_percentages(trial, {NEW: percent}), "errors")
    assert (percentages(rollout), rollout.fallback) == ({"2.0.0": 100}, None)
    assert rollout.reason == "errors"


def test_a_roll_out_that_is_set_to_nothing_leaves_no_fallback() -> None:
    trial = with_percentages(with_percentages(None, {OLD: 100}), {NEW: 5})
    assert with_percentages(trial, {OLD: 100}).fallback is None


def test_setting_the_same_percentages_again_keeps_the_fallback() -> None:
    whole = with_percentages(with_percentages(None, {OLD: 100}), {NEW: 100})
    assert with_percentages(whole, {NEW: 100}).fallback == OLD


def test_the_first_bundle_has_no_predecessor() -> None:
    with pytest.raises(RolloutInvalid, match=r"nothing to go back to: 2\.0\.0 has no predecessor"):
        rolled_back(with_percentages(None, {OLD: 100}))


@pytest.mark.parametrize(
    ("chosen", "problem"),
    [
        ({OLD: 50}, "add up to 50"),
        ({OLD: 60, NEW: 60}, "add up to 120"),
        ({OLD: 40, NEW: 30, NEWEST: 30}, "at most 2"),
        ({OLD: 101}, "^2.0.0=101: a percentage is from 1 to 100"),
        ({OLD: 100, NEW: 0}, "^2.1.0=0: a percentage is from 1 to 100; `rollout back` takes"),
    ],
)
def test_percentages_that_are_wrong_are_refused(
    chosen: dict[NamedBundle, int], problem: str
) -> None:
    with pytest.raises(RolloutInvalid, match=problem):
        with_percentages(None, chosen)


def test_without_a_predecessor_the_largest_share_is_what_a_roll_out_goes_back_to() -> None:
    rollout = with_percentages(None, {NEW: 5, OLD: 95})
    assert rollout.fallback == OLD
    assert [share.percent for share in with_percentages(rollout, {NEW: 10}).shares] == [90, 10]
    assert rolled_back(rollout).largest == OLD


def test_two_new_bundles_at_once_are_refused() -> None:
    whole = with_percentages(None, {OLD: 100})
    with pytest.raises(RolloutInvalid, match=r"to one of them, and 2\.0\.0 keeps the rest"):
        with_percentages(whole, {NEW: 50, NEWEST: 50})


def test_the_stable_bundle_alone_with_less_than_all_photos_names_the_way_out() -> None:
    whole = with_percentages(None, {OLD: 100})
    with pytest.raises(RolloutInvalid, match=r"instead of 100; 2\.0\.0 examined all photos"):
        with_percentages(whole, {OLD: 5})


def test_the_same_percentages_again_change_nothing_but_a_reason() -> None:
    trial = with_percentages(with_percentages(None, {OLD: 100}), {NEW: 5}, "a trial")
    earlier = trial.model_copy(update={"updated": datetime(2026, 11, 1, tzinfo=UTC)})
    assert with_percentages(earlier, {NEW: 5}) == earlier
    again = with_percentages(earlier, {NEW: 5}, "a longer trial")
    assert (again.reason, again.updated) == ("a longer trial", earlier.updated)
