"""Docker where it is available, otherwise podman with stand-ins for images it cannot pull."""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from tools.downloaded_programs import program

ROOT = Path(__file__).parent.parent.parent
IMAGE = "docker.io/library/damage-tasks:local"
EMULATOR = "docker.io/library/damage-tasks-emulator:local"
PROJECT = "damage-tasks-test"


class Engine:
    """Builds images and runs the compose file under a separate project name."""

    # Services that use the real images.
    stand_ins = False

    def __init__(self) -> None:
        self.command = "docker"
        self.environment = dict(os.environ)

    def build(self) -> None:
        """Build our two images from the checkout."""
        self.compose("build", timeout=1800)

    def compose(self, *arguments: str, timeout: float = 600, **variables: str) -> str:
        """Run Docker Compose and return its output."""
        return self._run(
            [str(program("docker-compose")), "--project-name", PROJECT, *arguments],
            timeout,
            {**self.environment, **variables},
        )

    def run(self, *arguments: str, timeout: float = 120) -> str:
        """Run one of the engine's own commands and return its output."""
        return self._run([self.command, *arguments], timeout, self.environment)

    def close(self) -> None:
        """Stop everything started besides the containers."""

    @staticmethod
    def _run(command: list[str], timeout: float, environment: dict[str, str]) -> str:
        run = subprocess.run(
            command,
            cwd=ROOT,
            env=environment,
            timeout=timeout,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert run.returncode == 0, f"{' '.join(command)}:\n{run.stdout[-4000:]}"
        return run.stdout


class Podman(Engine):
    """Debian's podman, used through Docker's socket interface."""

    stand_ins = True

    def __init__(self) -> None:
        super().__init__()
        self.command = "podman"
        self._folder = tempfile.mkdtemp(prefix="damage-podman-")
        socket = f"unix://{self._folder}/podman.sock"
        self.environment["DOCKER_HOST"] = socket
        settings = Path(self._folder) / "containers.conf"
        settings.write_text(_podman_settings())
        self.environment["CONTAINERS_CONF"] = str(settings)
        subprocess.run(
            ["sh", Path(__file__).parent / "stand_ins.sh", "podman", sys.executable],
            check=True,
            env=self.environment,
        )
        self._service = subprocess.Popen(
            ["podman", "system", "service", "--time", "0", socket],
            env=self.environment,
            # It warns that systemd is missing; `_check_health` replaces it.
            stderr=subprocess.DEVNULL,
        )
        self._closed = threading.Event()
        self._doctor = threading.Thread(target=self._check_health, daemon=True)
        self._doctor.start()

    def build(self) -> None:
        # The API takes no build contexts: mount the machine's own pip settings instead.
        mounts, settings = _pip_settings(Path(self._folder))
        common = ["build", "--network", "host", "--format", "docker", *mounts]
        own_torch = ["--build-arg", "TORCH_INDEX="] if "find-links" in settings else []
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        # The stand-in has no digest.
        common += ["--build-arg", f"PYTHON=docker.io/library/python:{version}-slim-bookworm"]
        self.run(*common, *own_torch, "--tag", IMAGE, ".", timeout=1800)
        self.run(*common, "--tag", EMULATOR, "--file", "deploy/docker/emulator.Dockerfile", ".",
                 timeout=600)  # fmt: skip

    def close(self) -> None:
        self._closed.set()
        self._doctor.join()
        self._service.terminate()
        self._service.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _check_health(self) -> None:
        # podman relies on systemd's timers for health checks, which not every machine has.
        label = f"label=com.docker.compose.project={PROJECT}"
        while not self._closed.wait(1):
            found = subprocess.run(
                ["podman", "ps", "--quiet", "--filter", label],
                env=self.environment,
                capture_output=True,
                text=True,
                check=False,
            )
            for container in found.stdout.split():
                subprocess.run(
                    ["podman", "healthcheck", "run", container],
                    env=self.environment,
                    capture_output=True,
                    check=False,
                )


def _podman_settings() -> str:
    """containers.conf for a machine that may itself be a container or a small virtual machine.

    Such a machine may not raise limits, and may lack systemd, its cgroups and its journal.
    """
    limits = []
    for name, wanted in (("nofile", 20_000), ("nproc", 30_000)):
        hard = resource.getrlimit(getattr(resource, f"RLIMIT_{name.upper()}"))[1]
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        limits.append(f'"{name}={most}:{most}"')
    runtime = 'runtime = "runc"\n' if shutil.which("runc") else ""
    return (
        f"[containers]\ndefault_ulimits = [{', '.join(limits)}]\n"
        f'[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n{runtime}'
    )


def _pip_settings(folder: Path) -> tuple[list[str], dict[str, str]]:
    """This machine's certificates and folder of wheels, mounted into builds."""
    # Lines such as global.cert='/etc/ssl/ca.crt', from files and variables.
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    ).stdout
    found = re.findall(r"^[\w:]+\.(cert|find-links)='(.*)'$", listed, re.MULTILINE)
    settings = {name: path for name, path in found if Path(path).exists()}
    if not settings:
        return [], {}
    file = folder / "pip.conf"
    lines = "".join(f"{name} = {value}\n" for name, value in settings.items())
    file.write_text(f"[global]\ntimeout = 180\n{lines}")
    mounts = ["--volume", f"{file}:/etc/pip.conf:ro"]
    for path in settings.values():
        mounts += ["--volume", f"{path}:{path}:ro"]
    return mounts, settings


def open_engine() -> Engine:
    """Docker if its daemon answers, else podman."""
    docker = shutil.which("docker")
    if (
        docker
        and subprocess.run([docker, "info"], capture_output=True, check=False).returncode == 0
    ):
        return Engine()
    assert shutil.which("podman"), (
        "neither Docker nor podman runs here; on Debian: apt-get install podman buildah "
        "debootstrap netavark aardvark-dns runc iptables"
    )
    return Podman()


def wait_for(what: str, look: Any, timeout: float = 120) -> Any:
    """Call ``look`` until it returns something, and return that."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.5)
    raise AssertionError(f"not after {timeout:.0f} s: {what}")
