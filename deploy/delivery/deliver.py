"""Decides which Git references are delivered, and to which environment.

    deliver.py plan REF [--run NUMBER]     the version and the environment, as lines NAME=VALUE
    deliver.py write ENVIRONMENT VERSION FOLDER
                                           write Fleet's bundle to FOLDER

A push of `develop` to `release` delivers a release candidate to stage.  A tag vX.Y.Z
on the main branch that matches the version in setup.cfg delivers that version to production.
"""

from __future__ import annotations

import argparse
import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
MAIN, DEVELOP = "origin/main", "origin/develop"
VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
CANDIDATE = re.compile(VERSION.pattern + r"-rc\.[1-9]\d*")
# Placeholder in the bundles in Git; a delivery replaces it by the version.
UNSET = "version: 0.0.0-unset"


class Refused(Exception):
    """Raised when nothing can be delivered, with the reason."""


def plan(ref: str, run: int | None = None, root: Path = ROOT) -> dict[str, str]:
    """The environment and the version that ``ref`` delivers; raises `Refused`."""
    version = version_of(root)
    if ref == "refs/heads/release":
        if run is None:
            raise Refused("a release candidate needs the number of the run")
        if strange := _not_on(DEVELOP, ref, root):
            raise Refused(f"{strange} on release is not on develop: merge develop into release")
        return {"environment": "stage", "version": f"{version}-rc.{run}"}
    if ref.startswith("refs/tags/v"):
        tag = ref.removeprefix("refs/tags/v")
        if not VERSION.fullmatch(tag):
            raise Refused(f"v{tag} is not a version")
        if tag != version:
            raise Refused(f"the tag says {tag}, setup.cfg says {version}")
        if not _is_on_main(ref, root):
            raise Refused(f"v{tag} is not on the main branch")
        return {"environment": "production", "version": version}
    raise Refused(f"nothing is delivered from {ref}")


def write(environment: str, version: str, folder: Path, root: Path = ROOT) -> None:
    """Write the bundle of ``environment`` with ``version`` to ``folder``; raises `Refused`."""
    pattern = {"stage": CANDIDATE, "production": VERSION}.get(environment)
    if pattern is None:
        raise Refused(f"there is no environment {environment}")
    if not pattern.fullmatch(version):
        raise Refused(f"{version} does not go to {environment}")
    source, target = root / "deploy/delivery" / environment, folder / "deploy" / environment
    text = (source / "fleet.yaml").read_text()
    if text.count(UNSET) != 1:
        raise Refused(f"{source}/fleet.yaml must hold `{UNSET}` once")
    shutil.copytree(source, target, dirs_exist_ok=True)
    (target / "fleet.yaml").write_text(text.replace(UNSET, f"version: {version}"))


def version_of(root: Path) -> str:
    """The version in setup.cfg and helm/Chart.yaml; raises `Refused` if they differ."""
    package = configparser.ConfigParser()
    package.read(root / "setup.cfg")
    version = package["metadata"]["version"]
    chart = re.search(r"^version: (.*)$", (root / "helm/Chart.yaml").read_text(), re.MULTILINE)
    if chart is None or chart[1] != version:
        raise Refused(f"setup.cfg says {version}, helm/Chart.yaml says {chart and chart[1]}")
    if not VERSION.fullmatch(version):
        raise Refused(f"{version} in setup.cfg is not a version")
    return version


def _is_on_main(ref: str, root: Path) -> bool:
    answer = subprocess.run(
        ["git", "merge-base", "--is-ancestor", f"{ref}^{{commit}}", MAIN],
        cwd=root,
        check=False,
    )
    return answer.returncode == 0


def _not_on(branch: str, ref: str, root: Path) -> str:
    """A non-merge commit of ``ref`` that is not on ``branch``; empty if there is none."""
    answer = subprocess.run(
        ["git", "rev-list", "--no-merges", "--max-count=1", "--oneline", f"{branch}..{ref}"],
        cwd=root,
        check=False,
        capture_output=True,
        text=True,
    )
    return answer.stdout.strip() if answer.returncode == 0 else answer.stderr.strip()


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    planning = commands.add_parser("plan")
    planning.add_argument("ref")
    planning.add_argument("--run", type=int)
    writing = commands.add_parser("write")
    writing.add_argument("environment")
    writing.add_argument("version")
    writing.add_argument("folder", type=Path)
    given = parser.parse_args()
    try:
        if given.command == "plan":
            for name, value in plan(given.ref, given.run).items():
                print(f"{name}={value}")
        else:
            write(given.environment, given.version, given.folder)
    except Refused as error:
        print(f"nothing is delivered: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
