"""What is delivered, and from where, with real Git repositories and the real scripts."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helm import kubernetes
from tests.helm.chart import render_only
from tests.platform.template import ROOT

WORKFLOWS = ROOT / ".github/workflows"
ENVIRONMENTS = ["stage", "production"]

_spec = importlib.util.spec_from_file_location("deliver", ROOT / "deploy/delivery/deliver.py")
assert _spec is not None
assert _spec.loader is not None
deliver = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(deliver)


class Repository:
    """A clone of a project that contains only what a delivery reads, and its origin."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "clone"
        self.origin = folder / "origin"

    def create(self) -> None:
        """Write both, with one version on the main branch."""
        subprocess.run(["git", "init", "-q", "--bare", self.origin], check=True)
        subprocess.run(["git", "init", "-q", "-b", "main", self.root], check=True)
        self.git("remote", "add", "origin", str(self.origin))
        shutil.copytree(ROOT / "deploy", self.root / "deploy",
                        ignore=shutil.ignore_patterns("__pycache__"))  # fmt: skip
        (self.root / "helm").mkdir()
        self.version("1.2.3")
        self.push("main")

    def git(self, *arguments: str, cwd: Path | None = None) -> str:
        """The output of a git command."""
        return subprocess.run(
            ["git", "-c", "user.name=test", "-c", "user.email=test@localhost", *arguments],
            cwd=cwd or self.root,
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    def version(self, version: str) -> None:
        """Commit a version."""
        (self.root / "setup.cfg").write_text(f"[metadata]\nname = x\nversion = {version}\n")
        (self.root / "helm/Chart.yaml").write_text(f"name: x\nversion: {version}\n")
        self.git("add", "-A")
        self.git("commit", "-q", "-m", f"version {version}")

    def push(self, branch: str) -> None:
        """Push HEAD to origin's ``branch``."""
        self.git("push", "-q", "origin", f"HEAD:refs/heads/{branch}")
        self.git("fetch", "-q", "origin")

    def plan(self, ref: str, run: int | None = 7) -> dict[str, str]:
        """What ``ref`` would deliver."""
        return dict(deliver.plan(ref, run, self.root))

    def deliver(self, environment: str, version: str) -> subprocess.CompletedProcess[str]:
        """Run the script that writes to the branch that Fleet follows."""
        programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return subprocess.run(
            ["sh", "deploy/delivery/push.sh", environment, version],
            cwd=self.root,
            env={**os.environ, "PATH": programs},
            capture_output=True,
            text=True,
            check=False,
        )

    def delivered(self, environment: str, file: str = "fleet.yaml") -> Any:
        """The files that Fleet finds."""
        branch = f"deployed/{environment}"
        return yaml.safe_load(
            self.git("show", f"{branch}:deploy/{environment}/{file}", cwd=self.origin)
        )


@pytest.fixture(scope="module")
def created(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a repository, to be copied."""
    folder = tmp_path_factory.mktemp("repository")
    Repository(folder).create()
    return folder


@pytest.fixture
def repository(created: Path, tmp_path: Path) -> Repository:
    shutil.copytree(created, tmp_path / "repository")
    repository = Repository(tmp_path / "repository")
    repository.git("remote", "set-url", "origin", str(repository.origin))
    return repository


def test_release_goes_to_stage_as_a_candidate(repository: Repository) -> None:
    repository.push("develop")
    repository.git("checkout", "-q", "-b", "release")
    assert repository.plan("refs/heads/release") == {
        "environment": "stage",
        "version": "1.2.3-rc.7",
    }


def test_a_version_tag_on_main_goes_to_production(repository: Repository) -> None:
    repository.git("tag", "v1.2.3")
    assert repository.plan("refs/tags/v1.2.3") == {
        "environment": "production",
        "version": "1.2.3",
    }


def test_a_merge_of_develop_goes_to_stage_and_a_new_commit_does_not(
    repository: Repository,
) -> None:
    repository.git("checkout", "-q", "-b", "develop")
    repository.version("1.3.0")
    repository.push("develop")
    repository.git("checkout", "-q", "-b", "release", "main")
    repository.git("merge", "-q", "--no-ff", "-m", "develop into release", "develop")
    assert repository.plan("refs/heads/release")["version"] == "1.3.0-rc.7"
    repository.version("1.3.1")
    with pytest.raises(deliver.Refused, match=r"version 1\.3\.1 on release is not on develop"):
        repository.plan("refs/heads/release")


def test_without_develop_nothing_goes_to_stage(repository: Repository) -> None:
    repository.git("checkout", "-q", "-b", "release")
    with pytest.raises(deliver.Refused, match="develop"):
        repository.plan("refs/heads/release")


@pytest.mark.parametrize(
    "ref",
    [
        "refs/heads/develop",
        "refs/heads/main",
        "refs/heads/feature/release",
        "refs/heads/release-2",
        "refs/pull/1/merge",
        "refs/tags/nightly",
        "refs/tags/v1.2",
        "refs/tags/v1.2.3-rc.1",
        "refs/tags/v01.2.3",
        "refs/tags/v1.2.4",
    ],
)
def test_nothing_else_is_delivered(repository: Repository, ref: str) -> None:
    if ref.startswith("refs/tags/"):
        repository.git("tag", ref.removeprefix("refs/tags/"))
    with pytest.raises(deliver.Refused):
        repository.plan(ref)


def test_a_tag_that_is_not_on_main_is_not_delivered(repository: Repository) -> None:
    repository.git("checkout", "-q", "-b", "develop")
    repository.version("1.3.0")
    repository.git("tag", "v1.3.0")
    with pytest.raises(deliver.Refused, match="not on the main branch"):
        repository.plan("refs/tags/v1.3.0")
    repository.push("main")
    assert repository.plan("refs/tags/v1.3.0")["environment"] == "production"


def test_package_and_chart_have_one_version(repository: Repository) -> None:
    (repository.root / "helm/Chart.yaml").write_text("name: x\nversion: 9.9.9\n")
    with pytest.raises(deliver.Refused, match=r"Chart.yaml says 9.9.9"):
        repository.plan("refs/heads/release")
    assert deliver.version_of(ROOT)


def test_a_delivery_is_one_commit_that_holds_the_bundle_alone(repository: Repository) -> None:
    run = repository.deliver("stage", "1.2.3-rc.7")
    assert run.returncode == 0, run.stderr
    assert repository.delivered("stage")["helm"]["version"] == "1.2.3-rc.7"
    files = repository.git("ls-tree", "-r", "--name-only", "deployed/stage", cwd=repository.origin)
    assert files.split() == ["deploy/stage/fleet.yaml", "deploy/stage/values.yaml"]
    # The checkout is unchanged.
    assert repository.git("status", "--porcelain") == ""
    assert repository.git("worktree", "list").count("\n") == 1


def test_deliveries_follow_each_other_and_can_be_reverted(repository: Repository) -> None:
    for version in ("1.2.3-rc.7", "1.2.3-rc.8"):
        assert repository.deliver("stage", version).returncode == 0
    log = repository.git("log", "--format=%s", "deployed/stage", cwd=repository.origin)
    assert log.split("\n")[:2] == ["stage: 1.2.3-rc.8", "stage: 1.2.3-rc.7"]

    repository.git("fetch", "-q", "origin")
    repository.git("checkout", "-q", "-b", "back", "origin/deployed/stage")
    repository.git("revert", "--no-edit", "HEAD")
    repository.push("deployed/stage")
    assert repository.delivered("stage")["helm"]["version"] == "1.2.3-rc.7"


def test_an_unchanged_version_is_not_delivered_again(repository: Repository) -> None:
    repository.deliver("production", "1.2.3")
    again = repository.deliver("production", "1.2.3")
    assert again.stdout == "production already has 1.2.3\n"
    count = repository.git("rev-list", "--count", "deployed/production", cwd=repository.origin)
    assert count == "1\n"


@pytest.mark.parametrize(
    ("environment", "version"),
    [("production", "1.2.3-rc.7"), ("stage", "1.2.3"), ("production", "latest"), ("qa", "1.2.3")],
)
def test_an_environment_gets_only_its_kind_of_version(
    repository: Repository, environment: str, version: str
) -> None:
    run = repository.deliver(environment, version)
    assert run.returncode == 1
    assert "nothing is delivered" in run.stderr
    assert repository.git("branch", "--list", "deployed/*", cwd=repository.origin) == ""


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_an_environments_values_render(environment: str) -> None:
    values = yaml.safe_load((ROOT / "deploy/delivery" / environment / "values.yaml").read_text())
    documents = render_only(values)
    for document in documents:
        if not kubernetes.is_custom(document):
            kubernetes.check(document, kubernetes.KUBERNETES[-1])
    settings = documents.one("ConfigMap", "damage-tasks")["data"]
    assert settings["DAMAGE_ENVIRONMENT"] == environment


# https://fleet.rancher.io/ref-fleet-yaml: the part that we use.
FLEET = {"defaultNamespace", "namespaceLabels", "helm", "rolloutStrategy"}
HELM = {"releaseName", "chart", "version", "valuesFiles", "atomic", "timeoutSeconds"}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_bundle_has_only_what_fleet_knows(environment: str) -> None:
    folder = ROOT / "deploy/delivery" / environment
    bundle = yaml.safe_load((folder / "fleet.yaml").read_text())
    assert set(bundle) <= FLEET
    assert set(bundle["helm"]) <= HELM
    # The release's name determines the service accounts' names, which roles refer to.
    assert bundle["helm"]["releaseName"] == bundle["defaultNamespace"] == "damage-tasks"
    assert all((folder / name).exists() for name in bundle["helm"]["valuesFiles"])


def test_fleet_follows_only_the_branches_of_deliveries() -> None:
    for repo in yaml.safe_load_all((ROOT / "deploy/delivery/gitrepos.yaml").read_text()):
        environment = repo["metadata"]["name"].removeprefix("damage-tasks-")
        assert repo["kind"] == "GitRepo"
        assert repo["spec"]["branch"] == f"deployed/{environment}"
        assert repo["spec"]["paths"] == [f"deploy/{environment}"]
        labels = repo["spec"]["targets"][0]["clusterSelector"]["matchLabels"]
        assert labels == {"environment": environment}


def workflow(name: str) -> dict[Any, Any]:
    return dict(yaml.safe_load((WORKFLOWS / name).read_text()))


def test_no_delivery_takes_the_place_of_another_version() -> None:
    # GitHub cancels a waiting run of a group when a newer one starts to wait.
    concurrency = workflow("deliver.yml")["concurrency"]
    assert concurrency == {"group": "deliver-${{ github.ref }}", "cancel-in-progress": False}


def test_actionlint_finds_nothing() -> None:
    program = Path(sys.executable).parent / "actionlint"
    run = subprocess.run(
        [program, *sorted(WORKFLOWS.glob("*.yml"))], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout


def test_zizmor_finds_nothing() -> None:
    program = Path(sys.executable).parent / "zizmor"
    run = subprocess.run(
        [program, "--offline", "--no-progress", "--quiet", ROOT / ".github"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_only_release_and_version_tags_start_a_delivery() -> None:
    # YAML 1.1 reads the key `on` as true.
    assert workflow("deliver.yml")[True] == {"push": {"branches": ["release"], "tags": ["v*"]}}


def test_nothing_is_delivered_before_it_is_planned_tested_built_and_scanned() -> None:
    jobs = workflow("deliver.yml")["jobs"]

    def before(job: str) -> set[str]:
        needs = jobs[job].get("needs", [])
        needs = [needs] if isinstance(needs, str) else needs
        return set(needs).union(*(before(each) for each in needs))

    assert before("deliver") == {"plan", "test", "image", "sign", "chart"}
    assert "environment" in jobs["deliver"]


def test_the_image_that_is_scanned_is_pushed_and_signed_for_both_platforms() -> None:
    jobs = workflow("deliver.yml")["jobs"]
    steps = {step["name"]: step["run"] for step in jobs["image"]["steps"] if "run" in step}
    names = list(steps)
    build, scan, push = (steps[name] for name in names[-3:])
    assert "--output type=oci,dest=image.tar" in build
    assert "--sbom=true --provenance=mode=max" in build
    assert "oci-archive:image.tar docker-archive:scanned.tar" in scan
    assert "--exit-code 1" in scan
    assert (
        "skopeo copy --all --preserve-digests --digestfile digest.txt oci-archive:image.tar" in push
    )
    conditions = {step["name"]: step.get("if") for step in jobs["image"]["steps"] if "name" in step}
    assert conditions["scan"] is None  # an image that exists may be somebody else's
    assert sum("buildx build" in run for run in steps.values()) == 1
    built = {each["arch"] for each in jobs["image"]["strategy"]["matrix"]["include"]}
    signing = "".join(step.get("run", "") for step in jobs["sign"]["steps"])
    # By digest, since anybody who may push can move a tag.
    assert {arch for arch in built if f'"$REPOSITORY@${arch.upper()}"' in signing} == built
    assert set(jobs["image"]["outputs"]) == built
    assert "$VERSION-" not in signing
    assert "cosign sign --yes --recursive" in signing
    # A job that may sign runs nothing of the repository.
    assert not any("checkout" in step.get("uses", "") for step in jobs["sign"]["steps"])


def test_a_chart_that_an_earlier_run_pushed_is_still_signed() -> None:
    signing = workflow("deliver.yml")["jobs"]["chart"]["steps"][-1]["run"]
    # Whether the version exists decides only whether it is pushed.
    assert "exit 0" not in signing
    pushed, _, after = signing.partition("\nfi\n")
    assert "helm push" in pushed
    assert "cosign sign --yes" in after


MAY_SIGN = {"sign": {"id-token": "write"}, "chart": {"contents": "read", "id-token": "write"}}


def test_only_the_last_job_may_write_to_the_repository() -> None:
    for name in ("check.yml", "deliver.yml"):
        found = workflow(name)
        assert found["permissions"] == {"contents": "read"}
        for job, content in found["jobs"].items():
            assert content.get("permissions", {}) == (
                {"contents": "write"} if job == "deliver" else MAY_SIGN.get(job, {})
            )


def test_the_chart_is_installed_with_a_keda_that_it_supports() -> None:
    needed = re.search(r"KEDA (\d+)\.(\d+) or newer", (ROOT / "helm/README.md").read_text())
    installed = re.search(r"--version (\d+)\.(\d+)", (WORKFLOWS / "check.yml").read_text())
    assert needed
    assert installed
    assert tuple(map(int, installed.groups())) >= tuple(map(int, needed.groups()))


def test_actions_of_others_are_pinned_by_commit() -> None:
    for file in WORKFLOWS.glob("*.yml"):
        for used in re.findall(r"uses: (\S+)", file.read_text()):
            assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", used), used
