"""Every command on the page for operators runs and prints what the page says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from damage_tasks import detect_damage
from damage_tasks.devstack import Stack
from tests.integration.conftest import use
from tests.operators.conftest import endless, process_with, verdicts, wait_until
from tools.loopback_web_server import Site
from tools.sample_pictures_and_results import jpeg

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs/operators.md").read_text()
BLOCKS = "".join(re.findall(r"^```console\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE))
# (command, what the page shows)
SHOWN = re.findall(r"^\$ (.+)\n((?:(?!\$ ).*\n)*)", BLOCKS, re.MULTILINE)
PROGRAMS = r"damage-tasks|celery|kubectl|damage-probe"
INLINE = set(re.findall(rf"`((?:{PROGRAMS}) [^`]+)`", " ".join(PAGE.split())))
# Run by tests, here and in tests of the image and the chart.
ELSEWHERE = {
    "damage-tasks shadow", "damage-tasks compare", "damage-tasks rerun", "damage-tasks import",
    "damage-tasks report --slack",
    "damage-tasks rerun --bundle s3://acme-models/damage/2.1.0 --since 30d --dry-run",
    "damage-tasks queue create damage-shadow",
    "damage-probe live", "damage-probe ready", "damage-tasks flower", "damage-tasks check",
    "damage-tasks queue check", "damage-tasks dead-letters list", "damage-tasks show",
    "damage-tasks dead-letters replay --yes", "damage-tasks stack",
    "damage-tasks find --car-id 7", "damage-tasks find --verdict rejected --since 24h",
    "damage-tasks migrate", "damage-tasks review", "damage-tasks deliver",
    "damage-tasks deliveries list --state failed", "damage-tasks deliveries show ID",
    "damage-tasks deliveries replay", "damage-tasks deliveries drop",
    "damage-tasks deliveries test", "damage-tasks deliveries list",
    "damage-tasks export", "damage-tasks export DIR --hard", "damage-tasks evidence",
    "damage-tasks evidence ID", "damage-tasks evidence rerun FILE",
    "damage-tasks evidence --case ID",
    "damage-tasks import FILE --person NAME",
    "damage-tasks forget --car ID", "damage-tasks forget --car 7 --by privacy@acme.example",
    "damage-tasks forget --expired", "damage-tasks show ID --history",
    "damage-tasks report", "damage-tasks report --since 7d",
    "damage-tasks guard-rollout", "damage-tasks guard-rollout --dry-run",
    "damage-tasks drift",
}  # fmt: skip


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """What ``damage-tasks stack`` starts, in a folder called ``var``."""
    here = tmp_path_factory.mktemp("page")
    # A command names worker/probe.sh as seen from a clone of the repository. The package as a
    # whole: Celery puts this folder first on sys.path.
    (here / "damage_tasks").symlink_to(ROOT / "damage_tasks")
    with Stack(here / "var", processes=2, flower=True) as stack:
        yield stack


@pytest.fixture
def stack(running: Stack, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """The stack, and this process as one of its callers."""
    use(running, monkeypatch)
    return running


def run(command: str, stack: Stack) -> str:
    """What the command prints in a shell that has loaded ``var/stack.env``."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=stack.folder.parent, env={**os.environ, **stack.environment, "PATH": path},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False,
    )  # fmt: skip
    return done.stdout


def comparable(text: str) -> str:
    """``text`` without what differs from machine to machine."""
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", text)
    text = re.sub(r"worker1@\S+:", "worker1@HOST:", text)
    text = re.sub(r"revision \d+", "revision N", text)
    return re.sub(r"is \d+ s old", "is N s old", text).strip()


@pytest.mark.server
@pytest.mark.xdist_group("page")
@pytest.mark.parametrize(("command", "shown"), SHOWN, ids=[command for command, _ in SHOWN])
def test_a_command_prints_what_the_page_shows(command: str, shown: str, stack: Stack) -> None:
    printed = ""
    # On a busy machine, a worker may answer remote control too late once.
    for _ in range(5):
        printed = run(command, stack)
        if comparable(printed) == comparable(shown):
            return
        time.sleep(1)
    assert comparable(printed) == comparable(shown), printed


def test_every_other_command_is_run_by_a_test() -> None:
    assert len(SHOWN) == 8
    assert {command for command in INLINE if not command.startswith("kubectl")} - ELSEWHERE == {
        "damage-tasks show ID",
        "celery -A damage_tasks control terminate SIGTERM ID",
        "damage-tasks dead-letters replay --id ID --yes",
    }


@pytest.mark.server
@pytest.mark.xdist_group("page")
def test_a_photo_is_stopped_found_and_replayed_as_the_page_says(stack: Stack, site: Site) -> None:
    id = detect_damage.delay(endless(site, "/stopped.jpg")).id
    wait_until(lambda: process_with(id), "the photo running")

    def call(command: str) -> str:
        assert command in INLINE
        return run(command.replace("ID", id), stack)

    call("celery -A damage_tasks control terminate SIGTERM ID")
    wait_until(lambda: "dead letter" in call("damage-tasks show ID"), "the dead letter", 300)
    site.serve("/stopped.jpg", jpeg(seed=31))
    assert call("damage-tasks dead-letters replay --id ID --yes").endswith("replay: 1\n")
    assert verdicts([id])[id] in ("clean", "damaged")
    assert "verdict" in call("damage-tasks show ID")
