"""Which tests are marked as those that need a server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from damage_tasks.devstack.child_processes import Child

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
def test_a_test_that_uses_a_server_is_marked_by_its_fixtures_and_its_folder() -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-qq", "-p", "no:cacheprovider",
         "-m", "server", "tests/results/test_store.py", "tests/helm/test_autoscaling.py",
         "tests/sqs/test_queues.py", "tests/sqs/test_envelope.py"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    modules = {line.split("::")[0].partition(":")[0] for line in answer.stdout.splitlines()}
    assert "tests/helm/test_autoscaling.py" in modules
    assert "tests/results/test_store.py" in modules
    assert "tests/sqs/test_queues.py" in modules
    assert "tests/sqs/test_envelope.py" not in modules


def test_a_test_without_the_marker_starts_no_server(tmp_path: Path) -> None:
    server = Child("server", ["true"], log=tmp_path / "log", environment={})
    with pytest.raises(pytest.fail.Exception, match=r"pytest\.mark\.server"):
        server.start()
