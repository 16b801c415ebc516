"""Work lists and filters in addresses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from damage_tasks.errors import SearchInvalid
from damage_tasks.results.work_lists import WorkList
from damage_tasks.review.days import midnight
from damage_tasks.review.selections import ListAddress, inspection_path
from damage_tasks.settings import Settings

FILTERS = {"car": "7", "type": "dent", "min_score": "20", "max_score": "80.5", "bundle": "1.0.0",
           "since": "2026-11-01", "until": "2026-11-02", "verdict": "damaged",
           "severity": "severe", "case": "c-1", "camera": "Apple", "rental": "r 1"}  # fmt: skip


def test_filters_become_criteria() -> None:
    selection = ListAddress.of("all", {**FILTERS, "other": "x"}).selection(Settings())
    assert {name: value for name, value in selection.criteria.items() if value is not None} == {
        "car_id": "7", "type": "dent", "verdict": "damaged", "min_score": 0.2,
        "severity": "severe", "case_id": "c-1", "camera": "Apple", "rental_id": "r 1",
        "since": datetime(2026, 11, 1, tzinfo=UTC), "until": datetime(2026, 11, 3, tzinfo=UTC),
    }  # fmt: skip
    assert (selection.max_score, selection.bundle_version) == (0.805, "1.0.0")


def test_days_are_those_of_the_time_zone() -> None:
    # The clocks in Berlin go back an hour on that day.
    address = ListAddress.of("all", {"since": "2026-10-25", "until": "2026-10-25"})
    criteria = address.selection(Settings(time_zone="Europe/Berlin")).criteria
    assert criteria["since"] == datetime(2026, 10, 24, 22, tzinfo=UTC)
    assert criteria["until"] == datetime(2026, 10, 25, 23, tzinfo=UTC)


def test_a_day_begins_at_its_midnight() -> None:
    for minute, day in ((59, 28), (60, 29)):
        now = datetime(2026, 11, 29, 14, tzinfo=UTC) + timedelta(minutes=minute)
        assert midnight("Asia/Seoul", now) == datetime(2026, 11, day, 15, tzinfo=UTC)


@pytest.mark.parametrize("zone", ["UTC", "Asia/Seoul", "America/New_York"])
def test_the_first_and_the_last_day_of_the_calendar_are_days(zone: str) -> None:
    address = ListAddress.of("all", {"since": "0001-01-01", "until": "9999-12-31"})
    criteria = address.selection(Settings(time_zone=zone)).criteria
    begin, end = criteria["since"], criteria["until"]
    assert begin and begin < datetime(1, 1, 2, tzinfo=UTC)
    assert end and end > datetime(9999, 12, 31, tzinfo=UTC)


def test_an_address_keeps_its_filters() -> None:
    address = ListAddress.of("unsure", {**FILTERS, "car": "7 & ä?"})
    assert ListAddress.of_path(address.path) == address
    assert ListAddress.of_path("all") == ListAddress(WorkList.ALL, {})
    assert inspection_path("a/b?c") == "/inspections/a%2Fb%3Fc"


@pytest.mark.parametrize(
    ("name", "value"),
    [("min_score", "101"), ("max_score", "x"), ("max_score", "nan"), ("since", "tomorrow"),
     ("until", "10000-01-01"), ("since", "2026-11-22T12:00"), ("verdict", "maybe")],
)  # fmt: skip
def test_a_wrong_filter_is_named(name: str, value: str) -> None:
    with pytest.raises(SearchInvalid, match=f"^{name}: "):
        ListAddress.of("all", {name: value}).selection(Settings())


@pytest.mark.parametrize(
    ("first", "one", "relation", "last", "other"),
    [("since", "2026-11-05", "after", "until", "2026-11-04"),
     ("min_score", "80", "greater than", "max_score", "20")],
)  # fmt: skip
def test_a_range_that_ends_before_it_begins_is_refused(
    first: str, one: str, relation: str, last: str, other: str
) -> None:
    with pytest.raises(SearchInvalid, match=f"^{first}: {one} is {relation} {last} {other}"):
        ListAddress.of("all", {first: one, last: other}).selection(Settings())
    assert ListAddress.of("all", {first: one, last: one}).selection(Settings())


def test_an_unknown_list_is_named() -> None:
    with pytest.raises(SearchInvalid, match="no work list none"):
        ListAddress.of("none", {})
