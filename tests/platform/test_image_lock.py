"""The image's packages are locked by hash for each platform; `make image-lock` writes the files."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.platform.template import ROOT
from tools import image_wheels

LINE = re.compile(r"^([a-z0-9-]+)==(\S+) --hash=sha256:([0-9a-f]{64})$")


def lock(platform: str) -> dict[str, str]:
    """Versions by name; every line must have the form of `LINE`."""
    text = (ROOT / f"deploy/docker/requirements-{platform}.txt").read_text()
    assert text.startswith(image_wheels.HEADER)
    found = [LINE.fullmatch(line) for line in text.splitlines()[1:]]
    return {match[1]: match[2] for match in found if match is not None or pytest.fail(text)}


@pytest.mark.parametrize("platform", image_wheels.PLATFORMS)
def test_the_lock_has_what_the_image_needs_in_the_tested_versions(platform: str) -> None:
    locked = lock(platform)
    needed = image_wheels.packages_of_the_image(image_wheels.PLATFORMS[platform])
    assert set(locked) == needed, "run `make image-lock`"
    pins = image_wheels.pins()
    # pip does not list setuptools among the installed packages.
    tested = {name: pins[name] for name in needed - {"setuptools"}}
    assert {name: locked[name] for name in tested} == tested, "run `make image-lock`"
    assert {"openvino", "opencv-python-headless", "psycopg2-binary", "pycurl"} <= set(locked)


def test_both_platforms_get_the_same_versions() -> None:
    assert lock("amd64") == lock("arm64")


def test_wheels_with_compiled_code_differ_between_the_platforms() -> None:
    amd64, arm64 = (
        set((ROOT / f"deploy/docker/requirements-{platform}.txt").read_text().splitlines())
        for platform in image_wheels.PLATFORMS
    )
    compiled = {line.split("==")[0] for line in amd64 - arm64}
    assert {"numpy", "openvino", "opencv-python-headless", "pycurl", "cryptography"} <= compiled
    assert "celery" not in compiled


def test_a_report_of_pip_becomes_a_lock() -> None:
    def package(name: str, digest: str) -> dict[str, Any]:
        return {
            "metadata": {"name": name, "version": "1.0"},
            "download_info": {"archive_info": {"hashes": {"sha256": digest}}},
        }

    text = image_wheels.lock_file({"install": [package("B_b", "2"), package("a", "1")]})
    assert text.splitlines()[1:] == ["a==1.0 --hash=sha256:1", "b-b==1.0 --hash=sha256:2"]


def test_the_image_installs_nothing_without_a_hash_but_torch() -> None:
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    installs = [line for line in re.split(r"&&|\n", text) if " install " in line and "pip " in line]
    locked, torch, ours = (re.sub(r"\s+", " ", line) for line in installs)
    assert '--require-hashes --only-binary=:all: -r "requirements-$(dpkg' in locked
    assert '${TORCH_INDEX:+--index-url "$TORCH_INDEX"} torch ' in torch
    # Neither dependencies nor build tools from an index.
    assert "--no-deps --no-build-isolation" in ours
    assert "--extra-index-url" not in text
