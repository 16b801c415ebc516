"""``damage-tasks evidence``: makes keys and evidence, and verifies it."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pypdf import PdfReader
from typer.testing import CliRunner

from damage_tasks.__main__ import cli
from damage_tasks.errors import EvidenceInvalid, InspectionNotFound
from damage_tasks.inspection_id import storable_id
from tests.evidence.conftest import EvidenceArchive, decided, evidence_archive
from tests.labelling.conftest import DENT
from tools.small_redaction_bundle import PLATE, private_photo, write_redaction_bundle

__all__ = ["decided", "evidence_archive"]


def run(*arguments: object) -> Any:
    return CliRunner().invoke(cli, ["evidence", *map(str, arguments)])


def test_both_files_are_written_and_valid(decided: EvidenceArchive, tmp_path: Path) -> None:
    done = run("car", "--out", tmp_path / "claims", "--by", "claims@acme.example")
    assert done.exit_code == 0, done.output
    pdf, json = map(Path, done.stdout.splitlines())
    assert (pdf.name, json.name) == ("evidence-car.pdf", "evidence-car.json")
    assert '"made_by": "claims@acme.example"' in json.read_text()
    for file in (pdf, json):
        done = run("verify", file)
        assert done.exit_code == 0, done.output
        assert done.stdout.startswith("valid: signed with the key ")


def test_the_pdf_has_the_language_that_is_asked_for(
    decided: EvidenceArchive, tmp_path: Path
) -> None:
    done = run("car", "--out", tmp_path, "--language", "ko")
    assert done.exit_code == 0, done.output
    file = tmp_path / "evidence-car.pdf"
    assert "증빙 자료: car" in PdfReader(file).pages[0].extract_text()
    assert run("verify", file).exit_code == 0
    done = run("car", "--out", tmp_path / "other", "--language", "xx")
    assert done.exit_code == 2
    assert "xx is not one of en, ko" in done.stderr
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("command", ["verify", "rerun"])
@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "empty"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "neither a PDF nor a JSON file"),
        (b"valid: yes\n", "neither a PDF nor a JSON file"),
    ],
    ids=["empty", "JPEG", "text"],
)
def test_another_kind_of_file_is_named(
    decided: EvidenceArchive, tmp_path: Path, command: str, data: bytes, kind: str
) -> None:
    file = tmp_path / "car.jpg"
    file.write_bytes(data)
    error = run(command, file).exception
    assert isinstance(error, EvidenceInvalid)
    assert str(error).startswith(f"{file}: not evidence: the file is {kind}; give the .pdf or")


def test_a_changed_file_is_refused_with_the_part(decided: EvidenceArchive, tmp_path: Path) -> None:
    assert run("make", "car", "--out", tmp_path).exit_code == 0
    file = tmp_path / "evidence-car.json"
    file.write_text(file.read_text().replace('"type": "dent"', '"type": "rust"'))
    done = run("verify", file)
    assert done.exit_code == 1
    assert done.stdout == "changed: evidence/photos/1/damages/1\n"


def test_only_the_given_public_keys_are_accepted(decided: EvidenceArchive, tmp_path: Path) -> None:
    assert run("car", "--out", tmp_path).exit_code == 0
    file = tmp_path / "evidence-car.pdf"
    assert run("verify", file, "--public-key", decided.public_key).exit_code == 0
    done = run("verify", file, "--public-key", "0" * 64)
    assert done.exit_code == 1 and "unknown key" in done.stdout


def test_existing_files_are_not_overwritten(decided: EvidenceArchive, tmp_path: Path) -> None:
    assert run("car", "--out", tmp_path).exit_code == 0
    before = (tmp_path / "evidence-car.pdf").read_bytes()
    assert isinstance(run("car", "--out", tmp_path).exception, FileExistsError)
    assert (tmp_path / "evidence-car.pdf").read_bytes() == before


def test_a_case_has_one_pair_of_files(evidence_archive: EvidenceArchive, tmp_path: Path) -> None:
    evidence_archive.add("front", case_id="return/7")
    done = run("--case", "return/7", "--out", tmp_path)
    assert done.exit_code == 0, done.output
    assert {path.name for path in tmp_path.glob("evidence-*")} == {
        "evidence-case-return-7.pdf", "evidence-case-return-7.json",
    }  # fmt: skip


@pytest.mark.parametrize(("options", "is_legible"), [((), False), (("--no-redact",), True)])
def test_faces_and_plates_are_pixelated_if_there_is_a_bundle(
    options: tuple[str, ...],
    is_legible: bool,
    evidence_archive: EvidenceArchive,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DAMAGE_REDACT_BUNDLE", str(write_redaction_bundle(tmp_path / "bundle")))
    evidence_archive.add("car", replace(DENT, bbox=PLATE), data=private_photo())
    done = run("car", "--out", tmp_path, *options)
    assert done.exit_code == 0, done.output
    document = json.loads((tmp_path / "evidence-car.json").read_text())
    assert document["evidence"]["faces_and_plates_pixelated"] is not is_legible
    data = np.frombuffer(base64.b64decode(document["pictures"]["photo 1 damage 1"]), np.uint8)
    crop = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
    assert crop is not None
    edges = (np.abs(cv2.Laplacian(crop, cv2.CV_64F)) > 40).mean()
    assert (edges > 0.02) == is_legible


def test_a_public_key_is_checked_and_may_have_capitals(
    decided: EvidenceArchive, tmp_path: Path
) -> None:
    assert run("car", "--out", tmp_path).exit_code == 0
    file = tmp_path / "evidence-car.json"
    assert run("verify", file, "--public-key", decided.public_key.upper()).exit_code == 0
    done = run("verify", file, "--public-key", "junk")
    assert done.exit_code == 2 and "not a public key" in done.stderr


def test_a_deeply_nested_file_is_not_evidence(decided: EvidenceArchive, tmp_path: Path) -> None:
    file = tmp_path / "deep.pdf"
    file.write_bytes(b"%PDF-1\n%damage-evidence-pdf-1 " + b"[" * 100_000)
    done = run("verify", file)
    assert done.exit_code == 1 and not isinstance(done.exception, RecursionError)


def test_an_id_or_a_case_is_needed() -> None:
    for arguments in (("make",), ("car", "--case", "return-7")):
        done = run(*arguments)
        assert done.exit_code == 2 and "give an inspection id" in done.stderr


def test_a_long_or_strange_id_is_the_one_that_its_sender_chose(
    evidence_archive: EvidenceArchive, tmp_path: Path
) -> None:
    for number, id in enumerate(("i" * 2000, "two\nlines")):
        evidence_archive.add(storable_id(id), DENT)
        out = tmp_path / str(number)
        done = run(id, "--out", out)
        assert done.exit_code == 0, done.output
        assert len(list(out.iterdir())) == 2


def test_an_id_that_is_longer_than_a_files_name_can_be_examined_again(
    evidence_archive: EvidenceArchive,
) -> None:
    done = run("rerun", "i" * 300)
    assert isinstance(done.exception, InspectionNotFound)


def test_a_new_key_is_secret_and_can_sign(
    decided: EvidenceArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from damage_tasks.settings import get_settings

    file = tmp_path / "evidence.pem"
    done = run("keygen", file)
    assert done.exit_code == 0, done.output
    assert file.stat().st_mode & 0o777 == 0o600
    found = re.search(r"public key:\s+([0-9a-f]{64})", done.stdout)
    assert found
    monkeypatch.setenv("DAMAGE_EVIDENCE_KEY", str(file))
    get_settings.cache_clear()
    assert run("car", "--out", tmp_path).exit_code == 0
    assert run("verify", tmp_path / "evidence-car.pdf", "--public-key", found[1]).exit_code == 0
    assert isinstance(run("keygen", file).exception, FileExistsError)
