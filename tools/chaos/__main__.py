"""``make chaos``: a table of ``name: number``, ``var/chaos.json``, and an exit status."""

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
    """Run it; 0 if every promise was kept."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--photos", type=int, default=500, help="photos that are sent")
    parser.add_argument("--seed", type=int, default=1, help="the same seed breaks the same things")
    parser.add_argument("--out", type=Path, default=Path("var"), help="folder of table and logs")
    options = parser.parse_args()
    if options.photos < 1:
        parser.error("at least one photo is needed")
    logs = (options.out / "chaos").absolute()
    shutil.rmtree(logs, ignore_errors=True)
    plans: list[Plan] = []

    def make(cases: list[Case]) -> Plan:
        plans.append(make_plan(options.seed, options.photos, range(len(cases)), hangs=1))
        return plans[0]

    chaos = Chaos(logs, tell=lambda text: print(text, file=sys.stderr, flush=True))
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
    print(f"kept: {options.out / 'chaos.json'}, logs in {logs}", file=sys.stderr)
    return 0 if account.ok else 1


if __name__ == "__main__":
    sys.exit(main())
