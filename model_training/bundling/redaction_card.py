"""The card of a redaction bundle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from model_store.manifest import RedactionManifest
from model_store.publishing import CARD_FILE


def write_card(out: Path, manifest: RedactionManifest) -> None:
    """Write ``MODEL_CARD.md`` to ``out``."""
    rows = "\n".join(
        f"| {network.name} | {network.threshold} | {_figure(network.metrics, 'recall')} | "
        f"{_figure(network.metrics, 'precision')} | "
        f"{_figure(network.metrics, 'needlessly_redacted_photos')} | {network.status} |"
        for network in manifest.networks
    )
    photos = manifest.metrics.get("photos", 0)
    text = f"""# {manifest.name} {manifest.version}

{manifest.description}

Finds faces and plates, so that they are pixelated in pictures that leave the system. It misses
some: a network with a recall below 95 % is experimental, and no network makes a photo anonymous in
the sense of the law.

- Licence: {manifest.licence}
- Trained on: {manifest.training_data}
- Measured on {photos} photos with outlines drawn by hand. A face or plate counts as found if three
  quarters of its outline are redacted. Intervals are Wilson's, 95 %.

| network | threshold | recall | precision | photos without any that are redacted | status |
| --- | --- | --- | --- | --- | --- |
{rows}

Where there is no figure, the photos show none, and the network was not measured. Measure it on your
own photos before you rely on it: python -m model_training pack-redaction with other photos.
"""
    (out / CARD_FILE).write_text(text, encoding="utf-8")


def _figure(metrics: Mapping[str, Any], name: str) -> str:
    figure = metrics.get(name)
    if figure is None:
        return "not measured"
    return (
        f"{figure['value']:.1%} ({figure['low']:.1%} to {figure['high']:.1%}; "
        f"{figure['hits']} of {figure['count']})"
    )
