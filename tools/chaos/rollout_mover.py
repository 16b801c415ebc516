"""Moves the pointer that workers follow between two versions, while everything else fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from damage_tasks.devstack.embedded_stack import MODELS_BUCKET
from model_store.bundle import open_bundle
from model_store.fetch import find_version
from model_store.publishing import publish
from model_store.rollout import pointer_at, rolled_back, with_percentages
from tools.chaos.fault_plan import Fault
from tools.small_bundles import write_bundle

VERSIONS = ("1.0.0", "1.1.0")
STORE = f"s3://{MODELS_BUCKET}"
PERCENTAGES = (20, 50, 100)
SETTINGS = {"DAMAGE_BUNDLE": f"{STORE}/tiny/CURRENT", "DAMAGE_ROLLOUT_INTERVAL": "1"}


class RolloutMover:
    """The controller of the roll-out; its ``s3`` client is not harmed."""

    def __init__(self, folder: Path, s3: Any) -> None:
        """Publish two versions; the first examines all photos."""

        def client(*_: Any) -> Any:
            return s3

        self._pointer = pointer_at(SETTINGS["DAMAGE_BUNDLE"], client)
        for seed, version in enumerate(VERSIONS):
            bundle = write_bundle(folder / version, seed, version=version)
            publish(open_bundle(bundle), STORE, client)
        self._bundles = [find_version(self._pointer.uri, version, client) for version in VERSIONS]
        self._pointer.write(with_percentages(None, {self._bundles[0]: 100}), None)

    def move(self, fault: Fault) -> None:
        """Give the version that is rolled out another percentage, or go back."""
        stored = self._pointer.read()
        assert stored is not None
        rollout = stored.rollout
        if rollout.fallback is not None and fault.choice < 0.3:
            moved = rolled_back(rollout)
        else:
            new = next(bundle for bundle in self._bundles if bundle != rollout.stable)
            percent = PERCENTAGES[int(fault.choice * 100) % len(PERCENTAGES)]
            moved = with_percentages(rollout, {new: percent})
        self._pointer.write(moved, stored.etag)
