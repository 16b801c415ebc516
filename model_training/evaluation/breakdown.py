"""Figures by kind of photo: domain, source, type of damage, damaged area, light."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from model_training.evaluation.confidence_intervals import Figure, figures
from model_training.evaluation.photo_result import PhotoResult

Breakdown = dict[str, dict[str, dict[str, Figure]]]

AREA_RATIO_RANGES = (
    ("below 2 %", 0.0, 0.02),
    ("2 to 10 %", 0.02, 0.1),
    ("10 % and more", 0.1, 1.1),
)
# Ranges of the photo's mean grey value, 0 to 255.
BRIGHTNESS_RANGES = (("dark", 0.0, 75.0), ("even", 75.0, 165.0), ("bright", 165.0, 256.0))


def breakdown(results: Sequence[PhotoResult]) -> Breakdown:
    """Figures by property and value: ``{"domain": {"phone": figures, ...}, ...}``.

    Properties that no photo has are omitted.  Clean photos have neither type nor damaged area.
    """
    whole = [result for result in results if result.view == "whole"]
    kinds: dict[str, Callable[[PhotoResult], Iterator[str]]] = {
        "domain": lambda result: iter([result.domain] if result.domain else []),
        "source": lambda result: iter([result.source] if result.source else []),
        "type": types_of,
        "damaged area": lambda result: _named(
            result.area, AREA_RATIO_RANGES if result.damaged else ()
        ),
        "light": lambda result: _named(result.brightness, BRIGHTNESS_RANGES),
    }
    found: Breakdown = {}
    for kind, values_of in kinds.items():
        groups: dict[str, list[PhotoResult]] = {}
        for result in whole:
            for value in values_of(result):
                groups.setdefault(value, []).append(result)
        if groups:
            found[kind] = {value: figures(groups[value]) for value in sorted(groups, key=_place)}
    return found


def types_of(result: PhotoResult) -> Iterator[str]:
    """The types of damage that the photo actually shows."""
    return (name for name, overlap in result.types.items() if overlap[2] > 0)


def _place(name: str) -> tuple[int, str]:
    """Sort key: ranges in their order, names alphabetically."""
    ranges = [known for known, _, _ in (*AREA_RATIO_RANGES, *BRIGHTNESS_RANGES)]
    return (ranges.index(name) if name in ranges else 0), name


def _named(value: float, ranges: Sequence[tuple[str, float, float]]) -> Iterator[str]:
    return (name for name, low, high in ranges if low <= value < high)
