"""Peers are compared by the medians of one run, each process prepared like our worker's."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.benchmark_photos import Album
from benchmarks.goals import judge
from benchmarks.peers.deployment import FOLDER, read_deployment
from benchmarks.peers.peer_processes import COMMANDS
from benchmarks.peers.peer_ratios import ratios
from benchmarks.testbed import open_ground, open_service
from damage_tasks.devstack import clean_environment
from tools.sample_pictures_and_results import jpeg

KINDS = ("default", "best", "batches")
INSPECTION = """
import json, sys, threading
from benchmarks.peers.single_inspection import Inspect

inspect = Inspect()
started = []
start = threading.Thread.start
threading.Thread.start = lambda thread: (started.append(type(thread).__name__), start(thread))[1]
print(json.dumps({**inspect(sys.argv[1]), "timers": started.count("Timer")}))
"""


@pytest.mark.server
@pytest.mark.slow
@pytest.mark.xdist_group("stack")
def test_a_peer_starts_no_more_threads_for_the_database_than_our_worker(tmp_path: Path) -> None:
    (tmp_path / "2mp").mkdir()
    (tmp_path / "2mp" / "clean-0.jpg").write_bytes(jpeg(320, 240))
    with open_ground(Album(tmp_path)) as ground, open_service(ground, "one", workers=0) as service:
        (url,) = ground.urls("2mp", "clean", 1)
        done = subprocess.run(
            [sys.executable, "-c", INSPECTION, url],
            env={**clean_environment(), **service.stack.environment},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    assert json.loads(done.stdout.splitlines()[-1]) == {"verdict": "clean", "timers": 0}


def test_our_median_is_set_against_each_peers() -> None:
    def rate(stack: str, deployment: str, delay: int, per_second: float) -> dict[str, object]:
        return {
            "stack": stack, "deployment": deployment, "delay_ms": delay,
            "photos_per_second": per_second,
        }  # fmt: skip

    rates = [rate("damage-tasks", "best", 0, n) for n in (10.0, 12.0, 20.0)]
    rates += [rate("damage-tasks", "best", 80, 9.0)]
    rates += [rate("LitServe", "best", 0, n) for n in (11.0, 8.0, 6.0)]
    rates += [rate("LitServe", "default", 0, 3.0), rate("LitServe", "best", 80, 10.0)]
    found = ratios(rates)
    assert found == {
        "best": {"0": {"LitServe": pytest.approx(1.5)}, "80": {"LitServe": pytest.approx(0.9)}},
        "default": {"0": {"LitServe": 4.0}},
    }
    met = {goal.figure: goal.met for goal in judge({"peers": {"ratios": found}})}
    assert met == {
        "times LitServe, same engine, photos that take 0 ms": True,
        "times LitServe, same engine, photos that take 80 ms": False,
        "times LitServe, its default, photos that take 0 ms": False,
    }


def test_each_peer_has_a_file_for_each_deployment_with_the_link_of_its_guide() -> None:
    names = {f"{folder}_{kind}" for folder, _ in COMMANDS.values() for kind in KINDS}
    assert {path.stem for path in FOLDER.glob("*.toml")} == names
    for path in FOLDER.glob("*.toml"):
        deployment = read_deployment(path)
        assert "https://" in path.read_text().splitlines()[0]
        assert deployment.is_eager is path.stem.endswith("default")
        assert bool(deployment.batches) is path.stem.endswith("batches")
