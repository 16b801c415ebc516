"""Logs become objects in S3: one JSON object per line, and a crash in one record."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from damage_tasks.devstack.aws_emulator import Emulator
from damage_tasks.devstack.child_processes import Child
from tests.operators.conftest import wait_until

FOLDER = Path(__file__).parent.parent.parent / "helm/files"


def load(name: str) -> Any:
    """A configuration, read without YAML 1.1's interpretation of on and off."""
    return yaml.load((FOLDER / name).read_text(), Loader=yaml.BaseLoader)


@pytest.mark.parametrize("name", ["fluent-bit.yaml", "fluent-bit-daemonset.yaml"])
def test_lines_go_to_s3_as_they_were_written_and_outlive_a_restart(name: str) -> None:
    pipeline = load(name)["pipeline"]
    (tail,), (output,) = pipeline["inputs"], pipeline["outputs"]
    assert (output["name"], output["bucket"]) == ("s3", "${LOG_BUCKET}")
    assert output["match"] == tail["tag"]
    assert output["log_key"] == "log"
    assert tail["storage.type"] == "filesystem"
    assert "filters" not in pipeline
    assert not [key for key in output if "secret" in key or "access" in key]


def test_a_crash_is_one_line_of_json() -> None:
    program = (
        "from damage_tasks.telemetry import configure_logging; import threading, sys\n"
        "configure_logging(form='json')\n"
        "def fail(): raise ValueError('first\\nsecond')\n"
        "thread = threading.Thread(target=fail); thread.start(); thread.join()\n"
        "fail()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    records = [json.loads(line) for line in done.stderr.splitlines()]
    assert [(r["event"], r["error"]) for r in records] == [("crashed", "ValueError")] * 2
    assert all("Traceback" in r["traceback"] for r in records)


@pytest.mark.skipif(
    not shutil.which("fluent-bit"),
    # Not on PyPI or in Debian; npm has the sources of 1.8, which cannot read YAML.
    reason="no registry here has a Fluent Bit that reads this file; runs where one is",
)
def test_a_real_fluent_bit_ships_to_s3(aws: Emulator, bucket: str, tmp_path: Path) -> None:
    program = shutil.which("fluent-bit")
    assert program
    log = tmp_path / "worker.log"
    line = '{"time": "2026-11-22T10:00:00.000+00:00", "event": "hello"}'
    log.write_text(line + "\n")
    text = (FOLDER / "fluent-bit.yaml").read_text()
    text = text.replace("/var/log/damage-tasks", str(tmp_path)).replace("60s", "2s")
    (tmp_path / "fluent-bit.yaml").write_text(text)
    child = Child(
        "Fluent Bit",
        [program, f"--config={tmp_path}/fluent-bit.yaml"],
        log=tmp_path / "fluent-bit.log",
        environment={
            **aws.environment,
            "LOG_BUCKET": bucket,
            "LOG_PREFIX": "logs",
            "POD_NAME": "worker-1",
            "S3_ENDPOINT": aws.environment["AWS_ENDPOINT_URL"],
        },
    )
    child.start()
    s3 = aws.client("s3")

    def shipped() -> list[Any]:
        return list(s3.list_objects_v2(Bucket=bucket).get("Contents", []))

    (found,) = wait_until(shipped, "an object in S3")
    body = s3.get_object(Bucket=bucket, Key=found["Key"])["Body"].read()
    assert gzip.decompress(body).decode().splitlines() == [line]
    child.terminate()
    child.wait(10)
