"""The other photos of a case, and the earlier photos of a car, of another occasion."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from damage_tasks.damage_history import Evidence
from damage_tasks.inspection import Inspection, Reason, Verdict
from damage_tasks.results.car_photos import (
    find_case_photos,
    find_comparisons,
    find_earlier_photos,
    save_comparison,
)
from damage_tasks.results.store import Inspections
from tools.sample_pictures_and_results import inspection

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def photo(id: str, hours: float = 0, car: Any = 7, **changes: Any) -> Inspection:
    """An inspection that ended ``hours`` hours before noon."""
    changes.setdefault("sha256", f"{abs(hash(id)):064x}"[:64])
    changes.setdefault("finished_at", NOON - timedelta(hours=hours))
    return inspection(id, metadata={"car_id": car} if car is not None else {}, **changes)


def earlier(store: Inspections, *photos: Inspection, of: Inspection, **limits: Any) -> list[str]:
    for each in (*photos, of):
        store.save(each)
    with store.transaction() as connection:
        limits = {"days": 30, "limit": 10, **limits}
        return [each.id for each in find_earlier_photos(connection, of, **limits)]


def test_the_latest_earlier_photos_of_the_car_come_first(store: Inspections) -> None:
    photos = [photo(f"{hours} h", hours) for hours in (2, 48, 24, 24 * 31, -1)]
    other = photo("other car", 24, car=8)
    assert earlier(store, *photos, other, of=photo("now")) == ["2 h", "24 h", "48 h"]
    assert earlier(store, of=photo("now"), limit=2) == ["2 h", "24 h"]
    assert earlier(store, of=photo("now"), days=1) == ["2 h", "24 h"]


def test_photos_of_the_same_occasion_do_not_count(store: Inspections) -> None:
    photos = [
        photo("same case", 20, case_id="return-1"),
        photo("case before", 0.5, case_id="return-0"),
        photo("no case", 0.5),
        photo("no case before", 3),
    ]
    assert earlier(store, *photos, of=photo("in a case", case_id="return-1")) == [
        "case before", "no case before",
    ]  # fmt: skip
    assert earlier(store, of=photo("in no case")) == ["no case before", "same case"]


def test_the_same_photo_and_photos_without_a_finding_do_not_count(store: Inspections) -> None:
    photos = [
        photo("sent twice", 5, sha256="c" * 64),
        photo("unusable", 6, verdict=Verdict.REJECTED, finding=None, reason=Reason("a", "b")),
    ]
    assert earlier(store, *photos, of=photo("now", sha256="c" * 64)) == []


@pytest.mark.parametrize("car", [None, True, [7], {"id": 7}])
def test_without_a_usable_car_there_are_no_earlier_photos(store: Inspections, car: Any) -> None:
    assert earlier(store, photo("before", 5, car=car), of=photo("now", car=car)) == []


def test_other_photos_of_a_case_are_found_in_order_and_bounded(store: Inspections) -> None:
    for number in range(4):
        store.save(photo(f"photo {number}", 5 - number, case_id="return-1"))
    store.save(photo("other", case_id="return-2"))
    own = photo("photo 1", case_id="return-1")
    with store.transaction() as connection:
        found = [each.id for each in find_case_photos(connection, own, 2)]
        assert found == ["photo 0", "photo 2"]
        assert find_case_photos(connection, photo("alone"), 2) == []


def test_a_comparison_is_stored_once_for_each_version(store: Inspections) -> None:
    for each in (photo("now"), photo("before", 5)):
        store.save(each)
    with store.transaction() as connection:
        save_comparison(connection, "now", "before", 1, [Evidence.ABSENT, Evidence.MARKED])
        save_comparison(connection, "now", "before", 1, [Evidence.OTHER_VIEW])
        save_comparison(connection, "now", "before", 2, [])
        save_comparison(connection, "now", "erased", 1, [])
        assert find_comparisons(connection, "now", 1) == {
            "before": [Evidence.ABSENT, Evidence.MARKED]
        }
        assert find_comparisons(connection, "now", 2) == {"before": []}
