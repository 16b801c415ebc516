"""How a framework is deployed: one of the files in ``deployments``, with the link of its guide."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "deployments"
# The environment variable that names the file to a framework's processes.
DEPLOYMENT = "BENCH_DEPLOYMENT"


@dataclass(frozen=True, slots=True)
class Deployment:
    """``options`` are the framework's own, and so are those of ``batches``, if it makes any.

    ``engine`` is ``ours``, or ``eager``: the network as its author would run it, with default
    threads. Without ``processes_per_core``, the framework decides on the number of processes.
    """

    engine: str
    processes_per_core: int | None = None
    options: dict[str, Any] = field(default_factory=dict)
    batches: dict[str, Any] = field(default_factory=dict)

    @property
    def is_eager(self) -> bool:
        """Whether the network runs in eager fp32."""
        return self.engine == "eager"

    @property
    def processes(self) -> int:
        """The number of processes that examine photos, on the cores of this process."""
        return (self.processes_per_core or 0) * len(os.sched_getaffinity(0)) or 1


def read_deployment(path: Path | str | None = None) -> Deployment:
    """The deployment in the file ``path``, or in the one named by the environment."""
    text = Path(path or os.environ[DEPLOYMENT]).read_text()
    return Deployment(**tomllib.loads(text))
