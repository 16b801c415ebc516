"""The orders of work lists, each of which an index has.

Unsure photos begin with those where a person's look avoids the greatest cost: the networks' verdict
is wrong with a probability that follows from the damage score, and then costs as much as a missed
damaged photo or a false alarm. A look costs the same for each photo.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from damage_tasks.inspection import Verdict
from damage_tasks.results.tables import inspections

if TYPE_CHECKING:
    from sqlalchemy.engine import Row

_TINY = 1e-9  # keeps the odds of certain scores finite
_MARGIN = 1e-6  # of scores; more than rounding can change them


class ErrorCosts(NamedTuple):
    """What errors cost, in any currency, and the share of damaged photos among all.

    ``missed``: a damaged photo that counts as clean; ``false_alarm``: the opposite. A damage score
    is the probability of damage if half of the photos are damaged.
    """

    missed: float = 1.0
    false_alarm: float = 1.0
    prevalence: float = 0.5

    @property
    def prior_odds(self) -> float:
        """How many photos are damaged for each clean one."""
        return self.prevalence / (1 - self.prevalence)


class ByColumn(NamedTuple):
    """All inspections of a list, in the order of the column ``key``."""

    key: sa.ColumnElement[Any]
    descends: bool

    @property
    def condition(self) -> sa.ColumnElement[bool]:
        """Which inspections."""
        return sa.true()

    def order_by(self) -> list[sa.ColumnElement[Any]]:
        """What comes first."""
        return [part.desc() if self.descends else part for part in (self.key, inspections.c.id)]

    def cost(self, _: ErrorCosts) -> sa.ColumnElement[Any]:
        """The same for all."""
        return sa.literal(0.0)

    def position(self, id: str, _: ErrorCosts) -> sa.Select[Any]:
        """The query of what `after` needs to know about the inspection ``id``."""
        return sa.select(inspections.c.id, self.key.label("key")).where(inspections.c.id == id)

    def after(self, last: Row[Any], _: ErrorCosts) -> sa.ColumnElement[bool]:
        """The inspections after ``last``."""
        here = sa.tuple_(self.key, inspections.c.id)
        there = sa.tuple_(sa.literal(last.key, self.key.type), sa.literal(last.id))
        return here < there if self.descends else here > there


class ByCost(NamedTuple):
    """The photos with one verdict, whose expected cost only rises or only falls with the score.

    So an index of the scores has their order, whatever the costs are.
    """

    is_damaged: bool

    @property
    def condition(self) -> sa.ColumnElement[bool]:
        """Which inspections."""
        verdict = Verdict.DAMAGED if self.is_damaged else Verdict.CLEAN
        return inspections.c.verdict == sa.literal_column(f"'{verdict}'")

    def order_by(self) -> list[sa.ColumnElement[Any]]:
        """The greatest cost first."""
        parts = (inspections.c.damage_score, inspections.c.id)
        return [part if self.is_damaged else part.desc() for part in parts]

    def cost(self, costs: ErrorCosts) -> sa.ColumnElement[Any]:
        """The expected cost of a wrong verdict.

        Each step rounds, but never changes the order of two scores: pages depend on it.
        """
        score, clean = inspections.c.damage_score, 1.0 - inspections.c.damage_score
        if self.is_damaged:
            return costs.false_alarm / (1.0 + score / (clean + _TINY) * costs.prior_odds)
        return costs.missed / (1.0 + clean / (score + _TINY) / costs.prior_odds)

    def position(self, id: str, costs: ErrorCosts) -> sa.Select[Any]:
        """The query of what `after` needs to know about the inspection ``id`` of either verdict."""
        c, clean, damaged = inspections.c, *BY_COST
        cost = sa.case((damaged.condition, damaged.cost(costs)), else_=clean.cost(costs))
        columns = (c.id, c.verdict, c.damage_score.label("score"), cost.label("cost"))
        return sa.select(*columns).where(c.id == id)

    def after(self, last: Row[Any], costs: ErrorCosts) -> sa.ColumnElement[bool]:
        """The photos of this verdict after ``last``; at the same cost, clean photos come first."""
        c = inspections.c
        if (last.verdict == Verdict.DAMAGED) is self.is_damaged:
            here, there = sa.tuple_(c.damage_score, c.id), sa.tuple_(last.score, last.id)
            return here > there if self.is_damaged else here < there
        # The limit of the score is not exact, but it is one that the index knows.
        if self.is_damaged:
            odds = max(costs.false_alarm / last.cost - 1, 0.0) if last.cost else 0.0
            least = odds / (odds + costs.prior_odds)
            return sa.and_(c.damage_score >= least - _MARGIN, self.cost(costs) <= last.cost)
        odds = max(costs.missed / last.cost - 1, 0.0) if last.cost else 0.0
        most = 1 / (1 + odds * costs.prior_odds)
        return sa.and_(c.damage_score <= most + _MARGIN, self.cost(costs) < last.cost)


BY_COST = (ByCost(is_damaged=False), ByCost(is_damaged=True))
