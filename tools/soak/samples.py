"""Measures processes, database connections and files every few seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import sqlalchemy as sa

from tools.soak.lives import (
    Life,
    first_step,
    growth_between,
    growth_within,
    replaced_at,
    was_replaced,
)
from tools.soak.memory_maps import mapped_memory
from tools.soak.steadiness import FLAT, UNCLEAR, Allowance, Growth, trend

MEMORY, DESCRIPTORS, THREADS = "memory, MB", "descriptors", "threads"
PROCESSES = "processes"
CONNECTIONS = "connections to PostgreSQL"
TEMPORARY_MEGABYTES, FILES = "temporary files, MB", "temporary and state files"
ALLOWANCES = {
    MEMORY: Allowance(2.0, share=0.03, first_step=16.0),
    DESCRIPTORS: Allowance(2.0, first_step=24.0),
    THREADS: Allowance(1.0, first_step=1.0),
    PROCESSES: Allowance(0.5),
    CONNECTIONS: Allowance(1.0),
    TEMPORARY_MEGABYTES: Allowance(1.0),
    FILES: Allowance(2.0),
}


WITHIN, BETWEEN, STEP = "within a life", "from life to life", "at the first replacement"
REPLACED = "replaced"  # the lives of the program's processes are judged instead


@dataclass(frozen=True, slots=True)
class ProcessFigures:
    """What one process holds; ``created`` is a time stamp, and ``age`` in seconds."""

    pid: int
    created: float
    age: float
    figures: dict[str, float]


@dataclass
class Samples:
    """What was measured: ``figures`` by name, each with one value for each of ``seconds``.

    A figure's name is that of its program or of nothing, a colon, and a key of `ALLOWANCES`.
    ``lives`` are the processes of each program, in the order of their birth.
    """

    seconds: list[float] = field(default_factory=list)
    figures: dict[str, list[float]] = field(default_factory=dict)
    lives: dict[str, list[Life]] = field(default_factory=dict)

    def add(
        self,
        at: float,
        measured: Mapping[str, float],
        programs: Mapping[str, Sequence[ProcessFigures]] | None = None,
    ) -> None:
        """Add one value of each figure, ``at`` seconds after the start.

        ``programs`` are the processes of each program; their sums become figures, too.
        """
        self.seconds.append(at)
        all_measured = dict(measured)
        for program, processes in (programs or {}).items():
            all_measured |= totals(program, processes)
            for process in processes:
                self._life(program, process, at).add(at, process.figures)
        for name, value in all_measured.items():
            self.figures.setdefault(name, []).append(value)

    def _life(self, program: str, process: ProcessFigures, at: float) -> Life:
        lives = self.lives.setdefault(program, [])
        for life in reversed(lives):
            # The system uses the numbers of processes again.
            if (life.pid, life.created) == (process.pid, process.created):
                return life
        lives.append(Life(process.pid, process.created, at - process.age))
        return lives[-1]

    def growth(
        self, warm_up_seconds: float, life_warm_up_seconds: float | None = None
    ) -> dict[str, Growth]:
        """How each figure grew after the first ``warm_up_seconds``.

        Where processes were replaced, also the growth of each life after ``life_warm_up_seconds``
        (or the same time), the step at the first replacement, and the growth of later lives over
        earlier ones.
        """
        found = {}
        life_warm_up = warm_up_seconds if life_warm_up_seconds is None else life_warm_up_seconds
        replaced = {
            program: lives
            for program, lives in self.lives.items()
            if was_replaced(lives, self.seconds)
        }
        start = self._start(warm_up_seconds, life_warm_up, replaced.values())
        for name, values in self.figures.items():
            allowance = ALLOWANCES[name.rpartition(": ")[2]]
            line = trend(self.seconds[start:], values[start:])
            found[name] = Growth(line, allowance.at(line.level), line.verdict(allowance))
        for program, lives in replaced.items():
            for key in (MEMORY, DESCRIPTORS, THREADS):
                found |= _judged_by_life(program, key, lives, life_warm_up, found)
        return found

    def _start(
        self, warm_up_seconds: float, life_warm_up: float, replaced: Iterable[Sequence[Life]]
    ) -> int:
        """The number of the first sample that is judged.

        The first replacement belongs to the warm-up, if more than half of the rest remains.
        """
        settled = max(
            (at + life_warm_up for lives in replaced if (at := replaced_at(lives)) is not None),
            default=0.0,
        )
        if warm_up_seconds < settled < (warm_up_seconds + self.seconds[-1]) / 2:
            warm_up_seconds = settled
        return next((n for n, at in enumerate(self.seconds) if at >= warm_up_seconds), 0)


def _judged_by_life(
    program: str,
    key: str,
    lives: Sequence[Life],
    warm_up_seconds: float,
    whole: Mapping[str, Growth],
) -> dict[str, Growth]:
    """The growth of lives, and of the whole program if that explains it.

    A replacement excuses growth of the program only if nothing else can: every life is certainly
    flat, later ones are certainly not higher, and there are not more of them. With two generations
    only, a leak at each replacement looks like the step that is accepted once.
    """
    allowance = ALLOWANCES[key]
    by_life = {
        f"{program}, {kind}: {key}": growth
        for kind, growth in (
            (WITHIN, growth_within(lives, key, allowance, warm_up_seconds)),
            (STEP, first_step(lives, key, allowance)),
            (BETWEEN, growth_between(lives, key, allowance)),
        )
        if growth is not None
    }
    name = f"{program}: {key}"
    line, accepted = whole[name].trend, whole[name].allowance
    verdicts = {each.verdict for each in by_life.values()}
    verdicts.add(whole[f"{program}: {PROCESSES}"].verdict)
    judged = {kind for kind in (WITHIN, BETWEEN, STEP) if f"{program}, {kind}: {key}" in by_life}
    if whole[name].verdict != FLAT and verdicts == {FLAT} and judged >= {WITHIN, STEP}:
        by_life[name] = Growth(line, accepted, REPLACED if BETWEEN in judged else UNCLEAR)
    return by_life


def measure_processes(processes: Iterable[psutil.Process]) -> Iterator[ProcessFigures]:
    """Memory, descriptors and threads of each of ``processes`` that has not ended.

    Pages that other processes share count for each, because to stop sharing is not to grow; see
    `tools.soak.memory_maps`.
    """
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            figures = {
                MEMORY: mapped_memory(process.pid),
                DESCRIPTORS: float(process.num_fds()),
                THREADS: float(process.num_threads()),
            }
            created = process.create_time()
            yield ProcessFigures(process.pid, created, time.time() - created, figures)


def totals(program: str, processes: Sequence[ProcessFigures]) -> dict[str, float]:
    """The figures of all ``processes`` together, and their number."""
    sums = {
        f"{program}: {key}": sum(each.figures[key] for each in processes)
        for key in (MEMORY, DESCRIPTORS, THREADS)
    }
    return {**sums, f"{program}: {PROCESSES}": float(len(processes))}


def measure_files(folders: Iterable[Path]) -> dict[str, float]:
    """Number and total size of the files in ``folders``."""
    sizes = []
    for folder in folders:
        for path in folder.rglob("*"):
            with suppress(FileNotFoundError):
                if path.is_file():
                    sizes.append(path.stat().st_size)
    return {TEMPORARY_MEGABYTES: sum(sizes) / 1e6, FILES: float(len(sizes))}


def connection_counter(url: str) -> Callable[[], dict[str, float]]:
    """A function that counts the connections to the PostgreSQL server of ``url``, except its own.

    It connects again each time, so that restarts do not matter.
    """
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    query = sa.text(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )

    def count() -> dict[str, float]:
        with engine.connect() as connection:
            return {CONNECTIONS: float(connection.execute(query).scalar_one())}

    return count
