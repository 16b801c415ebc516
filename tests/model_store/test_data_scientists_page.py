"""The page for data scientists: its commands that roll a bundle out run as they are."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from model_store.bundle import open_bundle
from model_store.publishing import publish
from model_store.rollout import pointer_at
from tools.small_bundles import write_bundle

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs/data-scientists.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
STORE = "s3://acme-models"


def shell(commands: str) -> str:
    """What the commands print; the first one that fails ends them."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-e", "-c", commands],
        env={**os.environ, "PATH": path, "COLUMNS": "200"},
        capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("block", BLOCKS)
def test_every_block_is_shell(block: str) -> None:
    done = subprocess.run(["sh", "-n"], input=block, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_bundle_is_rolled_out_with_the_commands_of_the_page(aws: Any, tmp_path: Path) -> None:
    aws.create_bucket("acme-models")
    for seed, version in enumerate(("2.0.0", "2.1.0")):
        bundle = write_bundle(tmp_path / version, seed, name="damage", version=version)
        publish(open_bundle(bundle), STORE)
    (block,) = [block for block in BLOCKS if "rollout set" in block]
    commands = block.splitlines()
    assert len(commands) == 6
    printed = shell(block)
    assert re.findall(r"^(2\.\d\.0) +(\d+) %", printed, re.MULTILINE) == [
        ("2.0.0", "100"),
        *[("2.0.0", "95"), ("2.1.0", "5")] * 2,  # by `set` and by `status`
        ("2.1.0", "100"),
        ("2.0.0", "100"),
    ]
    assert ": trial of the summer training" in printed
    stored = pointer_at(f"{STORE}/damage/CURRENT").read()
    assert stored is not None
    assert stored.rollout.reason == "more missed dents"
    assert f"`python -m model_store list {STORE}`" in PAGE
    assert re.search(r"2\.0\.0 .* 100 % ", shell(f"python -m model_store list {STORE}"))
