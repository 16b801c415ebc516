"""A worker of the previous schema and one of this code examine photos during a migration."""

from __future__ import annotations

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
