"""Counts of all processes add up, and replaced processes leave no files behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import os, sys
from pathlib import Path
from damage_tasks.telemetry import metrics

folder = Path(sys.argv[1])
metrics.start_metrics(folder)
assert not (folder / "left-over.db").exists()
figures = metrics.get_metrics()
for slot in (0, 1, 0, 1, 0):  # three processes one after the other in slot 0
    pid = os.fork()
    if not pid:
        metrics.enter_slot(slot)
        figures.retried("database_unavailable")
        figures.waited(3)
        figures.gate_exits.labels("damage").inc()
        figures.loaded("default", "1.0.0", "f" * 64, 2.5)
        os._exit(0)
    os.waitpid(pid, 0)
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
registry = CollectorRegistry()
MultiProcessCollector(registry)
print(generate_latest(registry).decode())
print(*sorted({path.stem.split("_")[-1] for path in folder.iterdir()}))
"""


def test_counts_of_replaced_processes_go_on_in_the_same_files(tmp_path: Path) -> None:
    folder = tmp_path / "metrics"
    folder.mkdir()
    (folder / "left-over.db").touch()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert 'damage_retries_total{reason="database_unavailable"} 5.0' in lines
    assert "damage_queue_wait_seconds_count 5.0" in lines
    assert 'damage_gate_exits_total{network="damage"} 5.0' in lines
    assert "damage_model_load_seconds 2.5" in lines
    assert f'damage_bundle_info{{digest="{"f" * 12}",name="default",version="1.0.0"}} 1.0' in lines
    assert lines[-1] == "parent process-0 process-1"


def test_nothing_is_counted_and_nothing_imported_where_metrics_are_off() -> None:
    program = (
        "import sys; import damage_tasks.worker.signals, damage_tasks.pipeline;"
        "from damage_tasks.telemetry.metrics import get_metrics; assert get_metrics() is None;"
        "heavy = {'prometheus_client', 'sentry_sdk', 'redis'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
