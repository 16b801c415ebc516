"""Counts of all processes add up in memory; a full or cleaned disk does not matter."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

START = """
import os, sys
from damage_tasks.telemetry import metrics

metrics.start_metrics(processes=2)
figures = metrics.get_metrics()

def in_process(slot, count):
    pid = os.fork()
    if not pid:
        metrics.enter_slot(slot)
        count()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0

def show():
    from prometheus_client import CollectorRegistry, generate_latest
    registry = CollectorRegistry()
    registry.register(metrics._shared)
    print(generate_latest(registry).decode())
"""


@pytest.fixture
def printed() -> Callable[[str], list[str]]:
    """The lines that a program prints after START."""

    def run(program: str) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-c", START + program], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return [*done.stdout.splitlines(), *done.stderr.splitlines()]

    return run


def test_a_verdict_counts_with_its_lane_and_the_time_since_its_first_message(printed: Any) -> None:
    lines = printed(
        """
from datetime import UTC, datetime
from damage_tasks.attempt_state import Attempt
from damage_tasks.errors import PhotoNotFound
from damage_tasks.inspection import Verdict
from tools.sample_pictures_and_results import BUNDLE

attempt = Attempt("1", "https://x/y.jpg", lane="urgent")
rejected = attempt.ended_by(PhotoNotFound("404"), Verdict.REJECTED, BUNDLE)
for seconds in (45.0, 700.0, None):
    figures.examined(rejected, {}, "urgent", seconds)
show()
"""
    )
    photos = 'damage_photos_total{lane="urgent",reason="photo_not_found",verdict="rejected"}'
    assert f"{photos} 3.0" in lines
    for limit, count in {"30.0": 0, "60.0": 1, "600.0": 1, "900.0": 2, "+Inf": 2}.items():
        bucket = f'damage_verdict_seconds_bucket{{lane="urgent",le="{limit}"}}'
        assert f"{bucket} {count}.0" in lines


def test_counts_of_replaced_processes_continue_in_the_same_slot(printed: Any) -> None:
    lines = printed(
        """
def count():
    figures.retried("database_unavailable")
    figures.waited(3, "urgent")
    figures.failed("time_limit", "urgent", for_good=True)
    figures.gate_exits.labels("damage").inc()
    figures.loaded("default", "1.0.0", "f" * 64, 2.5)

figures.retried("database_unavailable")  # the parent counts too
for slot in (0, 1, 0, 1, 0):  # three processes one after the other in slot 0
    in_process(slot, count)
in_process(0, lambda: figures.loaded("default", "1.0.0", "f" * 64, 1.5))
show()
"""
    )
    assert 'damage_retries_total{reason="database_unavailable"} 6.0' in lines
    assert 'damage_queue_wait_seconds_bucket{lane="urgent",le="2.0"} 0.0' in lines
    assert 'damage_queue_wait_seconds_bucket{lane="urgent",le="5.0"} 5.0' in lines
    assert 'damage_queue_wait_seconds_bucket{lane="urgent",le="+Inf"} 5.0' in lines
    assert 'damage_queue_wait_seconds_count{lane="urgent"} 5.0' in lines
    assert 'damage_queue_wait_seconds_sum{lane="urgent"} 15.0' in lines
    assert 'damage_photos_total{lane="urgent",reason="time_limit",verdict="failed"} 5.0' in lines
    assert 'damage_gate_exits_total{network="damage"} 5.0' in lines
    assert "damage_model_load_seconds 1.5" in lines
    assert f'damage_bundle_info{{digest="{"f" * 12}",name="default",version="1.0.0"}} 1.0' in lines


def test_a_killed_process_leaves_its_counts_whole(printed: Any) -> None:
    lines = printed(
        """
import signal, time
pid = os.fork()
if not pid:
    metrics.enter_slot(0)
    while True:
        figures.retries.labels(f"reason-{time.monotonic_ns() % 500}").inc()
time.sleep(0.2)
os.kill(pid, signal.SIGKILL)
os.waitpid(pid, 0)
in_process(0, lambda: figures.retried("last"))
show()
"""
    )
    assert 'damage_retries_total{reason="last"} 1.0' in lines


def test_figures_without_room_are_lost_with_one_warning(printed: Any) -> None:
    lines = printed(
        """
def count():
    for number in range(10_000):
        figures.retried(f"reason-{number}")

in_process(0, count)
in_process(2, count)  # there is no such slot
show()
"""
    )
    assert 'damage_retries_total{reason="reason-0"} 1.0' in lines
    assert not any("reason-9999" in line for line in lines)
    assert len([line for line in lines if "there is room for" in line]) == 1
    assert len([line for line in lines if "all 3 slots are in use" in line]) == 1


def test_nothing_is_counted_and_nothing_imported_where_metrics_are_off() -> None:
    program = (
        "import sys; import damage_tasks.worker.request, damage_tasks.pipeline;"
        "from damage_tasks.telemetry.metrics import get_metrics; assert get_metrics() is None;"
        "heavy = {'prometheus_client', 'sentry_sdk', 'redis'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_versions_are_counted_separately_and_their_number_is_bounded(printed: Any) -> None:
    lines = printed(
        """
from dataclasses import replace
from damage_tasks.attempt_state import Attempt
from tools.sample_pictures_and_results import BUNDLE, finding

attempt = Attempt("1", "https://x/y.jpg")
for number in range(20):
    bundle = replace(BUNDLE, version=f"1.0.{number}")
    inspection = attempt.examined(finding(), bundle, reused=False, is_unsure=False)
    stages = {"download": 1000.0, "decode": 20.0, "segmentation": 30.0}
    figures.examined(inspection, stages, "bulk", None)
figures.refused("1.0.99")
show()
"""
    )
    counted = [line for line in lines if line.startswith("damage_bundle_photos_total{")]
    assert len(counted) == 17
    assert 'damage_bundle_photos_total{verdict="clean",version="other"} 4.0' in counted
    assert 'damage_bundle_seconds_sum{version="1.0.0"} 0.05' in lines
    assert 'damage_bundles_refused_total{version="other"} 1.0' in lines
