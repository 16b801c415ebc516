"""``make migration-check``: upgrades a large database under load, and watches its locks."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from tools.migration_check.earlier_code import before_the_newest_migration, describe
from tools.migration_check.upgrade_run import UpgradeRun


def main() -> int:
    """Run it; returns 0 if every photo has a verdict and no lock was held for too long."""
    parser = argparse.ArgumentParser(prog="make migration-check", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="inspections before")
    parser.add_argument(
        "--earlier", default="", help="commit or tag; by default that before the newest migration"
    )
    parser.add_argument("--out", type=Path, default=Path("var/migration-check"))
    options = parser.parse_args()
    folder = options.out.absolute()
    shutil.rmtree(folder, ignore_errors=True)
    commit = options.earlier or before_the_newest_migration()
    if not describe(commit):
        parser.error(f"--earlier {commit}: the repository has no such commit or tag")
    run = UpgradeRun(
        folder,
        commit,
        options.rows,
        report=lambda text: print(text, file=sys.stderr, flush=True),
    )
    run.report(f"earlier code: {describe(commit)}")
    run.run()
    for name, value in run.table.items():
        print(f"{name}: {value}")
    for name in run.not_shown:
        print(
            f"not shown: {name}; a migration from an earlier commit (EARLIER=) or of more rows "
            "(ROWS=) takes longer",
            file=sys.stderr,
        )
    for problem in run.problems:
        print(problem, file=sys.stderr)
    return 1 if run.problems else 0


if __name__ == "__main__":
    sys.exit(main())
