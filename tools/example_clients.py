"""The programs and packages that the examples in other languages need, installed into var/."""

from __future__ import annotations

import fcntl
import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parent.parent
CACHE = ROOT / "var/examples"
AWS_CLI = "awscli==1.46.3"
# npm's codes of errors that are not about the packages.
NO_REGISTRY = re.compile(r"code (E(?:AI_AGAIN|CONN\w+|HOSTUNREACH|NETUNREACH|NOTFOUND|TIMEDOUT))\b")


class RegistryUnreachable(Exception):
    """Raised when the packages are not installed yet and their registry does not answer."""


def aws_cli() -> Path:
    """The folder with `aws`; it has its own environment, because its requirements differ."""

    def install(folder: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run(
            [folder / "bin/pip", "install", "--quiet", "--disable-pip-version-check", AWS_CLI],
            check=True,
        )

    return _installed(AWS_CLI.replace("==", "-"), install) / "bin"


def node_modules() -> Path:
    """The packages in the lock file of the examples for Node; raises `RegistryUnreachable`."""
    files = [ROOT / "examples/node" / name for name in ("package.json", "package-lock.json")]

    def install(folder: Path) -> None:
        folder.mkdir(parents=True)
        for file in files:
            shutil.copy(file, folder)
        run = subprocess.run(["npm", "ci"], cwd=folder, capture_output=True, text=True, check=False)
        if unreachable := NO_REGISTRY.search(run.stderr):
            raise RegistryUnreachable(f"npm's registry cannot be reached ({unreachable[1]})")
        if run.returncode:
            raise RuntimeError(f"npm ci failed: {run.stderr}")

    version = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
    return _installed(f"node-{version}", install) / "node_modules"


def _installed(name: str, install: Callable[[Path], None]) -> Path:
    CACHE.mkdir(parents=True, exist_ok=True)
    folder, ready = CACHE / name, CACHE / f"{name}.ready"
    # Test processes start together, but only one installs.
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.exists():
            shutil.rmtree(folder, ignore_errors=True)
            install(folder)
            ready.touch()
    return folder
