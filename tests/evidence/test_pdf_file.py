"""The signature of a PDF covers all of its bytes."""

from __future__ import annotations

import json
import random

import pytest

from damage_tasks.evidence.pdf_file import JSON_NAME, attached_json, is_pdf, sign_pdf, verify_pdf
from damage_tasks.evidence.signatures import canonical_json, load_key, new_key, public_key_of, sign

KEY = load_key(new_key().decode())
PDF = b"%PDF-1.7\n1 0 obj PICTURE endobj\n2 0 obj {json} endobj\nstartxref\n9\n%%EOF\n"
FILE = sign_pdf(PDF, {"photo 1 overlay": b"PICTURE", JSON_NAME: b"{json}"}, KEY)


def test_a_signed_pdf_is_valid_and_still_ends_as_a_pdf() -> None:
    found = verify_pdf(FILE)
    assert not found.problems
    assert found.public_key == public_key_of(KEY)
    assert FILE.startswith(PDF) and FILE.endswith(b"\nstartxref\n9\n%%EOF\n")
    assert is_pdf(FILE) and not is_pdf(b"{}")


def test_the_attached_file_is_found() -> None:
    assert attached_json(FILE) == b"{json}"


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (b"PICTURE", b"PIcTURE", "changed: photo 1 overlay"),
        (b"{json}", b"{JSON}", "changed: evidence.json"),
        (b"1 0 obj", b"9 0 obj", "changed: pages"),
        (b"startxref\n9\n%%EOF\n%", b"startxref\n8\n%%EOF\n%", "changed: pages"),
        (b"PICTURE", b"A LARGER PICTURE", "changed: the size"),
        (b"%%EOF\n%", b"%%EOF\nmore\n%", "added: 5 bytes"),
    ],
)
def test_the_changed_part_is_named(old: bytes, new: bytes, problem: str) -> None:
    problems = verify_pdf(FILE.replace(old, new, 1)).problems
    assert any(each.startswith(problem) for each in problems), problems


def test_equal_pictures_are_one_part() -> None:
    file = sign_pdf(PDF, {"photo 1 damage 1": b"PICTURE", "photo 1 damage 2": b"PICTURE"}, KEY)
    assert not verify_pdf(file).problems


def test_bytes_after_the_signature_are_noticed() -> None:
    assert verify_pdf(FILE + b"x").problems == ("changed: the bytes after the signature",)


def test_a_pdf_without_a_signature_is_unsigned() -> None:
    for file in (PDF, FILE.replace(b"pdf-1 {", b"pdf-1 ["), FILE.replace(b"%damage", b"%damaged")):
        assert verify_pdf(file).problems == ("unsigned: the PDF has no signature of evidence",)


def test_a_malformed_list_by_another_signer_is_refused() -> None:
    kind = "damage-evidence-pdf-1"
    for statement in ({"kind": kind}, {"kind": kind, "parts": 7}, {"kind": kind, "parts": [[1]]}):
        file = PDF + b"%damage-evidence-pdf-1 " + canonical_json(sign(statement, KEY)) + b"\n"
        assert verify_pdf(file).problems == ("the list of signed parts is malformed",)


def test_every_altered_byte_is_noticed() -> None:
    chance = random.Random(1)
    for at in range(len(FILE)):
        altered = bytearray(FILE)
        altered[at] ^= 1 << chance.randrange(8)
        assert verify_pdf(bytes(altered)).problems, at


def test_the_signature_is_one_line_of_json() -> None:
    line = FILE[len(PDF) :].partition(b"\n")[0]
    signature = json.loads(line.removeprefix(b"%damage-evidence-pdf-1 "))
    names = [name for name, _, _ in signature["parts"]]
    assert names == ["pages", "photo 1 overlay", "pages", "evidence.json", "pages"]
