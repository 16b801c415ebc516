"""``make soak``: runs the stack for an hour, and fails if memory or anything else grows."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from benchmarks.benchmark_photos import open_album
from tools.soak.figures import problems_of, summary, write_figures
from tools.soak.long_run import LongRun

WARM_UP_SHARE = 0.25
MIN_WARM_UP_MINUTES = 6.0  # every part has restarted once
MIN_MINUTES = 12.0
PROCESS_WARM_UP_MINUTES = 3.0  # a process that examines a photo every two seconds settles in 80 s
GENERATIONS = 4  # of processes in a run: the first step, and whether there are more
PROCESSES = 4  # of two workers


def main() -> int:
    """Run it; returns 0 if no photo was lost and nothing grows."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0, help="how long photos are sent")
    parser.add_argument("--rate", type=float, default=2.0, help="photos per second")
    parser.add_argument(
        "--photos-per-process",
        type=int,
        help=f"after which processes are replaced; as many as give {GENERATIONS} generations",
    )
    parser.add_argument("--out", type=Path, default=Path("var/soak"), help="folder for the results")
    options = parser.parse_args()
    if options.minutes < MIN_MINUTES:
        parser.error(f"at least {MIN_MINUTES:g} minutes are needed to see growth")
    photos = options.photos_per_process or round(
        60 * options.minutes * options.rate / PROCESSES / GENERATIONS
    )
    stack = (options.out / "stack").absolute()
    shutil.rmtree(stack, ignore_errors=True)
    run = LongRun(
        stack,
        open_album().folder.absolute() / "2mp",
        minutes=options.minutes,
        photos_per_second=options.rate,
        settings={"DAMAGE_MAX_PHOTOS_PER_PROCESS": str(photos)},
        report=lambda text: print(text, file=sys.stderr, flush=True),
    )
    run.run()
    warm_up_minutes = max(MIN_WARM_UP_MINUTES, WARM_UP_SHARE * options.minutes)
    growth = run.samples.growth(60 * warm_up_minutes, 60 * PROCESS_WARM_UP_MINUTES)
    write_figures(run, growth, options.out)
    print("\n".join(summary(run, growth)))
    problems = problems_of(run, growth)
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"results: {options.out}/soak.md, soak.json and soak.png", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
