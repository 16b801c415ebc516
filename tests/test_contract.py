"""Every result conforms to the published contract."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from damage_tasks.contract import InspectionOptions
from damage_tasks.damage import Damage
from damage_tasks.inspection import PhotoFacts, Reason, Verdict
from tests.result_contract import FIRST_SCHEMA, SCHEMA, check_result
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


WITHOUT_MASK = {"mask_url": None}
WITHOUT_PICTURES = {"overlay_url": None, "mask_url": None}
FIRST = jsonschema.Draft202012Validator(FIRST_SCHEMA)


def found(*damages: Damage, **changes: Any) -> dict[str, Any]:
    return dict(inspection("task-1", finding(*damages, **changes)).to_dict())


@pytest.mark.parametrize("damages", [(), (damage(),)])
def test_a_result_with_its_pictures_keeps_both_contracts(damages: tuple[Damage, ...]) -> None:
    everything = check_result(found(*damages))
    assert everything["contract"] == 1
    FIRST.validate(everything)


@pytest.mark.parametrize("lacks", [WITHOUT_MASK, WITHOUT_PICTURES])
@pytest.mark.parametrize("damages", [(), (damage(),)])
def test_a_photo_without_a_picture_is_announced_by_contract_2(
    damages: tuple[Damage, ...], lacks: dict[str, None]
) -> None:
    without = check_result(found(*damages, **lacks))
    assert without["contract"] == 2
    (error,) = (e for e in FIRST.iter_errors(without) if list(e.path) == ["contract"])
    assert error.message == "1 was expected"


def test_a_reader_of_contract_1_that_does_not_check_it_reads_a_clean_photo_without_a_mask() -> None:
    lenient = {**found(**WITHOUT_MASK), "contract": 1}
    FIRST.validate(lenient)


def test_a_photo_that_was_not_examined_keeps_contract_1() -> None:
    rejected = found(
        verdict=Verdict.REJECTED, reason=Reason("not_a_car", "no car"), **WITHOUT_PICTURES
    )
    rejected["reason"] = {"code": "not_a_car", "text": "no car"}
    assert check_result(rejected)["contract"] == 1
    FIRST.validate(rejected)


@pytest.mark.parametrize(
    "wrong", [{"contract": 2}, {"contract": 3}, {"mask_url": None}, {"overlay_url": None}]
)
def test_the_contract_of_a_result_says_whether_it_has_its_pictures(wrong: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        check_result(result(**wrong))


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
