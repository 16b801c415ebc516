"""A worker of the previous schema and one of this code examine photos during a migration."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tools.migration_check.earlier_code import before_the_newest_migration
from tools.migration_check.upgrade_run import UpgradeRun


@pytest.mark.slow
@pytest.mark.server
@pytest.mark.xdist_group("migration-check")
def test_old_and_new_workers_share_the_database_while_it_is_migrated(tmp_path: Path) -> None:
    try:
        commit = before_the_newest_migration()
    except LookupError as error:
        pytest.skip(f"needs the history: git fetch --unshallow ({error})")
    run = UpgradeRun(tmp_path, commit, rows=2000, phase_seconds=3)
    run.run()
    assert run.problems == []
    assert run.table["revision before"] < run.table["revision after"]
    assert run.table["longest ACCESS EXCLUSIVE lock in seconds"] < 1
    for phase in (
        "verdicts of the earlier code on its schema",
        "verdicts of the earlier code on the new schema",
        "verdicts of the new code afterwards",
    ):
        assert run.table[phase] > 0, phase
    meanwhile = "verdicts of the new code during the migration"
    assert run.not_shown == ([] if run.table[meanwhile] else [meanwhile])


def test_a_commit_that_does_not_exist_is_refused_at_once() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tools.migration_check", "--earlier", "v0.0.0-none"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "--earlier v0.0.0-none: the repository has no such commit or tag" in done.stderr
