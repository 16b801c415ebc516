"""Work lists and filters as in the address of a page."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import MINYEAR, UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, cast
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from damage_tasks.errors import SearchInvalid
from damage_tasks.inspection import Verdict
from damage_tasks.results.list_orders import ErrorCosts
from damage_tasks.results.work_lists import Selection, WorkList
from damage_tasks.review.days import DAY, begin_of

if TYPE_CHECKING:
    from damage_tasks.contract import InspectionCriteria
    from damage_tasks.contract import Severity as SeverityName
    from damage_tasks.contract import Verdict as VerdictName
    from damage_tasks.settings import Settings

FILTERS = (
    "verdict", "type", "severity", "min_score", "max_score", "car", "rental", "case", "since",
    "until", "bundle", "camera",
)  # fmt: skip
DEFAULT_LIST = WorkList.UNSURE


@dataclass(frozen=True, slots=True)
class ListAddress:
    """A work list with its filters, as texts."""

    work_list: WorkList
    filters: Mapping[str, str]

    @classmethod
    def of(cls, name: str, parameters: Mapping[str, str]) -> ListAddress:
        """The list ``name`` with the filters among ``parameters``; raises `SearchInvalid`."""
        try:
            work_list = WorkList(name)
        except ValueError:
            raise SearchInvalid(f"there is no work list {name}") from None
        filters = {key: parameters[key].strip() for key in FILTERS if parameters.get(key)}
        return cls(work_list, {key: value for key, value in filters.items() if value})

    @classmethod
    def of_path(cls, path: str) -> ListAddress:
        """The list at ``path``, as in the property of that name; raises `SearchInvalid`."""
        parts = urlsplit(path)
        return cls.of(parts.path.removeprefix("/lists/"), dict(parse_qsl(parts.query)))

    @property
    def path(self) -> str:
        """Path and query of the list."""
        query = urlencode(self.filters)
        return f"/lists/{self.work_list}" + (f"?{query}" if query else "")

    @property
    def counts_path(self) -> str:
        """Path and query of the numbers of inspections under these filters."""
        return f"/lists/{self.work_list}/counts?{urlencode(self.filters)}"

    def next_page(self, after: str) -> str:
        """The page of the list that begins after the inspection ``after``."""
        return f"/lists/{self.work_list}?{urlencode({**self.filters, 'after': after})}"

    def with_list(self, work_list: WorkList) -> ListAddress:
        """The same filters with another list."""
        return ListAddress(work_list, self.filters)

    def address(self, path: str, **more: str) -> str:
        """``path`` with this list and its filters in the query."""
        return f"{path}?{urlencode({'list': str(self.work_list), **self.filters, **more})}"

    def selection(self, settings: Settings, costs: ErrorCosts | None = None) -> Selection:
        """What to read from the database; raises `SearchInvalid` naming the filter.

        ``costs`` of errors order unsure photos; by default all errors cost the same.
        """
        given = self.filters
        criteria: InspectionCriteria = {
            "car_id": given.get("car"),
            "rental_id": given.get("rental"),
            "case_id": given.get("case"),
            "camera": given.get("camera"),
            "type": given.get("type"),
            "severity": cast("SeverityName | None", given.get("severity")),
            "verdict": _verdict(given.get("verdict")),
            "min_score": _score("min_score", given.get("min_score")),
            "since": _day("since", given.get("since"), settings.time_zone),
            "until": _day("until", given.get("until"), settings.time_zone, DAY),
        }
        max_score = _score("max_score", given.get("max_score"))
        since, until = criteria["since"], criteria["until"]
        if since is not None and until is not None and since >= until:
            raise self._is_reversed("since", "after", "until")
        lowest = criteria["min_score"]
        if lowest is not None and max_score is not None and lowest > max_score:
            raise self._is_reversed("min_score", "greater than", "max_score")
        return Selection(
            self.work_list,
            criteria,
            max_score=max_score,
            bundle_version=given.get("bundle"),
            audit_share=settings.review_audit_share,
            costs=costs or ErrorCosts(),
        )

    def _is_reversed(self, first: str, relation: str, last: str) -> SearchInvalid:
        one, other = self.filters[first], self.filters[last]
        return SearchInvalid(f"{first}: {one} is {relation} {last} {other}; exchange the two")


def inspection_path(id: str) -> str:
    """The path of the page of the inspection ``id``."""
    return f"/inspections/{quote(id, safe='')}"


def _verdict(text: str | None) -> VerdictName | None:
    if text is not None and text not in [str(verdict) for verdict in Verdict]:
        raise SearchInvalid(f"verdict: {text} is not one of {', '.join(Verdict)}")
    return cast("VerdictName | None", text)


def _score(name: str, text: str | None) -> float | None:
    """A percentage as a share."""
    if text is None:
        return None
    try:
        share = float(text) / 100
    except ValueError:
        share = math.nan
    if not 0 <= share <= 1:
        raise SearchInvalid(f"{name}: must be a number from 0 to 100")
    return share


def _day(name: str, text: str | None, zone: str, later: timedelta = timedelta()) -> datetime | None:
    """When the day ``text`` begins in ``zone``, or ``later`` days after it."""
    if text is None:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise SearchInvalid(f"{name}: must be a day like 2026-11-22") from None
    try:
        return begin_of(day + later, zone)
    except OverflowError:  # the calendar ends in the year 9999, and begins in 1
        if day.year == MINYEAR:
            return datetime.min.replace(tzinfo=UTC)
        return datetime.max.replace(tzinfo=UTC)
