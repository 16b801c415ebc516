"""The files in which a worker keeps its state: the heartbeat file and others next to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class StateFiles:
    """The state files of the worker whose heartbeat file is ``heartbeat``.

    ``heartbeat`` and ``ready`` describe the running worker, and `probe.sh` reads them.  The
    others outlive it, so that a restart does not repeat alerts.
    """

    heartbeat: Path

    @property
    def ready(self) -> Path:
        """Exists while the worker accepts photos."""
        return self._sibling(".ready")

    @property
    def dead_letters(self) -> Path:
        """The number of dead letters that was last reported."""
        return self._sibling(".dead-letters")

    @property
    def start_alert(self) -> Path:
        """Touched when a worker that did not start was reported."""
        return self._sibling(".start-alert")

    @property
    def rollout(self) -> Path:
        """The roll-out that the worker's processes follow."""
        return self._sibling(".rollout")

    @property
    def refusals(self) -> Path:
        """A folder with the bundles of a roll-out that failed in a process."""
        return self._sibling(".refusals")

    @property
    def loading(self) -> Path:
        """Locked by the process that loads a bundle of a roll-out."""
        return self._sibling(".loading")

    @property
    def attempts(self) -> Path:
        """A folder with the loads of a roll-out's bundles that are in progress or were fatal."""
        return self._sibling(".attempts")

    def _sibling(self, suffix: str) -> Path:
        return self.heartbeat.with_name(self.heartbeat.name + suffix)
