"""Erases inspections with their photos: objects first, then rows.

If it is interrupted, the same call continues: rows are deleted last.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from damage_tasks.results.progress import delete_progress_before
from damage_tasks.results.row_erasure import (
    delete_ended_deliveries,
    delete_inspections,
    find_unshared,
    next_inspections,
    oldest_inspections,
)
from damage_tasks.storage.object_erasure import ObjectEraser
from damage_tasks.storage.object_keys import photo_key
from damage_tasks.storage.s3 import place_of

if TYPE_CHECKING:
    from damage_tasks.contract import InspectionCriteria
    from damage_tasks.results.store import Inspections
    from damage_tasks.settings import Settings
    from damage_tasks.sqs.dead_letters import DeadLetter, DeadLettersOfQueues

# SQS deletes messages after 14 days. Ids of older inspections could be millions.
MESSAGE_LIFETIME = timedelta(days=30)


@dataclass(slots=True)
class ErasureReport:
    """What was erased, and what is elsewhere.

    ``ids`` and ``photo_urls`` are those of erased inspections that may have dead letters.
    ``objects`` counts pictures and kept photos, ``decisions`` those that expired before their
    inspections, ``delivered`` the events that receivers have, by destination, and ``elsewhere``
    the pictures that are not in the bucket.
    """

    ids: set[str] = field(default_factory=set)
    photo_urls: set[str] = field(default_factory=set)
    inspections: int = 0
    decisions: int = 0
    objects: int = 0
    dead_letters: int = 0
    delivered: Counter[str] = field(default_factory=Counter)
    elsewhere: int = 0


class PhotoEraser:
    """Erases photos from the database and the bucket of ``settings``.

    ``announce`` is called with the ids of inspections before they are erased.
    """

    def __init__(
        self,
        store: Inspections,
        settings: Settings,
        announce: Callable[[Sequence[str]], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._announce = announce
        self._base_url = settings.overlay_base_url
        self._objects = ObjectEraser(settings.require("bucket"))

    def erase(self, criteria: InspectionCriteria, report: ErasureReport) -> None:
        """Erase all inspections that fulfil ``criteria``, and add them to ``report``.

        Use `erase_before` for all of a time, which are too many to be noted.

        Pictures and kept photos that other inspections share stay.  Raises `DatabaseUnavailable`,
        `DatabaseError`, `StorageUnavailable` or `StorageError`.
        """
        choose = partial(next_inspections, criteria=criteria)
        while rows := self._erase_some(choose, report):
            _collect(rows, report)

    def erase_photo(self, sha256: str, report: ErasureReport) -> None:
        """Erase all inspections of a photo, and all objects about it, known or not."""
        self.erase({"photo": sha256}, report)
        report.objects += self._objects.erase_photo(sha256)

    def erase_before(
        self, moment: datetime, report: ErasureReport, *, dead_letters: bool = True
    ) -> None:
        """Erase all inspections that ended before ``moment``, and other rows of that time.

        With ``dead_letters``, ``report`` names those that may have dead letters.
        """
        last = None
        while rows := self._erase_some(
            partial(oldest_inspections, before=moment, after=last), report
        ):
            last = rows[-1]
            if dead_letters:
                recent = datetime.now(UTC) - MESSAGE_LIFETIME
                _collect([row for row in rows if row.finished_at > recent], report)
        with self._store.transaction() as connection:
            delete_progress_before(connection, moment)
        deleted = 1
        while deleted:
            with self._store.transaction() as connection:
                deleted = delete_ended_deliveries(connection, moment)

    def _erase_some(self, choose: Callable[[Any], list[Any]], report: ErasureReport) -> list[Any]:
        """Erase the inspections that ``choose`` finds with a connection; returns their rows."""
        with self._store.transaction() as connection:
            rows = choose(connection)
            unshared = find_unshared(connection, rows)
        if rows:
            self._announce([row.id for row in rows])
            self.erase_objects(unshared.photos, unshared.pictures, report)
            with self._store.transaction() as connection:
                report.delivered += delete_inspections(connection, rows)
            report.inspections += len(rows)
        return rows

    def erase_objects(
        self, photos: Iterable[str], pictures: Iterable[str], report: ErasureReport
    ) -> None:
        """Erase kept photos by their digests, and pictures by their addresses."""
        keys = [photo_key(sha256) for sha256 in photos]
        for address in pictures:
            place = place_of(address, self._objects.name, self._base_url)
            if place is not None and place[0] == self._objects.name:
                keys.append(place[1])
            else:
                report.elsewhere += 1
        report.objects += self._objects.erase(keys)


def _collect(rows: Iterable[Any], report: ErasureReport) -> None:
    """Note the inspections in ``rows``, which may have dead letters."""
    for row in rows:
        report.ids.add(row.id)
        if row.photo_url:
            report.photo_urls.add(row.photo_url)


def drop_dead_letters(letters: DeadLettersOfQueues, report: ErasureReport, car_id: Any) -> None:
    """Delete the dead letters of the erased inspections, of their photos, and of the car.

    Raises `QueueUnavailable`.
    """
    with letters.held() as held:
        for letter in _concerned(held, report, car_id):
            letters.drop(letter)
            report.dead_letters += 1


def _concerned(
    held: Iterable[DeadLetter], report: ErasureReport, car_id: Any
) -> Iterable[DeadLetter]:
    for letter in held:
        is_of_car = car_id is not None and str(letter.metadata.get("car_id")) == str(car_id)
        if letter.id in report.ids or letter.photo_url in report.photo_urls or is_of_car:
            yield letter
