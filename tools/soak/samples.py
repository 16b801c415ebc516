"""Measures processes, database connections and files every few seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import sqlalchemy as sa

from tools.soak.steadiness import Allowance, Trend, trend

MEMORY, DESCRIPTORS, THREADS = "memory, MB", "descriptors", "threads"
CONNECTIONS = "connections to PostgreSQL"
TEMPORARY_MEGABYTES, FILES = "temporary files, MB", "temporary and state files"
ALLOWANCES = {
    MEMORY: Allowance(2.0, share=0.03),
    DESCRIPTORS: Allowance(2.0),
    THREADS: Allowance(1.0),
    CONNECTIONS: Allowance(1.0),
    TEMPORARY_MEGABYTES: Allowance(1.0),
    FILES: Allowance(2.0),
}


@dataclass(frozen=True, slots=True)
class Growth:
    """The trend of a figure, and its verdict."""

    trend: Trend
    allowance: float  # per hour
    verdict: str


@dataclass
class Samples:
    """What was measured: ``figures`` by name, each with one value for each of ``seconds``.

    A figure's name is that of its program or of nothing, a colon, and a key of `ALLOWANCES`.
    """

    seconds: list[float] = field(default_factory=list)
    figures: dict[str, list[float]] = field(default_factory=dict)

    def add(self, at: float, measured: Mapping[str, float]) -> None:
        """Add one value of each figure, ``at`` seconds after the start."""
        self.seconds.append(at)
        for name, value in measured.items():
            self.figures.setdefault(name, []).append(value)

    def growth(self, warm_up_seconds: float) -> dict[str, Growth]:
        """How each figure grew after the first ``warm_up_seconds``."""
        start = next((n for n, at in enumerate(self.seconds) if at >= warm_up_seconds), 0)
        found = {}
        for name, values in self.figures.items():
            allowance = ALLOWANCES[name.rpartition(": ")[2]]
            line = trend(self.seconds[start:], values[start:])
            found[name] = Growth(line, allowance.at(line.level), line.verdict(allowance))
        return found


def measure_processes(name: str, processes: Iterable[psutil.Process]) -> dict[str, float]:
    """Memory, descriptors and threads of ``processes``.

    Pages that other processes share do not count (USS): their number depends on the others.
    """
    bytes_, descriptors, threads = 0, 0, 0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            bytes_ += process.memory_full_info().uss
            descriptors += process.num_fds()
            threads += process.num_threads()
    return {
        f"{name}: {MEMORY}": bytes_ / 1e6,
        f"{name}: {DESCRIPTORS}": float(descriptors),
        f"{name}: {THREADS}": float(threads),
    }


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
