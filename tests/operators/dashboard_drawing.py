"""Draws a Grafana dashboard's time series, because Grafana is in no registry available to tests."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any


def draw_dashboard(dashboard: Any, ask: Callable[[str], list[Any]], file: Path) -> None:
    """Write ``file``, a PNG of the panels that have data.

    ``ask`` answers a query for the displayed period.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    charts = [panel for panel in dashboard["panels"] if panel["type"] == "timeseries"]
    panels = [(panel["title"], lines) for panel in charts if (lines := _lines(panel, ask))]
    rows = -(-len(panels) // 4)
    figure, axes = pyplot.subplots(rows, 4, figsize=(20, 3 * rows), layout="constrained")
    for axis, (title, lines) in zip(axes.flat, panels, strict=False):
        axis.set_title(title, fontsize=10, loc="left")
        for name, points in lines:
            times = [float(at) for at, _ in points]
            values = [float(value) for _, value in points]
            axis.plot([at - times[-1] for at in times], values, label=name, linewidth=1.5)
        axis.set_ylim(bottom=0)
        axis.grid(alpha=0.3)
        axis.tick_params(labelsize=7)
        if axis.get_legend_handles_labels()[1]:
            axis.legend(fontsize=7, loc="upper left")
    for axis in axes.flat[len(panels) :]:
        axis.axis("off")
    figure.savefig(file, dpi=60)
    pyplot.close(figure)


def _lines(panel: Any, ask: Callable[[str], list[Any]]) -> list[tuple[str, list[Any]]]:
    """Name and points of each line of a panel."""
    found = []
    for target in panel["targets"]:
        query = re.sub(r"\$(namespace|environment|lane)", ".*", target["expr"])
        for series in ask(query.replace("$__rate_interval", "10s")):
            found.append((_legend(target["legendFormat"], series["metric"]), series["values"]))
    return found


def _legend(form: str, labels: dict[str, str]) -> str:
    return re.sub(r"{{(\w+)}}", lambda found: labels.get(found[1], ""), form)
