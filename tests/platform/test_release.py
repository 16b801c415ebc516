"""What a version tag publishes: packages without weights, and the notes of the version."""

from __future__ import annotations

import importlib.util
import io
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.platform.template import ROOT
from tests.platform.wheel import build_source_archive, copy_source
from tools.package_contents import problems

WORKFLOWS = {file.name: yaml.safe_load(file.read_text())
             for file in (ROOT / ".github/workflows").glob("*.yml")}  # fmt: skip

_spec = importlib.util.spec_from_file_location(
    "release_notes", ROOT / "deploy/delivery/release_notes.py"
)
assert _spec is not None
assert _spec.loader is not None
release_notes = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(release_notes)

CHANGELOG = (
    "# Changelog\n\n## Unreleased\n\n- New.\n\n## 1.2.0 - 2026-11-29\n\n### Added\n\n- Old.\n"
)


def jobs() -> dict[str, Any]:
    return dict(WORKFLOWS["release.yml"]["jobs"])


def test_the_notes_of_a_version_are_its_section_of_the_changelog() -> None:
    assert release_notes.notes("v1.2.0", CHANGELOG) == "### Added\n\n- Old."


@pytest.mark.parametrize("tag", ["v1.2", "v1.20", "v1.3.0", "vUnreleased"])
def test_a_version_without_a_section_is_refused(tag: str) -> None:
    with pytest.raises(SystemExit, match="CHANGELOG.md has no section"):
        release_notes.notes(tag, CHANGELOG)


def test_the_notes_of_the_first_version_are_printed() -> None:
    run = subprocess.run(
        [sys.executable, ROOT / "deploy/delivery/release_notes.py", "v0.1.0"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.startswith("The first version.")


def test_every_action_is_pinned_to_a_commit() -> None:
    used = [
        step["uses"]
        for workflow in WORKFLOWS.values()
        for job in workflow["jobs"].values()
        for step in job["steps"]
        if "uses" in step
    ]
    assert used
    assert [action for action in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action)] == []


def test_only_the_job_in_the_environment_pypi_may_publish() -> None:
    assert WORKFLOWS["release.yml"]["permissions"] == {"contents": "read"}
    permissions = {name: job.get("permissions") for name, job in jobs().items()}
    assert permissions == {
        "package": None,
        "test": None,
        "publish": {"id-token": "write"},
        "notes": {"contents": "write"},
    }
    publish = jobs()["publish"]
    assert publish["environment"] == "pypi"
    assert set(publish["needs"]) == {"package", "test"}
    # No code of the repository runs with this permission.
    assert not [step for step in publish["steps"] if "run" in step]


def test_no_step_inserts_a_value_into_its_script() -> None:
    for job in jobs().values():
        assert not [step for step in job["steps"] if "${{" in step.get("run", "")]


def wheel_with(folder: Path, name: str, size: int = 10) -> Path:
    file = folder / "damage_tasks-1.0.0-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as wheel:
        for required in ("damage_tasks/__init__.py", "licenses/LICENSE", "licenses/NOTICE"):
            wheel.writestr(required, "")
        wheel.writestr(name, bytes(size))
    return file


def test_a_wheel_without_weights_is_accepted(tmp_path: Path) -> None:
    assert problems(wheel_with(tmp_path, "damage_tasks/tasks.py")) == []


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("model_store/default/manifest.json", 10),
        ("model_store/other/gate.safetensors", 10),
        ("damage_tasks/data", 600_000),
    ],
)
def test_a_wheel_with_weights_is_refused(tmp_path: Path, name: str, size: int) -> None:
    (problem,) = problems(wheel_with(tmp_path, name, size))
    assert problem.endswith(f"contains {name}")


def test_an_archive_without_a_licence_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "damage_tasks-1.0.0.tar.gz"
    with tarfile.open(file, "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("damage_tasks-1.0.0/NOTICE"), io.BytesIO())
    assert [line.rpartition(" ")[2] for line in problems(file)] == ["LICENSE", "__init__.py"]


@pytest.mark.slow
def test_the_wheel_and_the_source_archive_contain_no_weights(wheel: Path, tmp_path: Path) -> None:
    assert problems(wheel) == []
    assert problems(build_source_archive(tmp_path)) == []


@pytest.mark.slow
def test_the_callers_page_installs_from_a_tag(tmp_path: Path) -> None:
    source = copy_source(tmp_path)
    for arguments in (
        ["init", "-q"],
        ["add", "--all"],
        ["-c", "user.name=test", "-c", "user.email=test@localhost", "commit", "-q", "-m", "first"],
        ["tag", "v0.1.0"],
    ):
        subprocess.run(["git", *arguments], cwd=source, check=True)
    page = (ROOT / "docs/callers.md").read_text()
    command = re.search(r'^pip install ".* @ git\+\$REPOSITORY@v0\.1\.0"$', page, re.MULTILINE)
    assert command
    options = f"--no-deps --no-build-isolation --quiet --target {tmp_path / 'installed'}"
    run = subprocess.run(
        ["sh", "-ec", command[0].replace("pip", f"{sys.executable} -m pip", 1) + f" {options}"],
        env={
            **os.environ,
            "REPOSITORY": "https://git.example/damage-tasks",
            # Git reads the clone instead.
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"url.{source.as_uri()}.insteadOf",
            "GIT_CONFIG_VALUE_0": "https://git.example/damage-tasks",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "installed/damage_tasks/tasks.py").exists()
    assert not (tmp_path / "installed/model_store/default").exists()
