"""The audit log says who took photos out of the application at the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from damage_tasks.__main__ import cli
from damage_tasks.cli.login_name import login_name
from damage_tasks.errors import ExportRefused
from model_store.identity import BundleIdentity
from tests.evidence.conftest import EvidenceArchive, decided, evidence_archive
from tools.sample_pictures_and_results import BUNDLE

__all__ = ["decided", "evidence_archive"]

BY = ("--by", "claims@acme.example")


def audit_line(*arguments: object, error: type[Exception] | None = None) -> dict[str, Any]:
    """The only audit line of a command, which may write others."""
    done = CliRunner().invoke(cli, [*map(str, arguments)])
    assert type(done.exception) is (error or type(None)), done.output
    lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    (line,) = [line for line in lines if line["logger"] == "damage_tasks.audit"]
    return line


@pytest.mark.parametrize("level", ["INFO", "ERROR"])
@pytest.mark.parametrize(("by", "person"), [(BY, BY[1]), ((), login_name())])
def test_evidence(
    decided: EvidenceArchive,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    level: str,
    by: tuple[str, ...],
    person: str,
) -> None:
    monkeypatch.setenv("DAMAGE_LOG_LEVEL", level)
    line = audit_line("evidence", "car", "--out", tmp_path, *by)
    assert (line["event"], line["person"], line["inspection"]) == ("made evidence", person, "car")


@pytest.mark.parametrize(("by", "person"), [(BY, BY[1]), ((), login_name())])
def test_an_export(
    decided: EvidenceArchive, tmp_path: Path, by: tuple[str, ...], person: str
) -> None:
    folder = tmp_path / "out"
    line = audit_line("export", folder, *by)
    assert (line["event"], line["person"], line["folder"]) == ("exported", person, str(folder))
    assert (line["photos"], line["redacted"], line["complete"]) == (1, False, True)


def test_an_export_that_stops_says_what_it_has_exported(
    decided: EvidenceArchive, tmp_path: Path
) -> None:
    (tmp_path / "old labels").touch()
    line = audit_line("export", tmp_path, error=ExportRefused)
    assert (line["event"], line["photos"], line["complete"]) == ("exported", 0, False)


@pytest.mark.parametrize(("by", "person"), [(BY, BY[1]), ((), login_name())])
def test_a_comparison_of_bundles(
    decided: EvidenceArchive, tmp_path: Path, by: tuple[str, ...], person: str
) -> None:
    data = decided.photo_of("car")
    other = BundleIdentity("damage", "9.0.0", "d" * 64)
    decided.add("again", data=data, bundle=other)
    page = tmp_path / "page.html"
    line = audit_line(
        "compare", BUNDLE.version, "9.0.0", "--since", "2026-01-01", "--out", page, *by
    )
    assert (line["event"], line["person"]) == ("compared bundles", person)
    assert (line["old"], line["new"], line["page"]) == (BUNDLE.version, "9.0.0", str(page))
