"""The README's commands work."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from damage_tasks.devstack import Stack
from tools.loopback_web_server import Site
from tools.sample_pictures_and_results import jpeg

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(sh|python)\n(.*?)^```", README, re.DOTALL | re.MULTILINE)

pytestmark = pytest.mark.xdist_group("stack")


def blocks(language: str) -> list[str]:
    return [text for found, text in BLOCKS if found == language]


def environment(**more: str) -> dict[str, str]:
    programs = str(Path(sys.executable).parent)
    return {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", **more}


def test_every_block_is_run_by_a_test_here() -> None:
    assert len(blocks("sh")) == 4
    assert len(blocks("python")) == 2
    assert blocks("sh")[1] == "make test\n"  # runs this very test


def test_the_demo_examines_sample_photos(tmp_path: Path) -> None:
    subprocess.run(
        ["sh", "-ec", blocks("sh")[0]],
        cwd=ROOT,
        env=environment(VENV=sys.prefix, OUT=str(tmp_path / "out")),
        check=True,
        capture_output=True,
        timeout=480,
    )
    assert len(list((tmp_path / "out/overlays").glob("*.jpg"))) >= 10
    assert (tmp_path / "out/index.html").read_text().count("<article ") == 12


def test_a_caller_sends_a_photo_and_reads_the_verdict(stack: Stack, site: Site) -> None:
    photo = site.serve("/car.jpg", jpeg(seed=99))
    program = "".join(blocks("python")).replace("https://photos.example/car.jpg", photo)
    assert photo in program
    run = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(**stack.environment),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert re.search(r"^(damaged|clean) None$", run.stdout, re.MULTILINE)


def test_a_developer_uses_the_stack_from_another_shell(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "var").symlink_to(stack.folder)
    (tmp_path / "car.jpg").write_bytes(jpeg(seed=98))
    stack.upload("car", tmp_path / "car.jpg")
    for block in blocks("sh")[2:]:
        run = subprocess.run(
            ["sh", "-ec", block],
            cwd=tmp_path,
            env={k: v for k, v in environment().items() if not k.startswith(("AWS_", "DAMAGE_"))},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert run.returncode == 0, run.stdout + run.stderr
    assert (tmp_path / "results/car.overlay.jpg").exists()
