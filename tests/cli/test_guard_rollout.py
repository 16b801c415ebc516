"""``damage-tasks guard-rollout`` goes back to the old bundle, with an alert, or changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from damage_tasks.__main__ import cli
from damage_tasks.inspection import Reason, Verdict
from damage_tasks.results.schema_upgrade import migrate
from damage_tasks.results.store import Inspections
from damage_tasks.telemetry import slack
from model_store.identity import BundleIdentity
from model_store.rollout import NamedBundle, Rollout, pointer_at, with_percentages
from tools.sample_pictures_and_results import finding, inspection

OLD = NamedBundle(version="2.0.0", digest="a" * 64)
NEW = NamedBundle(version="2.1.0", digest="b" * 64)


@pytest.fixture
def pointer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A roll-out to 20 %, in the settings."""
    file = tmp_path / "CURRENT"
    rollout = with_percentages(with_percentages(None, {OLD: 100}), {NEW: 20})
    pointer_at(str(file)).write(rollout, None)
    monkeypatch.setenv("DAMAGE_BUNDLE", str(file))
    return file


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Inspections]:
    url = f"sqlite:///{tmp_path}/damage.db"
    migrate(url)
    monkeypatch.setenv("DAMAGE_DATABASE_URL", url)
    store = Inspections(url)
    yield store
    store.close()


@pytest.fixture
def posts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Texts posted to Slack."""
    posts: list[str] = []
    monkeypatch.setenv("DAMAGE_SLACK_WEBHOOK_URL", "https://hooks.slack.example/x")

    def post(_: str, text: str) -> bool:
        posts.append(text)
        return True

    monkeypatch.setattr(slack, "post_to_slack", post)
    return posts


def examine(store: Inspections, bundle: NamedBundle, photos: int, failed: int = 0) -> None:
    identity = BundleIdentity("damage", bundle.version, bundle.digest)
    for number in range(photos):
        fields: dict[str, Any] = {"bundle": identity, "finished_at": datetime.now(UTC)}
        fields["finished_at"] += timedelta(seconds=1)  # roll-outs have whole seconds
        if number < failed:
            fields |= {"verdict": Verdict.FAILED, "reason": Reason("unexpected", "x")}
        found = None if number < failed else finding()
        sha256 = f"{number:032x}{bundle.digest[:32]}"
        store.save(inspection(f"{bundle.version}-{number}", found, sha256=sha256, **fields))


def current(pointer: Path) -> Rollout:
    stored = pointer_at(str(pointer)).read()
    assert stored is not None
    return stored.rollout


def run(*options: str) -> str:
    done = CliRunner().invoke(cli, ["guard-rollout", *options], env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    return done.output


def test_a_new_bundle_that_fails_is_stopped_with_one_alert(
    pointer: Path, store: Inspections, posts: list[str]
) -> None:
    examine(store, OLD, 40)
    examine(store, NEW, 12, failed=12)
    reason = "2.1.0 was stopped: more photos fail: 12 of 12 instead of 0 of 40"
    assert reason in run()
    assert [(share.version, share.percent) for share in current(pointer).shares] == [("2.0.0", 100)]
    assert current(pointer).reason == reason
    (post,) = posts
    assert "roll-out of 2.1.0 is stopped" in post
    assert "12 of 12" in post
    assert run() == "no roll-out: 2.0.0 examines all photos\n"
    assert len(posts) == 1


def test_a_dry_run_changes_nothing(pointer: Path, store: Inspections, posts: list[str]) -> None:
    examine(store, OLD, 40)
    examine(store, NEW, 12, failed=12)
    assert "2.1.0 was stopped" in run("--dry-run")
    assert len(current(pointer).shares) == 2
    assert posts == []


def test_a_good_bundle_keeps_its_share(pointer: Path, store: Inspections, posts: list[str]) -> None:
    examine(store, OLD, 40)
    examine(store, NEW, 12)
    output = run()
    assert "2.1.0 is within its limits" in output
    assert "20 %" in output
    assert len(current(pointer).shares) == 2
    assert posts == []


@pytest.mark.usefixtures("store")
def test_a_roll_out_that_is_complete_is_not_compared(pointer: Path) -> None:
    stored = pointer_at(str(pointer)).read()
    assert stored is not None
    complete = with_percentages(stored.rollout, {NEW: 100})
    pointer_at(str(pointer)).write(complete, stored.etag)
    assert run() == "no roll-out: 2.1.0 examines all photos\n"


@pytest.mark.usefixtures("store")
def test_a_roll_out_without_a_predecessor_is_said_not_to_be_guarded(pointer: Path) -> None:
    document = json.loads(pointer.read_text())
    del document["fallback"]
    pointer.write_text(json.dumps(document))
    assert run().startswith("not guarded: no version of this roll-out examined all photos before")
