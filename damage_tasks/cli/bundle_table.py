"""Bundles of a store as a table, in full, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from damage_tasks.telemetry import one_line
from model_store.bundle_listing import ListedBundle, Serving
from model_store.main_figures import main_figures
from model_store.manifest import BundleManifest, Code, Lineage, Parent

HEAD = ("version", "published", "from", "data", "code", "serves", "recall", "IoU", "alarms", "by")
RIGHT = ("serves", "recall", "IoU", "alarms")
SHORT_DIGEST = 8
NOT_KNOWN = (
    "recall: of damaged photos; alarms: clean photos with the verdict damaged. serves: by the "
    "pointer next to the versions; workers whose DAMAGE_BUNDLE names a version are not known here."
)


def print_bundles(
    console: Console, bundles: Sequence[ListedBundle], served: Mapping[str, Serving]
) -> None:
    """Print a table for each folder of versions."""
    for folder, versions in groupby(bundles, lambda bundle: bundle.uri.rpartition("/")[0]):
        console.print(f"[bold]{escape(one_line(folder))}[/]", highlight=False, soft_wrap=True)
        table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
        for name in HEAD:
            last = name == HEAD[-1]
            table.add_column(
                name,
                justify="right" if name in RIGHT else "left",
                no_wrap=not last,  # only the last column shrinks
                overflow="ellipsis",
                max_width=None if last or name in RIGHT else 16,
            )
        for bundle in versions:
            cells = _cells(bundle, served.get(bundle.uri))
            table.add_row(*(escape(one_line(cell)) for cell in cells))
        console.print(table, highlight=False)
        console.print()
    if bundles:
        console.print(NOT_KNOWN, style="dim", highlight=False)


def _cells(bundle: ListedBundle, serving: Serving | None) -> tuple[str, ...]:
    manifest, figures = bundle.manifest, bundle.figures
    lineage = manifest.lineage or Lineage()
    return (
        manifest.version,
        f"{bundle.published:%Y-%m-%d}",
        ", ".join(_short_parent(parent, manifest) for parent in lineage.trained_from),
        lineage.training_data.digest[:SHORT_DIGEST] if lineage.training_data else "",
        _short_code(lineage.code),
        _short_serving(serving),
        _percent(figures.recall),
        "" if figures.iou is None else f"{figures.iou:.3f}",
        _percent(figures.false_alarms),
        bundle.published_by.rpartition("/")[2],
    )


def _short_parent(parent: Parent, manifest: BundleManifest) -> str:
    same = parent.name == manifest.name and parent.version
    return parent.version if same else f"{parent.name} {parent.version}".strip()


def _short_code(code: Code | None) -> str:
    if code is None:
        return ""
    return f"{code.commit[:7] or code.version}{' dirty' if code.dirty else ''}"


def _short_serving(serving: Serving | None) -> str:
    if serving is None:
        return ""
    return f"{serving.percent} %" if serving.percent else "fallback"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"


def lineage_lines(manifest: BundleManifest) -> Iterator[str]:
    """What is known about a bundle's origin, in full; a line for what is not known."""
    lineage = manifest.lineage or Lineage()
    for parent in lineage.trained_from:
        name = f"{parent.name} {parent.version}".strip()
        yield f"trained from: {parent.kind} {name}, sha256 {parent.digest}"
    if not lineage.trained_from:
        yield "trained from: not recorded" if manifest.lineage is None else "trained from: nothing"
    data, code = lineage.training_data, lineage.code
    if data is None:
        yield "training data: no digest recorded"
    else:
        counts = ", ".join(f"{count:,} {split}" for split, count in data.photos.items())
        yield f"training data: {counts} photos, digest {data.digest}"
    if code is None:
        yield "code: not recorded"
    else:
        commit = f", commit {code.commit}" if code.commit else ""
        dirty = " with changes that were not committed (dirty)" if code.dirty else ""
        yield f"code: damage-tasks {code.version}{commit}{dirty}"


def place_lines(bundle: ListedBundle, serving: Serving | None) -> Iterator[str]:
    """Who published a bundle, and where it serves, in full."""
    by = f"by {bundle.published_by}" if bundle.published_by else "publisher not recorded"
    yield f"published: {bundle.published:%Y-%m-%d %H:%M} UTC, {by}"
    yield f"address: {bundle.uri}"
    if serving is None:
        yield "serves: named by no pointer next to it (a DAMAGE_BUNDLE may still name it)"
        return
    share = f"{serving.percent} % of the photos" if serving.percent else "no photos"
    fallback = ", and is the fallback" if serving.fallback else ""
    since = f"{serving.since:%Y-%m-%d %H:%M} UTC"
    yield f"serves: {share} by {serving.pointer}{fallback}, since {since}"


def figure_lines(manifest: BundleManifest, listed: ListedBundle | None) -> Iterator[str]:
    """The main figures."""
    figures = listed.figures if listed else main_figures(manifest, None)
    iou = "not measured" if figures.iou is None else f"{figures.iou:.3f}"
    yield (
        f"recall: {_percent(figures.recall) or 'not measured'}; IoU: {iou}; "
        f"false alarms: {_percent(figures.false_alarms) or 'not measured'}"
    )


def as_json(
    manifest: BundleManifest, digest: str, listed: ListedBundle | None, serving: Serving | None
) -> dict[str, Any]:
    """All that is known about a bundle, with JSON types only."""
    figures = listed.figures if listed else main_figures(manifest, None)
    return {
        "name": manifest.name,
        "version": manifest.version,
        "kind": manifest.kind,
        "digest": digest,
        "address": listed.uri if listed else None,
        "created": manifest.created,
        "published": listed.published.isoformat() if listed else None,
        "published_by": (listed.published_by if listed else "") or None,
        "lineage": manifest.lineage.model_dump(mode="json") if manifest.lineage else None,
        "figures": {
            "recall": figures.recall,
            "iou": figures.iou,
            "false_alarms": figures.false_alarms,
        },
        "serving": [
            {
                "pointer": serving.pointer,
                "percent": serving.percent,
                "fallback": serving.fallback,
                "since": serving.since.isoformat(),
            }
        ]
        if serving
        else [],
        "licence": manifest.licence,
        "training_data": manifest.training_data,
        "description": manifest.description,
        "networks": [network.name for network in manifest.networks],
        "bytes": sum(file.bytes for _, file in manifest.large_files()),
    }
