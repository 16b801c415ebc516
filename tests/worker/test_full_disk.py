"""A worker with a full disk loses metrics, never a photo."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from damage_tasks import detect_damage
from damage_tasks.devstack import Stack
from damage_tasks.devstack.loopback_ports import free_port
from tests.integration.conftest import use
from tests.operators.conftest import scrape, verdicts, wait_until
from tests.worker.test_heartbeat import probe
from tools.loopback_web_server import Site
from tools.sample_pictures_and_results import jpeg

pytestmark = pytest.mark.server


def test_a_worker_on_a_full_disk_examines_photos_and_stays_alive(
    full_disk: Path, tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    heartbeat = full_disk / "damage-tasks/heartbeat"
    settings = {
        "DAMAGE_HEARTBEAT_FILE": str(heartbeat),
        "DAMAGE_METRICS_PORT": str(free_port()),
        "DAMAGE_SLACK_WEBHOOK_URL": "http://127.0.0.1:9/slack",
    }
    counted = 'damage_stage_seconds_count{stage="segmentation"}'
    with Stack(tmp_path / "var", processes=2, settings=settings) as stack:
        use(stack, monkeypatch)
        log = stack.workers[0].log

        def examine(number: int) -> None:
            verdicts([detect_damage.delay(site.serve(f"/{number}.jpg", jpeg(seed=number))).id])

        examine(1)
        time.sleep(11)  # further heartbeats
        assert probe("live", heartbeat)[0]
        assert probe("ready", heartbeat)[0]
        assert log.read_text().count("heartbeat was not written") == 1
        assert scrape(stack)[counted] == 1
        (full_disk / "ballast").unlink()
        wait_until(lambda: heartbeat.read_text(), "a whole heartbeat", 30)
        # Like a program that cleans /tmp.
        shutil.rmtree(heartbeat.parent)
        examine(2)
        wait_until(lambda: probe("ready", heartbeat)[0], "readiness", 30)
        assert scrape(stack)[counted] == 2
        assert log.read_text().count("heartbeat was not written") == 1
        stack.check_workers()
