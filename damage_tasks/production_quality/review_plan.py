"""Which photos people look at, and what errors and their time cost: by settings or the manifest."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any, Literal

from damage_tasks.errors import BundleError, BundleNotFound, BundleUnavailable
from damage_tasks.inspection import REVIEW_BAND
from damage_tasks.results.list_orders import ErrorCosts
from damage_tasks.storage.aws_clients import new_client
from model_store.fetch import fetch_manifest

if TYPE_CHECKING:
    from damage_tasks.settings import Settings
    from model_store.manifest import Review

logger = logging.getLogger(__name__)

Origin = Literal["setting", "manifest", "default"]

READ_SECONDS = 600.0  # between two reads of the manifest, which changes during a roll-out
FIRST_READ_SECONDS = 2.0  # that a page waits at most for the first one


@dataclass(frozen=True, slots=True)
class Expected:
    """What `model_training bands` found on validation photos, for 1000 photos of the fleet.

    ``share`` (0 to 1) of them goes to people; ``without_people`` is the cost if nobody looks, None
    if the manifest does not say.
    """

    share: float
    missed: float
    false_alarms: float
    hours: float
    cost: float
    without_people: float | None


@dataclass(frozen=True, slots=True)
class ReviewPlan:
    """The review band of photos to come, and the costs.

    ``costs`` are those of a missed damaged photo, of a false alarm and of a minute of an inspector;
    None if nobody has named them.  ``prevalence`` is the share of damaged photos.  ``expected``
    is about the manifest's band; None if another one is used.
    """

    band: tuple[float, float]
    band_origin: Origin
    costs: tuple[float, float, float] | None
    costs_origin: Origin
    prevalence: float | None
    expected: Expected | None = None

    @property
    def error_costs(self) -> ErrorCosts:
        """What orders unsure photos; all errors cost the same if nobody has named the costs."""
        costs = ErrorCosts()
        if self.costs is not None and any(self.costs[:2]):
            costs = costs._replace(missed=self.costs[0], false_alarm=self.costs[1])
        if self.prevalence is not None:
            costs = costs._replace(prevalence=self.prevalence)
        return costs

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def read_review(settings: Settings) -> Review | None:
    """The ``review`` of the manifest of DAMAGE_BUNDLE; None without one, or without access."""
    try:
        return fetch_manifest(settings.bundle, settings.bundle_cache, new_client).review
    except (BundleError, BundleNotFound, BundleUnavailable) as error:
        logger.info("the costs of a manifest are unknown: %s", error)
        return None


def plan_of(settings: Settings, review: Review | None) -> ReviewPlan:
    """What the settings say, and the manifest's ``review`` where they say nothing."""
    band_origin: Origin = "setting"
    costs_origin: Origin = "setting"
    band, costs = settings.review_band, settings.review_costs
    if band is None:
        band, band_origin = REVIEW_BAND, "default"
        if review is not None:
            band, band_origin = (review.low, review.high), "manifest"
    of_manifest = review.costs if review else None
    if costs is None:
        costs_origin = "default"
        if of_manifest is not None:
            costs_origin = "manifest"
            costs = (
                of_manifest.missed, of_manifest.false_alarm, of_manifest.minute_of_inspector,
            )  # fmt: skip
    prevalence = settings.review_prevalence
    if prevalence is None and of_manifest is not None:
        prevalence = of_manifest.prevalence
    return ReviewPlan(
        band, band_origin, costs, costs_origin, prevalence,
        _expected(review.expected) if review and band_origin == "manifest" else None,
    )  # fmt: skip


class ReviewPlans:
    """The current plan; the manifest is read in the background, because a bucket may be slow."""

    def __init__(
        self, settings: Settings, read: Callable[[Settings], Review | None] = read_review
    ) -> None:
        self._settings = settings
        self._read = read
        self._review: Review | None = None
        self._started_at = -math.inf
        self._reading: Thread | None = None
        self._has_read = Event()
        self._lock = Lock()

    def current(self) -> ReviewPlan:
        """The plan by the settings and the manifest that was read last."""
        with self._lock:
            is_reading = self._reading is not None and self._reading.is_alive()
            if not is_reading and time.monotonic() >= self._started_at + READ_SECONDS:
                self._started_at = time.monotonic()
                self._reading = Thread(target=self._refresh, name="manifest", daemon=True)
                self._reading.start()
        self._has_read.wait(FIRST_READ_SECONDS)
        return plan_of(self._settings, self._review)

    def _refresh(self) -> None:
        try:
            self._review = self._read(self._settings) or self._review
        finally:
            self._has_read.set()


def _expected(figures: dict[str, float]) -> Expected | None:
    try:
        return Expected(
            share=figures["share"],
            missed=figures["missed_per_1000"],
            false_alarms=figures["false_alarms_per_1000"],
            hours=figures["hours_per_1000"],
            cost=figures["cost_per_1000"],
            without_people=figures.get("cost_per_1000_without_people"),
        )
    except KeyError:
        return None
