"""Remote-control commands whose arguments would harm the worker are refused with a reason."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery

from damage_tasks.event_bus.guarded_commands import COMMANDS

NO_RATES = ["-5/s", "-1", -5, "soon", "5/day", "/s", "nan", "inf", "", None, True, [], {}]
NO_LIMITS = [-1, 0, float("nan"), float("inf"), "60", True, [], 91]


@pytest.fixture
def worker() -> Iterator[Any]:
    """The state that a command gets, of a worker with one process and one task."""
    app = Celery("guarded", set_as_current=False, broker="memory://")
    app.conf.task_time_limit = 90

    @app.task(name="detect_damage", shared=False)
    def detect() -> None:
        """Nothing: it is never called."""

    consumer = SimpleNamespace(
        pool=SimpleNamespace(num_processes=2), reset_rate_limits=lambda: None
    )
    yield SimpleNamespace(app=app, consumer=consumer)
    app.close()


def answer(worker: Any, name: str, **arguments: Any) -> str:
    said = COMMANDS[name](worker, **arguments)
    return str(said.get("error") or said["ok"])


@pytest.mark.parametrize("given", NO_RATES, ids=repr)
def test_a_rate_that_is_none_is_refused(worker: Any, given: Any) -> None:
    said = answer(worker, "rate_limit", task_name="detect_damage", rate_limit=given)
    assert said == f"rate_limit must be like 5/s, 100/m or 1000/h, or 0 for none, not {given!r}"
    assert worker.app.tasks["detect_damage"].rate_limit is None


@pytest.mark.parametrize("given", ["5/s", "0.5/m", "100/h", "5", 5, "0", 0])
def test_a_rate_is_set(worker: Any, given: Any) -> None:
    said = answer(worker, "rate_limit", task_name="detect_damage", rate_limit=given)
    assert "successfully" in said
    assert worker.app.tasks["detect_damage"].rate_limit == given


@pytest.mark.parametrize("name", ["hard", "soft"])
@pytest.mark.parametrize("given", NO_LIMITS, ids=repr)
def test_a_time_limit_that_is_none_or_longer_than_the_setting_is_refused(
    worker: Any, name: str, given: Any
) -> None:
    said = answer(worker, "time_limit", task_name="detect_damage", **{name: given})
    assert said == f"{name} must be more than 0 and at most 90 s, not {given!r}"
    assert worker.app.tasks["detect_damage"].time_limit == 90


def test_a_soft_limit_that_comes_after_the_hard_one_is_refused(worker: Any) -> None:
    said = answer(worker, "time_limit", task_name="detect_damage", hard=30, soft=40)
    assert said == "soft must be less than hard, not 40 s"


def test_time_limits_are_set(worker: Any) -> None:
    assert "success" in answer(worker, "time_limit", task_name="detect_damage", hard=30, soft=20.5)
    task = worker.app.tasks["detect_damage"]
    assert (task.time_limit, task.soft_time_limit) == (30, 20.5)


@pytest.mark.parametrize("name", ["nothing", None, []])
def test_a_task_that_does_not_exist_is_refused(worker: Any, name: Any) -> None:
    assert (
        answer(worker, "rate_limit", task_name=name, rate_limit="5/s") == f"unknown task {name!r}"
    )
    assert answer(worker, "time_limit", task_name=name, hard=5) == f"unknown task {name!r}"


@pytest.mark.parametrize("n", ["2", 1.5, None, True, float("nan"), -1, 0, 1000], ids=repr)
def test_the_pool_changes_by_a_whole_number_only(worker: Any, n: Any) -> None:
    assert answer(worker, "pool_grow", n=n).endswith(f"cannot add {n!r}")
    assert answer(worker, "pool_shrink", n=n).endswith(f"can be removed, not {n!r}")
