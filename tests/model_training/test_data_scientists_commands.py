"""The page for data scientists: its commands run on small bundles, drawn photos and an emulator."""

from __future__ import annotations

import json
import logging
import re
import shlex
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from damage_tasks.__main__ import cli as application
from damage_tasks.cli.bundles import cli as store
from damage_tasks.production_quality import distributions
from model_store.bundle import open_bundle
from model_store.identity import BundleIdentity
from model_store.publishing import publish
from model_training.__main__ import cli as training
from model_training.bundling import photo_reference
from model_training.evaluation import synthetic_metrics
from tests.labelling.conftest import DENT, HEIGHT, SCRATCH, WIDTH, Archive, archive
from tests.model_store.test_bundle_listing import a_bundle
from tests.model_store.test_data_scientists_page import BLOCKS, STORE
from tools.small_bundles import write_bundle

__all__ = ["archive"]  # a fixture

PROGRAMS = {
    ("damage-tasks",): application,
    ("python", "-m", "model_store"): store,
    ("python", "-m", "model_training"): training,
}
# Commands that this test does not run, by their first words, and why.
NOT_RUN = {
    "pip install": "downloads gigabytes",
    "pip download": "downloads from PyPI",
    "python -m model_training train ": "takes hours; see test_training_cli.py",
    "python -m model_training train-plates": "takes minutes; see test_redaction_cli.py",
    "python -m model_training pack-redaction": "needs trained plates; see test_redaction_cli.py",
    "python -m model_store publish redaction": "needs the bundle of pack-redaction",
    "python -m model_training curate": "needs the photos of the recipe; see test_training_cli.py",
    "python -m model_training fit-score": "needs a trained checkpoint; see test_training_cli.py",
    "python -m model_training export": "needs a trained checkpoint; see test_training_cli.py",
    "python -m model_training quantise": "needs another extra; see test_quantisation.py",
    "export DAMAGE_BUNDLE": "sets a variable of the shell; see test_data_scientists_page.py",
    "python -m model_store rollout": "needs that variable; see test_data_scientists_page.py",
}
NOW = datetime.now(UTC)


def commands(block: str) -> list[str]:
    """The commands of ``block``, one line each."""
    return block.replace("\\\n", " ").splitlines()


def is_run(command: str) -> bool:
    """Whether this test runs ``command``."""
    return not command.startswith(tuple(NOT_RUN))


RUN = [block for block in BLOCKS if any(map(is_run, commands(block)))]


def run(command: str) -> None:
    """Run ``command`` in this process, which has imported everything."""
    words = tuple(shlex.split(command))
    for name, line in PROGRAMS.items():
        if words[: len(name)] == name:
            _invoke(line, words[len(name) :])
            return
    pytest.fail(f"{command}: run it, or say in NOT_RUN why not")


def _invoke(line: typer.Typer, words: tuple[str, ...]) -> None:
    done = CliRunner().invoke(line, words, env={"COLUMNS": "200"})
    assert done.exit_code == 0, f"{words}: {done.output}{done.exception!r}"


@pytest.fixture
def world(
    archive: Archive, bucket: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """A folder with what the commands read, and an address in place of `STORE`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAMAGE_BUNDLE_CACHE", str(tmp_path / "cache"))
    # Commands configure logging with a stream that ends with them.
    monkeypatch.setattr(logging.root, "handlers", [])
    monkeypatch.setattr(photo_reference, "FEWEST_PHOTOS", 2)
    monkeypatch.setattr(distributions, "FEWEST_PHOTOS", 2)
    monkeypatch.setattr(synthetic_metrics, "CARS", 1)
    shutil.copytree(folder, "photos")
    write_bundle(Path("bundle"))
    Path("bundle/golden").mkdir()
    for place in ("car.jpg", "bundle/golden/car.jpg"):  # drawn golden photos take seconds
        Path(place).write_bytes(Archive.photo_of("car"))
    Path("runs/a").mkdir(parents=True)
    a_bundle(Path("runs/a/bundle"), name="damage")
    address = f"s3://{bucket}"
    _examine(archive, address)
    yield address
    logging.root.handlers.clear()


def _examine(archive: Archive, address: str) -> None:
    """Photos of now that two published versions have examined, and of the days in the page."""
    damages = {"2.0.0": DENT, "2.1.0": SCRATCH}
    for seed, (version, damage) in enumerate(damages.items()):
        bundle = open_bundle(write_bundle(Path(version), seed, name="damage", version=version))
        publish(bundle, address)
        archive.add(
            f"by {version}", damage, data=Archive.photo_of("both"), bundle=bundle.identity,
            finished_at=NOW - timedelta(hours=1),
        )  # fmt: skip
    for number in range(2):
        identity = BundleIdentity("damage", "1.0.0", "c" * 64)
        day = datetime(2026, 11, 2 + number, tzinfo=UTC)
        archive.add(f"old {number}", bundle=identity, finished_at=day)
    archive.decide("by 2.0.0", "wrong_type", damage=1, type="scratch")
    digest = Archive.digest_of("both", Archive.photo_of("both"))
    task = {"data": {"photo": digest}, "annotations": [{"result": []}]}
    Path("project-1-at-2026-11-22.json").write_text(json.dumps([task]))
    image = {"id": 1, "file_name": f"{digest}.jpg", "width": WIDTH, "height": HEIGHT}
    labels = {"images": [image], "annotations": [], "categories": []}
    Path("instances_default.json").write_text(json.dumps(labels))


@pytest.mark.parametrize("block", RUN, ids=lambda block: re.sub(r"\W+", " ", block)[:60])
def test_commands_of_the_page_succeed(block: str, world: str) -> None:
    for command in filter(is_run, commands(block)):
        run(command.replace(STORE, world))


def test_reasons_for_commands_that_are_not_run_belong_to_commands() -> None:
    written = [command for block in BLOCKS for command in commands(block)]
    for beginning in NOT_RUN:
        assert any(command.startswith(beginning) for command in written), beginning


def test_most_commands_are_run() -> None:
    written = [command for block in BLOCKS for command in commands(block)]
    assert len(list(filter(is_run, written))) >= 24
