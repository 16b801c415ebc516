"""``make chaos``: prints ``name: number`` lines and writes ``var/chaos.json``."""

from __future__ import annotations

import argparse
import shutil
import sys
from dataclasses import asdict
from pathlib import Path

from tools.chaos.experiment import Chaos
from tools.chaos.fault_plan import Plan, make_plan
from tools.hostile.hostile_case import Case


def main() -> int:
    """Run it; returns 0 if every check passed."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--photos", type=int, default=500, help="number of photos to send")
    parser.add_argument("--seed", type=int, default=1, help="the same seed causes the same faults")
    parser.add_argument("--out", type=Path, default=Path("var"), help="folder for table and logs")
    parser.add_argument(
        "--urgent", action="store_true", help="send every second photo to an urgent queue"
    )
    options = parser.parse_args()
    if options.photos < 1:
        parser.error("at least one photo is required")
    logs = (options.out / "chaos").absolute()
    shutil.rmtree(logs, ignore_errors=True)
    plans: list[Plan] = []

    def make(cases: list[Case]) -> Plan:
        plans.append(make_plan(options.seed, options.photos, range(len(cases)), hangs=1))
        return plans[0]

    chaos = Chaos(
        logs,
        urgent=options.urgent,
        report=lambda text: print(text, file=sys.stderr, flush=True),
    )
    account = chaos.run(make)
    print("\n".join(account.lines()))
    for problem in account.problems:
        print(problem, file=sys.stderr)
    account.write(
        options.out / "chaos.json",
        seed=options.seed,
        photos=options.photos,
        faults=[{**asdict(fault), "began": began, "ended": ended}
                for fault, began, ended in chaos.passed],
    )  # fmt: skip
    print(f"results: {options.out / 'chaos.json'}, logs: {logs}", file=sys.stderr)
    return 0 if account.ok else 1


if __name__ == "__main__":
    sys.exit(main())
