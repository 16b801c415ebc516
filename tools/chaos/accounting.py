"""Compares what was sent with what is stored and with the dead letters."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tools.chaos.fault_plan import Fault
from tools.chaos.sender import Sent
from tools.hostile.hostile_case import EXAMINED

_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Row:
    """An inspection as stored; ``finished`` in seconds since 1970."""

    id: str
    outcome: str  # verdict and, if there is one, its reason's code
    attempts: int
    finished: float
    finding: int | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """What a run leaves: rows, findings by number, pictures by key.

    ``findings`` are the digests of photo and bundle, ``addresses`` those of the pictures.
    """

    rows: list[Row]
    findings: dict[int, str]
    addresses: dict[int, list[str]]
    pictures: list[str]
    dead_letters: Counter[str]
    left_on_queue: int = 0


@dataclass
class Account:
    """``table`` is printed; ``problems`` describe everything that is wrong."""

    table: dict[str, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether there are no problems."""
        return not self.problems

    def lines(self) -> list[str]:
        """The table, one ``name: number`` per line."""
        return [f"{name}: {number:g}" for name, number in self.table.items()]

    def write(self, path: Path, **more: Any) -> None:
        """Write the table as JSON, together with ``more``."""
        path.parent.mkdir(parents=True, exist_ok=True)
        found = {"ok": self.ok, **more, "table": self.table, "problems": self.problems}
        path.write_text(json.dumps(found, indent=1) + "\n")


def reckon(sent: dict[str, Sent], stored: Stored) -> Account:
    """Compare: nothing may be lost or duplicated, and each outcome must be an expected one."""
    rows = {row.id: row for row in stored.rows}
    dead = set(stored.dead_letters)
    lost = _lost(sent, rows, dead)
    doubled = _doubled(sent, stored, rows, dead)
    blind = _without_pictures(stored)
    wrong = _wrong_outcomes(sent, rows)
    outcomes = [rows[id].outcome for id in sent if id in rows]
    verdicts = Counter(outcome.partition(" ")[0] for outcome in outcomes)
    account = Account()
    account.table = {
        "sent": len(sent),
        **{f"stored {verdict}": count for verdict, count in sorted(verdicts.items())},
        "dead letters": len(dead),
        **{f"dead letters {code}": count for code, count in sorted(_reasons(rows, dead).items())},
        "lost": len(lost),
        "doubled": len(doubled),
        "without pictures": len(blind),
        "photos with another outcome": sum(not line.startswith("hostile") for line in wrong),
        "hostile inputs": sum(what.hostile for what in sent.values()),
        "hostile inputs with another code": sum(line.startswith("hostile") for line in wrong),
        "left on the queue": stored.left_on_queue,
        "tried more than once": sum(row.attempts > 1 for row in stored.rows),
        "longest wait in seconds": round(_longest_wait(sent, rows), 1),
    }
    account.problems += [f"lost: {sent[id].name} ({id})" for id in lost]
    account.problems += [f"doubled: {what}" for what in doubled]
    account.problems += [f"stored without its pictures: finding {number}" for number in blind]
    account.problems += wrong
    if stored.left_on_queue:
        account.problems.append(f"{stored.left_on_queue} messages are left on the queue")
    return account


def _failed(rows: dict[str, Row]) -> set[str]:
    return {id for id, row in rows.items() if row.outcome.startswith("failed")}


def _lost(sent: dict[str, Sent], rows: dict[str, Row], dead: set[str]) -> list[str]:
    """Ids without a row or a dead letter, then failed ones that cannot be sent again."""
    lost = [id for id in sent if id not in rows and id not in dead]
    # The dead-letter queue must contain everything that failed, so that it can be sent again.
    return lost + [id for id in _failed(rows) & set(sent) if id not in dead]


def _doubled(
    sent: dict[str, Sent], stored: Stored, rows: dict[str, Row], dead: set[str]
) -> list[str]:
    """Descriptions of rows, findings, pictures and dead letters that should not exist."""
    with_verdict = rows.keys() - _failed(rows)
    return [
        *(f"an inspection without a message: {id}" for id in rows.keys() - sent.keys()),
        *(f"a second row of {id}" for id in _repeated(row.id for row in stored.rows)),
        *(f"a second finding of photo {sha}" for sha in _repeated(stored.findings.values())),
        *(f"a second overlay or mask: {key}" for key in _repeated(_names(stored.pictures))),
        *(f"a dead letter with a verdict: {id}" for id in sorted(dead & with_verdict)),
    ]


def _without_pictures(stored: Stored) -> list[int]:
    """Numbers of findings without an overlay, or with an address at which there is nothing."""
    keys = set(stored.pictures)
    return [
        number
        for number in stored.findings
        if not (named := stored.addresses.get(number))
        or not keys.issuperset(urlsplit(address).path.lstrip("/") for address in named)
    ]


def _wrong_outcomes(sent: dict[str, Sent], rows: dict[str, Row]) -> list[str]:
    """Descriptions of photos that ended in an outcome that was not expected of them."""
    return [
        f"{'hostile input' if what.hostile else 'photo'} ended wrongly: {what.name}: "
        f"{rows[id].outcome} instead of {' or '.join(sorted(what.expected))}"
        for id, what in sent.items()
        if id in rows and rows[id].outcome not in what.expected
    ]


def longest_recovery(
    faults: Iterable[tuple[Fault, float, float]], sent: dict[str, Sent], rows: list[Row]
) -> float:
    """Longest time in seconds from the end of a fault to the next verdict, while photos waited."""
    verdicts = sorted((row.finished, row.id) for row in rows if row.outcome in EXAMINED)
    longest = 0.0
    for _, _, ended in faults:
        after = next(
            (at for at, id in verdicts if at > ended and id in sent and sent[id].at < ended), None
        )
        if after is not None:
            longest = max(longest, after - ended)
    return longest


def _repeated(values: Iterable[str]) -> list[str]:
    return [value for value, count in Counter(values).items() if count > 1]


def _names(keys: Iterable[str]) -> list[str]:
    """Kinds, photos and bundles of pictures: each bundle makes one overlay and mask per photo."""
    found = ((key.partition("/")[0], _DIGEST.search(key), Path(key).stem) for key in keys)
    return [f"{kind} of {photo[0]} by {bundle}" for kind, photo, bundle in found if photo]


def _reasons(rows: dict[str, Row], dead: set[str]) -> Counter[str]:
    return Counter(rows[id].outcome.partition(" ")[2] if id in rows else "unknown" for id in dead)


def _longest_wait(sent: dict[str, Sent], rows: dict[str, Row]) -> float:
    return max(
        (rows[id].finished - what.at for id, what in sent.items()
         if id in rows and rows[id].outcome in EXAMINED),
        default=0.0,
    )  # fmt: skip
