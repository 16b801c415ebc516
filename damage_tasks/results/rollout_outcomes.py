"""What became of the photos of each bundle during a roll-out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from typing import TYPE_CHECKING

import sqlalchemy as sa

from damage_tasks.inspection import Verdict, computing_seconds
from damage_tasks.results.quality_counts import find_decided
from damage_tasks.results.tables import inspections

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

MAX_PHOTOS = 20_000  # the newest ones; more would not change the comparison


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Outcomes of the photos that one bundle was the first to examine.

    Only photos that were downloaded count: ``failed`` of ``photos`` have no verdict and ``damaged``
    show damage.  ``seconds`` is the median from decoding to the overlay, None without photos.
    People decided about ``decided`` photos, and ``disagreed`` with the verdict on some of them.
    """

    photos: int = 0
    failed: int = 0
    damaged: int = 0
    seconds: float | None = None
    decided: int = 0
    disagreed: int = 0

    @property
    def examined(self) -> int:
        """The photos with a verdict."""
        return self.photos - self.failed


def find_outcomes(
    connection: Connection, since: datetime, versions: Mapping[str, str]
) -> dict[str, Outcomes]:
    """The outcomes since ``since`` by digest; ``versions`` maps digests to their versions."""
    c = inspections.c
    ended = sa.or_(c.final_after.is_(None), c.final_after < datetime.now(UTC))
    query = (
        sa.select(c.bundle_digest, c.verdict, c.timings_ms)
        .where(
            c.finished_at >= since,
            c.bundle_digest.in_(versions),
            # The photo's bytes choose its bundle. A failure before they are downloaded is stored
            # with the bundle that has the largest share.
            c.photo_sha256.is_not(None),
            c.reused.is_(False),
            c.verdict.in_([str(Verdict.DAMAGED), str(Verdict.CLEAN), str(Verdict.FAILED)]),
            ended,
        )
        .order_by(c.finished_at.desc())
        .limit(MAX_PHOTOS)
    )
    verdicts: dict[str, Counter[str]] = {digest: Counter() for digest in versions}
    seconds: dict[str, list[float]] = defaultdict(list)
    for digest, verdict, timings in connection.execute(query):
        verdicts[digest][verdict] += 1
        if verdict != Verdict.FAILED:
            seconds[digest].append(computing_seconds(timings))
    decided: Counter[str] = Counter()
    disagreed: Counter[str] = Counter()
    for photo in find_decided(connection, since, audit_share=0.0):
        if photo.damaged is not None:
            decided[photo.kind.bundle] += 1
            disagreed[photo.kind.bundle] += photo.damaged != photo.kind.found
    return {
        digest: Outcomes(
            photos=verdicts[digest].total(),
            failed=verdicts[digest][Verdict.FAILED],
            damaged=verdicts[digest][Verdict.DAMAGED],
            seconds=median(seconds[digest]) if seconds[digest] else None,
            decided=decided[version],
            disagreed=disagreed[version],
        )
        for digest, version in versions.items()
    }
