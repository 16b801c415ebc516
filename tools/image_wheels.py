"""Writes the lock files of the image: a wheel with its SHA-256 for each package and platform.

    make image-lock

pip installs them with `--require-hashes`, so an index cannot serve another file. torch is not in
them, because its wheel depends on the index that a build chooses. Fails if a package of
constraints.txt has no wheel for a platform.
"""

from __future__ import annotations

import configparser
import json
import re
import subprocess
import sys
import tempfile
from importlib.metadata import requires, version
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "deploy/docker"
PYTHON = "3.11"
EXTRAS = ("worker", "openvino", "flower", "review", "otel")
PLATFORMS = {"amd64": "x86_64", "arm64": "aarch64"}
GLIBC = range(17, 37)  # of Debian bookworm: 2.36 and older
HEADER = "# Written by `make image-lock` from constraints.txt; torch comes from TORCH_INDEX.\n"

_PIN = re.compile(r"^([\w.-]+)==(\S+)$", re.MULTILINE)


def pins() -> dict[str, str]:
    """The version of each package in constraints.txt."""
    text = (ROOT / "constraints.txt").read_text()
    return {canonicalize_name(name): version for name, version in _PIN.findall(text)}


def packages_of_the_image(machine: str) -> set[str]:
    """The names of all packages in the image for ``machine``, such as x86_64, except torch.

    Reads the requirements of the installed packages, so all of them must be installed.
    """
    environment = {
        "platform_machine": machine,
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
        "python_version": PYTHON,
        "python_full_version": f"{PYTHON}.9",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    found: set[tuple[str, frozenset[str]]] = set()
    to_do = [Requirement(f"damage-tasks[{','.join(EXTRAS)}]")]
    while to_do:
        needed = to_do.pop()
        name = canonicalize_name(needed.name)
        key = (name, frozenset(needed.extras))
        if key in found:
            continue
        found.add(key)
        for text in _requirements(name):
            other = Requirement(text)
            extras = [*needed.extras, ""]
            if other.marker is None or any(
                other.marker.evaluate({**environment, "extra": extra}) for extra in extras
            ):
                to_do.append(other)
    return {name for name, _ in found} - {"damage-tasks", "torch"}


def _requirements(name: str) -> list[str]:
    if name != "damage-tasks":
        return requires(name) or []
    # An editable installation may be older than setup.cfg.
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    texts = _lines(setup["options"]["install_requires"])
    for extra in setup["options.extras_require"]:
        for line in _lines(setup["options.extras_require"][extra]):
            requirement, _, marker = line.partition(";")
            condition = f"extra == '{extra}'" + (f" and ({marker})" if marker else "")
            texts.append(f"{requirement}; {condition}")
    return texts


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def locked(platform: str) -> str:
    """The lock file's text for ``platform``: amd64 or arm64. Asks the package index."""
    machine, versions = PLATFORMS[platform], pins()
    names = sorted(packages_of_the_image(machine))
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        tags = [f"--platform=manylinux_2_{minor}_{machine}" for minor in GLIBC]
        subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--no-deps",
             "--ignore-installed", "--only-binary=:all:", f"--target={folder}/none",
             f"--python-version={PYTHON}", "--implementation=cp",
             *(f"--abi={abi}" for abi in ("cp" + PYTHON.replace(".", ""), "abi3", "none")),
             *tags, f"--platform=manylinux2014_{machine}", f"--report={report}",
             *(f"{name}=={versions.get(name) or version(name)}" for name in names)],
            check=True,
        )  # fmt: skip
        return lock_file(json.loads(report.read_text()))


def lock_file(report: dict[str, Any]) -> str:
    """The lock file's text for pip's installation ``report``."""
    lines = {}
    for each in report["install"]:
        name = canonicalize_name(each["metadata"]["name"])
        digest = each["download_info"]["archive_info"]["hashes"]["sha256"]
        lines[name] = f"{name}=={each['metadata']['version']} --hash=sha256:{digest}\n"
    return HEADER + "".join(lines[name] for name in sorted(lines))


def main() -> None:
    """Write the lock file of each platform."""
    for platform in PLATFORMS:
        (FOLDER / f"requirements-{platform}.txt").write_text(locked(platform))


if __name__ == "__main__":
    main()
