"""What a worker's parent tells its processes about a roll-out, in a file next to the heartbeat."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from model_store.bundle import Bundle
from model_store.manifest import read_manifest
from model_store.rollout import NamedBundle, Rollout


@dataclass(frozen=True)
class Refusal:
    """Why a process did not load a bundle; ``lasts``: also after the worker has restarted."""

    reason: str
    lasts: bool = True


@dataclass(frozen=True)
class RolloutPlan:
    """A roll-out whose bundles have been fetched.

    ``folders`` are those of the fetched bundles and ``refused`` the reasons of those that
    failed, both by digest; the next worker tries those in ``retried`` again.  The
    ``substitute`` takes the place of a refused bundle.
    """

    rollout: Rollout
    folders: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    substitute: NamedBundle | None = None
    retried: frozenset[str] = frozenset()

    def for_next_worker(self) -> RolloutPlan:
        """This plan with only those refusals that outlive the worker."""
        lasting = {
            digest: why for digest, why in self.refused.items() if digest not in self.retried
        }
        return replace(self, refused=lasting, retried=frozenset())

    @property
    def named(self) -> list[NamedBundle]:
        """The bundles of the roll-out, and the substitute."""
        return [*self.rollout.bundles, *([self.substitute] if self.substitute else [])]

    @property
    def usable(self) -> list[NamedBundle]:
        """The bundles that were fetched and not refused: largest share first, substitute last."""
        shares = sorted(self.rollout.shares, key=lambda share: -share.percent)
        named = [
            *(share.bundle for share in shares),
            *([self.substitute] if self.substitute else []),
        ]
        return [b for b in named if b.digest in self.folders and b.digest not in self.refused]

    def bundle(self, named: NamedBundle) -> Bundle:
        """The bundle in its folder, whose weights were verified when it was fetched."""
        folder = Path(self.folders[named.digest])
        manifest, digest = read_manifest(folder)
        return Bundle(folder, manifest, digest)

    def write(self, file: Path) -> None:
        """Replace ``file`` at once; raises `OSError`."""
        document = {
            "rollout": self.rollout.model_dump(mode="json", by_alias=True),
            "folders": dict(self.folders),
            "refused": dict(self.refused),
            "substitute": self.substitute.model_dump() if self.substitute else None,
            "retried": sorted(self.retried),
        }
        _replace(file, json.dumps(document))

    @classmethod
    def read(cls, file: Path) -> RolloutPlan | None:
        """The plan in ``file``; None if there is none, or one of another version."""
        try:
            document = json.loads(file.read_text())
            substitute = document["substitute"]
            return cls(
                Rollout.model_validate(document["rollout"]),
                document["folders"],
                document["refused"],
                NamedBundle.model_validate(substitute) if substitute else None,
                frozenset(document["retried"]),
            )
        except (OSError, ValueError, LookupError, TypeError):
            return None


def report_refusal(folder: Path, digest: str, refusal: Refusal) -> None:
    """In a process: report to the parent that a bundle failed; raises `OSError`."""
    _replace(folder / digest, json.dumps(asdict(refusal)))


def take_refusals(folder: Path) -> dict[str, Refusal]:
    """In the parent: the reports since the last call, by digest."""
    found = {}
    for file in folder.glob("*"):
        if file.suffix != ".part":
            found[file.name] = Refusal(**json.loads(file.read_text()))
            file.unlink()
    return found


def _replace(file: Path, text: str) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = file.with_name(f"{file.name}.{os.getpid()}.part")
    unfinished.write_text(text)
    unfinished.replace(file)
