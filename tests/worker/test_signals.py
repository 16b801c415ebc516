"""Celery's signals: our receivers act for workers of our application only."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ORDER = """
from damage_tasks import app
from celery.worker.consumer.consumer import Consumer

blueprint = Consumer.Blueprint(steps=app.steps["consumer"])
steps = blueprint._finalize_steps(blueprint.claim_steps())
print([step.__module__ for step in steps if step.__module__.startswith("damage_tasks")])
"""


def environment(folder: Path, **more: str) -> dict[str, str]:
    own = {k: v for k, v in os.environ.items() if not k.startswith(("DAMAGE_", "AWS_", "CELERY"))}
    root = str(Path(__file__).parents[2])
    return {**own, "PYTHONPATH": f"{folder}{os.pathsep}{root}", **more}


def python(program: str, folder: Path, **more: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env=environment(folder, **more),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_process_that_only_sends_has_one_receiver_that_does_nothing(tmp_path: Path) -> None:
    program = """
from celery import signals
names = [name for name in dir(signals) if isinstance(getattr(signals, name), signals.Signal)]
before = {name: len(getattr(signals, name).receivers) for name in names}
import damage_tasks
after = {name: len(getattr(signals, name).receivers) for name in names}
print([name for name in names if before[name] != after[name]])
class Worker:
    app = object()
signals.celeryd_init.send(sender="host", instance=Worker())
print([name for name in names if after[name] != len(getattr(signals, name).receivers)])
"""
    assert python(program, tmp_path).splitlines() == ["['celeryd_init']", "[]"]


def test_a_worker_of_ours_ignores_the_signals_of_other_applications(tmp_path: Path) -> None:
    program = """
import logging
from celery import Celery, signals
from damage_tasks import app

class Worker:
    hostname, concurrency, pool_cls, quiet = "host", 1, "solo", False
    def __init__(self, app):
        self.app = app

signals.celeryd_init.send(sender="host", instance=Worker(app))
seen = []
logging.getLogger().handlers = [handler := logging.Handler()]
handler.emit = seen.append
other = Celery("other", set_as_current=False)
@other.task
def task(): pass
signals.worker_init.send(sender=Worker(other))
signals.worker_ready.send(sender=Worker(other))
signals.task_prerun.send(sender=task, task_id="1", task=task, args=(), kwargs={})
signals.worker_shutdown.send(sender=Worker(other))
assert not seen, seen
"""
    python(program, tmp_path, DAMAGE_QUEUE_URL="http://127.0.0.1:9/000000000000/damage")


@pytest.mark.slow
def test_the_order_of_our_boot_steps_does_not_depend_on_the_hash_seed(tmp_path: Path) -> None:
    url = "http://127.0.0.1:9/000000000000/damage"
    orders = {
        python(ORDER, tmp_path, DAMAGE_QUEUE_URL=url, PYTHONHASHSEED=str(seed)).strip()
        for seed in range(4)
    }
    assert orders == {
        "['damage_tasks.sqs.visibility', 'damage_tasks.event_bus.control_step', "
        "'damage_tasks.worker.poll_when_ready', 'damage_tasks.worker.heartbeat']"
    }


def test_the_worker_prints_no_banner(tmp_path: Path) -> None:
    program = """
from celery import signals
from damage_tasks import app

class Worker:
    hostname, concurrency, pool_cls, quiet = "host", 1, "solo", False
    def __init__(self):
        self.app = app

signals.celeryd_init.send(sender="host", instance=(worker := Worker()))
print(worker.quiet)
"""
    url = "http://127.0.0.1:9/000000000000/damage"
    assert python(program, tmp_path, DAMAGE_QUEUE_URL=url) == "True\n"
