"""Looks up inspections for callers, by id or by other criteria."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, cast

from damage_tasks.contract import InspectionPage

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from damage_tasks.contract import (
        CaseResult,
        InspectionCriteria,
        InspectionResult,
        ProgressResult,
    )
    from damage_tasks.storage.picture_links import PictureLinks


def get_inspection(id: str, *, links: bool = False) -> InspectionResult | ProgressResult | None:
    """The result of the inspection ``id`` (the task id), or its progress until there is one.

    ``state`` is ``done`` once there is a verdict, and the dictionary then follows
    ``docs/reference/inspection.schema.json``.  With ``running`` and ``retrying`` (with ``reason``
    and ``next_attempt_at``), ``verdict`` is None and the dictionary follows
    ``docs/reference/progress.schema.json``.  None if nothing is known: the photo is waiting in the
    queue, was received only seconds ago, or was never sent.

    With ``links``, ``overlay_url`` and ``mask_url`` are links that a person can open for a limited
    time; DAMAGE_LINKS chooses which.

    Needs ``pip install damage-tasks[results]`` and ``DAMAGE_DATABASE_URL``.  Raises
    `DatabaseUnavailable`, `DatabaseError` or `ExtraMissing`, or `SettingsError` for ``links``.
    """
    from damage_tasks.inspection_id import storable_id
    from damage_tasks.results.celery_backend import open_inspections

    found = open_inspections().find_outcome(storable_id(id))
    if found is None:
        return None
    result = cast("InspectionResult | ProgressResult", found.to_dict())
    return with_links(result) if links and result["state"] == "done" else result


def get_case(case_id: str) -> CaseResult | None:
    """The summary of the photos with the option ``case_id``; None if none of them has a verdict.

    Needs and raises the same as `get_inspection`.
    """
    from damage_tasks.inspection_id import storable_id
    from damage_tasks.results.celery_backend import open_inspections

    return cast("CaseResult | None", open_inspections().find_case(storable_id(case_id)))


def find_inspections(
    *,
    limit: int = 100,
    cursor: str | None = None,
    links: bool = False,
    **criteria: Unpack[InspectionCriteria],
) -> InspectionPage:
    """The inspections that fulfil all ``criteria``, newest first, at most ``limit`` (to 1000).

    `InspectionCriteria` describes the criteria. The next page begins at the ``cursor`` of this
    one, with the same criteria; ``cursor`` is None on the last page. Photos without a verdict are
    not found. ``links`` has the same effect as in `get_inspection`.

    Needs ``pip install damage-tasks[results]`` and ``DAMAGE_DATABASE_URL``.  Raises
    `SearchInvalid`, `DatabaseUnavailable`, `DatabaseError` or `ExtraMissing`.
    """
    from damage_tasks.results.celery_backend import open_inspections

    found, following = open_inspections().search(criteria, limit, cursor)
    results = [cast("InspectionResult", inspection.to_dict()) for inspection in found]
    return InspectionPage(list(map(with_links, results)) if links else results, following)


def iter_inspections(
    *, links: bool = False, **criteria: Unpack[InspectionCriteria]
) -> Iterator[InspectionResult]:
    """All inspections that fulfil ``criteria``, newest first, read page by page.

    Raises as `find_inspections` does.
    """
    cursor: str | None = None
    while True:
        page = find_inspections(cursor=cursor, links=links, **criteria)
        yield from page.inspections
        if (cursor := page.cursor) is None:
            return


def with_links(result: InspectionResult) -> InspectionResult:
    """A copy of ``result`` in which a person can open ``overlay_url`` and ``mask_url``.

    Raises `SettingsError` if DAMAGE_LINKS chooses no links.
    """
    return cast("InspectionResult", _picture_links().opened(result))


@cache
def _picture_links() -> PictureLinks:
    from damage_tasks.settings import get_settings
    from damage_tasks.storage.picture_links import PictureLinks

    return PictureLinks(get_settings())
