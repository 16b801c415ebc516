"""Writes a run's figures: JSON, a Markdown table and a chart."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

from benchmarks.machine_facts import facts
from benchmarks.report import new_figure, save_figure
from tools.soak.long_run import LongRun
from tools.soak.samples import CONNECTIONS, DESCRIPTORS, FILES, MEMORY, Samples
from tools.soak.steadiness import GROWS, UNCLEAR, Growth

PANELS = (
    (MEMORY, (MEMORY,)),
    (DESCRIPTORS, (DESCRIPTORS,)),
    ("number", (CONNECTIONS, FILES)),
)


def problems_of(run: LongRun, growth: Mapping[str, Growth]) -> list[str]:
    """What is wrong, one line each."""
    return [*run.problems] + [
        f"{name} grows by {found.trend.per_hour:.2f} {found.period}; "
        f"{found.allowance:.2f} is accepted"
        for name, found in growth.items()
        if found.verdict == GROWS
    ]


def write_figures(run: LongRun, growth: Mapping[str, Growth], out: Path) -> None:
    """Write ``soak.json``, ``soak.md`` and ``soak.png`` to ``out``."""
    out.mkdir(parents=True, exist_ok=True)
    found = {
        "machine": facts(),
        "minutes": run.minutes,
        "photos_per_second": run.photos_per_second,
        "photos": len(run.sent),
        "verdicts": run.verdicts,
        "restarts": run.restarts,
        "problems": problems_of(run, growth),
        "figures": {name: asdict(each) for name, each in growth.items()},
        "samples": {"seconds": run.samples.seconds, **run.samples.figures},
        "lives": {
            program: [asdict(life) for life in lives]
            for program, lives in run.samples.lives.items()
        },
    }
    text = json.dumps(found, default=lambda number: round(float(number), 3))
    (out / "soak.json").write_text(text + "\n")
    (out / "soak.md").write_text("\n".join(page(run, growth)) + "\n")
    plot(run.samples, out / "soak.png")


def page(run: LongRun, growth: Mapping[str, Growth]) -> Iterator[str]:
    """The lines of the page of figures."""
    machine = facts()
    yield f"{run.minutes:g} minutes on {machine['cores']} cores ({machine['cpu']}), commit"
    yield f"{machine['commit']}: {len(run.sent):,} photos, {run.photos_per_second:g} per second;"
    yield ", ".join(f"{what} {times} times" for what, times in run.restarts.items()) + "."
    yield ""
    yield "| figure | median | growth | 95 % interval | accepted | verdict |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for name, found in sorted(growth.items()):
        line = found.trend
        yield (
            f"| {name} | {line.level:.1f} | {line.per_hour:+.2f} {found.period} | "
            f"{line.low:+.2f} to {line.high:+.2f} | {found.allowance:.1f} | {found.verdict} |"
        )


def plot(samples: Samples, path: Path) -> Path:
    """Plot memory, descriptors, and connections and files over time."""
    figure, panels = new_figure(8, 5.6, rows=len(PANELS))
    minutes = [at / 60 for at in samples.seconds]
    for axes, (label, endings) in zip(panels, PANELS, strict=True):
        for name, values in samples.figures.items():
            if name.endswith(endings):
                axes.plot(minutes, values, linewidth=1, label=name.partition(": ")[0])
        axes.set_ylim(bottom=0)
        axes.set_ylabel(label)
        axes.legend(fontsize=7, ncols=4, loc="lower right")
    panels[-1].set_xlabel("minutes")
    return save_figure(figure, path)


def summary(run: LongRun, growth: Mapping[str, Growth]) -> Iterator[str]:
    """Numbers of photos and restarts, and of figures with each verdict, one per line."""
    yield f"photos: {len(run.sent)}"
    for what, times in run.restarts.items():
        yield f"{what}: {times}"
    for verdict, number in Counter(found.verdict for found in growth.values()).items():
        yield f"figures, {verdict}: {number}"
    for name, found in sorted(growth.items()):
        if found.verdict == UNCLEAR:
            yield f"unclear: {name}, {found.trend.low:+.2f} to {found.trend.high:+.2f} an hour"
