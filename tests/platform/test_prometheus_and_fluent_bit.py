"""Prometheus' and Fluent Bit's configuration, checked by the real programs if installed."""

from __future__ import annotations

import gzip
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import yaml

from damage_tasks.devstack.loopback_ports import free_port
from tests.platform.template import ROOT


def test_prometheus_takes_its_configuration(tmp_path: Path) -> None:
    config = yaml.safe_load((ROOT / "deploy/docker/prometheus.yml").read_text())
    # The paths of the compose file's mounts.
    shutil.copy(ROOT / "deploy/monitoring/prometheus/rules.yml", tmp_path / "rules.yml")
    assert config["rule_files"] == ["/etc/prometheus/rules.yml"]
    config["rule_files"] = ["rules.yml"]
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    run = subprocess.run(
        ["promtool", "check", "config", tmp_path / "prometheus.yml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr


def test_the_inbox_prints_what_slack_and_sentry_would_get(tmp_path: Path) -> None:
    port = free_port()
    program = (ROOT / "deploy/docker/inbox.py").read_text().replace("PORT = 8025", f"PORT = {port}")
    (tmp_path / "inbox.py").write_text(program.replace('("", PORT)', '("127.0.0.1", PORT)'))
    process = subprocess.Popen(
        [sys.executable, tmp_path / "inbox.py"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    killer = threading.Timer(20, process.kill)
    killer.start()
    try:
        assert "waiting" in process.stderr.readline()
        end = time.monotonic() + 10
        while True:
            try:
                slack = urllib.request.Request(
                    f"http://127.0.0.1:{port}/slack", data=b'{"text": "a photo failed"}'
                )
                urllib.request.urlopen(slack, timeout=5).close()
                break
            except OSError:
                assert time.monotonic() < end
                time.sleep(0.05)
        assert process.stdout.readline() == "/slack {\n"
        assert "a photo failed" in process.stdout.readline()
        sentry = urllib.request.Request(
            f"http://127.0.0.1:{port}/api/1/envelope/",
            data=gzip.compress(b'{"event_id": "1"}'),
            headers={"Content-Encoding": "gzip"},
        )
        with urllib.request.urlopen(sentry, timeout=5) as answer:
            assert answer.read() == b"{}"
    finally:
        killer.cancel()
        process.kill()
        process.communicate()
