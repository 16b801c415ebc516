"""Programs that end are restarted, with growing pauses if they keep ending."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from damage_tasks.devstack.child_processes import Child
from damage_tasks.devstack.restarts import MAX_PAUSE_SECONDS, STEADY_AFTER_SECONDS, Restarts

pytestmark = pytest.mark.server


class Clock:
    """A clock set by the test."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def child(tmp_path: Path) -> Child:
    """A program that ends immediately."""
    program = [sys.executable, "-c", "print('here')"]
    return Child("worker 1", program, log=tmp_path / "log", environment={})


def test_a_program_that_keeps_ending_waits_longer_each_time(child: Child) -> None:
    clock = Clock()
    restarts = Restarts(clock)
    child.start()
    child.wait(30)
    pauses = []
    for _ in range(8):
        (line,) = restarts.start_ended([child])
        assert line.startswith("worker 1 ended with 0; restarting it in ")
        pauses.append(float(line.split()[-2]))
        assert restarts.start_ended([child]) == []
        assert child.returncode == 0
        clock.now += pauses[-1]
        restarts.start_ended([child])
        child.wait(30)
    assert pauses[:4] == [1, 2, 4, 8]
    assert pauses[-1] == MAX_PAUSE_SECONDS
    assert child.log.read_text() == "here\n" * 9
    clock.now += STEADY_AFTER_SECONDS
    assert restarts.start_ended([child]) == ["worker 1 ended with 0; restarting it in 1 s"]


def test_a_program_that_runs_is_left_alone(tmp_path: Path) -> None:
    program = [sys.executable, "-c", "import time; time.sleep(60)"]
    child = Child("worker 1", program, log=tmp_path / "log", environment={})
    child.start()
    assert Restarts().start_ended([child]) == []
    child.kill()
