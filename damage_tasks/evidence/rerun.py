"""Examines the photo of a result again, and compares what comes out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from damage_tasks.attempt_state import Stopwatch
from damage_tasks.errors import OriginalUnavailable
from damage_tasks.evidence.picture_files import PictureFiles
from damage_tasks.evidence.signatures import canonical_json
from damage_tasks.examination import examine
from damage_tasks.inspection import Inspection, PhotoFacts
from damage_tasks.photos import PhotoReader
from model_store.identity import BundleIdentity

if TYPE_CHECKING:
    from damage_tasks.ports import Networks
    from damage_tasks.settings import Settings

COMPARED = ("verdict", "decided_by", "damage_score", "scores", "reason", "quality", "damages")


class Rerun:
    """Examines photos again, with the networks that ``networks_of`` returns for a bundle."""

    def __init__(
        self, settings: Settings, networks_of: Callable[[BundleIdentity], Networks]
    ) -> None:
        self._settings = settings
        self._networks_of = networks_of
        self._files = PictureFiles(settings)
        self._reader = PhotoReader(settings)

    def differences(self, recorded: Mapping[str, Any], url: str | None) -> list[str]:
        """What comes out differently than in the result ``recorded``; empty if nothing.

        The photo is read from ``url`` if it was not kept.  Raises `OriginalUnavailable`, a
        `TemporaryError` or `StorageError`, and what ``networks_of`` raises.
        """
        if recorded["damage_score"] is None:
            raise OriginalUnavailable(f"{recorded['id']} was not examined by the networks")
        data = self._files.original(recorded["photo"]["sha256"], url)
        finding = examine(
            data,
            Stopwatch(),
            photos=self._reader,
            segmenter=self._networks_of(BundleIdentity(**recorded["bundle"])),
            overlay_side=self._settings.overlay_side,
            overlay_quality=self._settings.overlay_quality,
            clean_pictures="none",
        ).finding
        found = Inspection(
            recorded["id"], None, PhotoFacts(), finding.verdict, finding, finding.reason
        ).to_dict()
        # As in a file: JSON has no tuples.
        plain = json.loads(canonical_json({name: found[name] for name in COMPARED}))
        return [text for name in COMPARED for text in _compare(name, recorded[name], plain[name])]


def _compare(name: str, recorded: Any, found: Any) -> Iterator[str]:
    """One line for each value that differs; items of lists are counted from 1."""
    if isinstance(recorded, dict) and isinstance(found, dict):
        for key in recorded | found:
            yield from _compare(f"{name}/{key}", recorded.get(key), found.get(key))
    elif _is_list_of_objects(recorded) and _is_list_of_objects(found):
        if len(recorded) != len(found):
            yield f"{name}: {len(found)} instead of {len(recorded)}"
        for number, (old, new) in enumerate(zip(recorded, found, strict=False), 1):
            yield from _compare(f"{name}/{number}", old, new)
    elif recorded != found:
        yield f"{name}: {_shown(found)} instead of {_shown(recorded)}"


def _is_list_of_objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
