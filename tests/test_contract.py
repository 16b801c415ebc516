"""Every result conforms to the published contract."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from damage_tasks.contract import InspectionOptions
from damage_tasks.inspection import PhotoFacts, Reason, Verdict
from tests.result_contract import SCHEMA, check_result
from tools.sample_pictures_and_results import damage, finding, inspection


def result(**changes: Any) -> dict[str, Any]:
    return {**inspection("task-1", finding(damage())).to_dict(), **changes}


def test_a_damaged_photo_keeps_the_contract() -> None:
    check_result(result())


def test_a_clean_photo_keeps_the_contract() -> None:
    assert check_result(inspection().to_dict())["damage_score"] == 0.1


def test_a_rejected_photo_keeps_the_contract() -> None:
    rejected = inspection(
        verdict=Verdict.REJECTED,
        finding=None,
        photo=PhotoFacts(),
        photo_url=None,
        reason=Reason("photo_not_found", "404"),
    )
    assert check_result(rejected.to_dict())["reason"]["code"] == "photo_not_found"


def test_every_field_is_described_and_required() -> None:
    assert set(SCHEMA["required"]) == set(SCHEMA["properties"]) == set(result())


def test_readers_that_validate_accept_fields_that_are_added_later() -> None:
    later = result(surprise=1, photo={**result()["photo"], "camera": "left"})
    jsonschema.Draft202012Validator(SCHEMA).validate(later)
    with pytest.raises(jsonschema.ValidationError):
        check_result(later)


@pytest.mark.parametrize(
    "change",
    [
        {"verdict": "maybe"},
        {"damage_score": 1.2},
        {"damages": []},
        {"reason": {"code": "Not A Code", "text": ""}},
        {"surprise": 1},
        {"attempts": 0},
        {"finished_at": None, "bundle": None},
        {"billable": None},
        {"decisions": [{"action": "guess"}]},
    ],
)
def test_a_result_that_breaks_the_contract_is_noticed(change: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        check_result(result(**change))


def test_the_callers_page_lists_every_option_of_an_inspection() -> None:
    page = (Path(__file__).parents[1] / "docs/callers.md").read_text()
    table = page.partition("### Options")[2].partition("\n### ")[0]
    names = re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)))
    assert sorted(names) == sorted(InspectionOptions.__annotations__)
