"""What every worker meets is posted once for all workers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from damage_tasks.devstack import clean_environment
from damage_tasks.devstack.loopback_ports import free_port
from tests.operators.conftest import Recorder, wait_until

pytestmark = pytest.mark.server

MONITOR = """
import sys
from damage_tasks.telemetry.slack import Alert
from damage_tasks.worker.outcome_alerts import WorkerMonitor

monitor = WorkerMonitor()
monitor.start(sys.argv[1])
monitor.alert(Alert("bundle is refused", "half of it", fleet_subject="digest is refused"))
monitor.alert(Alert("database_error", "permission denied"))
sys.stdin.read()
"""


@pytest.fixture
def slack() -> Iterator[Recorder]:
    recorder = Recorder()
    yield recorder
    recorder.server.shutdown()
    recorder.server.server_close()


@contextmanager
def three_workers(slack: Recorder, database_url: str) -> Iterator[None]:
    """The parents of three workers, which post both alerts."""
    settings = {
        "DAMAGE_SLACK_WEBHOOK_URL": slack.slack_url,
        "DAMAGE_DEAD_LETTER_ALERTS": "flower",
        "DAMAGE_QUEUE_URL": f"http://127.0.0.1:{free_port()}/000000000000/damage",
        "DAMAGE_DATABASE_URL": database_url,
    }
    with ExitStack() as processes:
        for number in range(3):
            processes.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", MONITOR, f"worker{number}"],
                    env={**clean_environment(), **settings},
                    stdin=subprocess.PIPE,
                )
            )
        yield


def posts_about(slack: Recorder, cause: str) -> int:
    return sum(cause in text for text in slack.slack())


def test_one_worker_posts_an_alert_of_the_whole_fleet(
    slack: Recorder, migrated_sqlite_url: str
) -> None:
    with three_workers(slack, migrated_sqlite_url):
        wait_until(lambda: posts_about(slack, "database_error") == 3, "alerts of each worker", 60)
    assert posts_about(slack, "bundle is refused") == 1


def test_without_the_database_each_worker_posts_it(slack: Recorder) -> None:
    with three_workers(slack, f"postgresql://x:y@127.0.0.1:{free_port()}/damage"):
        wait_until(lambda: posts_about(slack, "bundle is refused") == 3, "all alerts", 60)
