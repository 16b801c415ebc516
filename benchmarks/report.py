"""Writes the results of a run as a page with tables and plots."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.goals import judge

Results = Mapping[str, Any]
RESULTS = Path(__file__).parent / "results"


def write(results: Results, folder: Path, name: str = "latest") -> Path:
    """Write ``name``.json, ``name``.md and plots to ``folder``; returns the path of the page."""
    folder.mkdir(parents=True, exist_ok=True)
    goals = [asdict(goal) for goal in judge(results)]
    document = {**results, "goals": goals}
    (folder / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n")
    plots = [plot(results, folder) for plot in (plot_rates, plot_steps)]
    page = folder / f"{name}.md"
    page.write_text("\n".join(_page(results, goals, [p.name for p in plots if p])) + "\n")
    return page


def _page(results: Results, goals: Sequence[Results], plots: Iterable[str]) -> Iterable[str]:
    machine = results["machine"]
    yield "# Benchmark results\n"
    yield (
        f"{machine['when']}, commit {machine['commit']}, {machine['cores']} cores of "
        f"{machine['cpu']} ({', '.join(machine['instructions'])}), "
        f"load before {machine['load_before']}; bundle {results['bundle']}, "
        f"engine {results['engine']}. Emulator, database and photo server run on the same cores. "
        "Only ratios within this run are meaningful.\n"
    )
    other = "without" if machine["int8_instructions"] else "with"
    yield from _table(
        ["figure", "goal", f"goal {other} int8 instructions", "reached", ""],
        [
            [g["figure"], g["goal"], g["other_goal"], g["reached"], "met" if g["met"] else "missed"]
            for g in goals
        ],
    )
    for plot in plots:
        yield f"![{plot.partition('.')[0]}]({plot})\n"
    for section, (title, rows_of) in TABLES.items():
        if section in results:
            head, *rows = rows_of(results[section])
            yield f"## {title}\n"
            yield from _table(head, rows)


Rows = list[list[str]]


def _end_to_end(found: Results) -> Rows:
    parts = ["worker", "emulator", "postgres", "photo_server"]
    rows = [["photos", "per second", *(f"{part} CPU ms" for part in parts)]]
    for name, rate in found.items():
        cpu = [f"{rate['cpu_ms'][part]:.1f}" for part in parts]
        rows.append([name, f"{rate['photos_per_second']:.2f}", *cpu])
    return rows


def _bare(found: Results) -> Rows:
    rows = [["engine", "processes", "photos per second", "CPU ms"]]
    for engine, by_processes in found.items():
        for number, rate in by_processes.items():
            line = [f"{rate['photos_per_second']:.2f}", f"{rate['cpu_ms']:.1f}"]
            rows.append([engine, number, *line])
    return rows


def _naive(found: Results) -> Rows:
    rows = [["design", "mix", "photos per second", "worker CPU ms"]]
    for name, by_mix in found.items():
        for mix, rate in by_mix.items():
            line = [f"{rate['photos_per_second']:.2f}", f"{rate['cpu_ms']['worker']:.0f}"]
            rows.append([name, mix, *line])
    return rows


def _efficiency(found: Results) -> Rows:
    rows = [["engine, network", "worker CPU ms", "forward", "JPEG", "share", "per second"]]
    for name, case in found.items():
        line = [f"{case[key]:.1f}" for key in ("worker_ms", "forward_ms", "jpeg_ms")]
        rows.append([name, *line, f"{case['share']:.0%}", f"{case['photos_per_second']:.2f}"])
    return rows


def _steps(found: Results) -> Rows:
    rows = [["step", *found]]
    for name in next(iter(found.values()))["cpu_ms"]:
        rows.append([name, *(f"{group['cpu_ms'].get(name, 0):.1f}" for group in found.values())])
    rows.append(["all", *(f"{sum(group['cpu_ms'].values()):.1f}" for group in found.values())])
    rows.append(["ended by the gate", *(f"{g['gate_share']:.0%}" for g in found.values())])
    return rows


def _pair(found: Results) -> Rows:
    rows = [["variant", "photos per second, by round", "worker CPU ms"]]
    for name, rates in found.items():
        if isinstance(rates, list):
            each = [f"{rate['photos_per_second']:.2f}" for rate in rates]
            spent = [f"{rate['cpu_ms']['worker']:.1f}" for rate in rates]
            rows.append([name, ", ".join(each), ", ".join(spent)])
    rows.append(["ratio (median of rounds)", f"{found['ratio']:.3f}", f"{found['cpu_ratio']:.3f}"])
    return rows


def _events(found: Results) -> Rows:
    return [
        ["receiver", "photos per second, by pair"],
        *([name, ", ".join(f"{x:.2f}" for x in found[name])] for name in ("answering", "hanging")),
        ["ratio of each pair", ", ".join(f"{ratio:.3f}" for ratio in found["ratios"])],
        ["median ratio", f"{found['ratio']:.3f} ({found['low']:.3f} to {found['high']:.3f})"],
    ]


def _starts(found: Results) -> Rows:
    rows = [["what", "measured"]]
    for name, words in {
        "import_seconds": "import of `detect_damage`",
        "ready_to_send_seconds": "until it can send: settings read and validated",
        "first_verdict_seconds": "from worker start to first verdict",
    }.items():
        if name in found:
            rows.append([words, f"{found[name]:.2f} s"])
    for name, value in found.get("megabytes", {}).items():
        rows.append([f"memory: {name.replace('_', ' ')}", f"{value:.0f} MB"])
    return rows


def _cores(found: Results) -> Rows:
    rows = [["cores, one process each", "photos per second", "worker CPU ms"]]
    for number, rate in found.items():
        line = [f"{rate['photos_per_second']:.2f}", f"{rate['cpu_ms']['worker']:.1f}"]
        rows.append([number, *line])
    return rows


def _disk(found: Results) -> Rows:
    largest = sorted(found.items(), key=lambda item: -item[1])
    rows = [["table or index", "bytes per photo"], ["all", f"{sum(found.values()):.0f}"]]
    return rows + [[name, f"{size:.0f}"] for name, size in largest]


def _figures(head: str, found: Results) -> Rows:
    return [[head, ""], *([name, f"{value:.4g}"] for name, value in found.items())]


def _pools(found: Results) -> Rows:
    rows = [["pool", "photos per second", "photos that take 150 ms", "worker CPU ms", "MB"]]
    for name, case in found.items():
        none, some = case["0"], case["150"]
        line = [f"{rate['photos_per_second']:.2f}" for rate in (none, some)]
        rows.append([name, *line, f"{none['cpu_ms']['worker']:.1f}", f"{case['megabytes']:.0f}"])
    return rows


def _peers(found: Results) -> Rows:
    rows = [["stack", "deployment", "photos that take, ms", "photos per second", "CPU ms"]]
    for rate in found["rates"]:
        line = [f"{rate['photos_per_second']:.2f}", f"{rate['cpu_ms']:.0f}"]
        rows.append([rate["stack"], rate["deployment"], str(rate["delay_ms"]), *line])
    for stack, photos in found["lost"].items():
        line = [f"{photos['lost']} of {photos['sent']} lost", ""]
        rows.append([stack, "best, a process killed", "0", *line])
    rows += [
        [name, f"version {version}", "", "", ""] for name, version in found["versions"].items()
    ]
    return rows


TABLES: Mapping[str, tuple[str, Callable[[Results], Rows]]] = {
    "end_to_end": ("End to end: SQS, worker, S3, PostgreSQL", _end_to_end),
    "bare": ("The bare forward pass, damaged 2 MP photos", _bare),
    "naive": ("The original's design, 2 MP photos", _naive),
    "efficiency": ("Efficiency, damaged 2 MP photos", _efficiency),
    "steps": ("CPU ms per photo by step, one process, without the queue", _steps),
    "latency 30 ms": ("Photos that take 30 ms to download", _pair),
    "latency 80 ms": ("Photos that take 80 ms to download", _pair),
    "latency 150 ms": ("Photos that take 150 ms to download", _pair),
    "backlog": ("A short and a long queue", _pair),
    "starts": ("Starts and memory", _starts),
    "cores": ("One core and all cores, servers on the same cores", _cores),
    "rows": ("A small and a large database", _pair),
    "disk": ("Disk space per photo, at a million", _disk),
    "search": ("One car among ten million slim rows", partial(_figures, "search by, ms")),
    "search_disk": ("Ten million slim rows", partial(_figures, "seconds, or bytes per row")),
    "writes": ("Cost of indices at writing", partial(_figures, "indices of metadata, us per row")),
    "pools": ("Processes and threads, 2 MP realistic", _pools),
    "events": ("A receiver of events that hangs (median with 95 % interval)", _events),
    "peers": ("Peers, damaged 2 MP photos", _peers),
}


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterable[str]:
    yield "| " + " | ".join(head) + " |"
    yield "| " + " | ".join("---" for _ in head) + " |"
    for row in rows:
        yield "| " + " | ".join(row) + " |"
    yield ""


def plot_rates(results: Results, folder: Path) -> Path | None:
    """Plot photos per second: limit, ours, the original's design."""
    bars: list[tuple[str, float, str]] = []
    for engine, by_processes in results.get("bare", {}).items():
        best = max(rate["photos_per_second"] for rate in by_processes.values())
        bars.append((f"bare forward, {engine}", best, "0.75"))
    for name, rate in results.get("end_to_end", {}).items():
        bars.append((f"damage-tasks, {name}", rate["photos_per_second"], "tab:blue"))
    for name, by_mix in results.get("naive", {}).items():
        for mix, rate in by_mix.items():
            bars.append((f"naive {name}, {mix}", rate["photos_per_second"], "tab:orange"))
    if not bars:
        return None
    figure, axes = new_figure(8, 0.6 + 0.32 * len(bars))
    names, values, colours = zip(*reversed(bars), strict=True)
    drawn = axes.barh(names, values, color=colours)
    axes.bar_label(drawn, fmt="%.1f", padding=3)
    axes.set_xlabel("photos per second, one run")
    return save_figure(figure, folder / "rates.png")


def plot_steps(results: Results, folder: Path) -> Path | None:
    """Plot CPU by step for each kind of photo."""
    groups = results.get("steps")
    if not groups:
        return None
    figure, axes = new_figure(8, 3.4)
    left = [0.0] * len(groups)
    for name in next(iter(groups.values()))["cpu_ms"]:
        values = [group["cpu_ms"].get(name, 0.0) for group in groups.values()]
        axes.barh(list(groups), values, left=left, label=name)
        left = [a + b for a, b in zip(left, values, strict=True)]
    axes.set_xlabel("CPU milliseconds per photo")
    axes.legend(fontsize=7, ncols=4, loc="lower center", bbox_to_anchor=(0.45, 1.0))
    return save_figure(figure, folder / "steps.png")


def new_figure(width: float, height: float, rows: int = 1, columns: int = 1) -> Any:
    """A figure of the given size in inches, and its axes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns)
    for each in figure.axes:
        each.spines[["top", "right"]].set_visible(False)
    return figure, axes


def save_figure(figure: Any, path: Path) -> Path:
    """Write ``figure`` to ``path`` as PNG."""
    figure.savefig(path, dpi=90)
    return path
