"""Evidence as JSON: every change is noticed, and the changed part is named."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from damage_tasks.evidence.contents import Contents
from damage_tasks.evidence.json_file import read_facts, verify_json, write_json
from damage_tasks.evidence.signatures import load_key, new_key, public_key_of

KEY = load_key(new_key().decode())
FACTS: dict[str, Any] = {
    "made_by": "김철수",
    "case": None,
    "photos": [
        {
            "verdict": "damaged",
            "damages": [{"type": "dent", "bbox": [1, 2, 3, 4]}, {"type": "scratch", "bbox": []}],
            "timings_ms": {"download": 1.5},
            "metadata": {},
        }
    ],
}
FILE = write_json(Contents(FACTS, {"photo 1 overlay": b"a picture"}), KEY)


def changed(**changes: Any) -> bytes:
    """The file with other facts, under the same signature."""
    document = json.loads(FILE)
    document["evidence"] |= changes
    return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()


def photo(**changes: Any) -> list[dict[str, Any]]:
    return [{**FACTS["photos"][0], **changes}]


def test_an_unchanged_file_is_valid_and_names_its_key() -> None:
    found = verify_json(FILE)
    assert not found.problems
    assert found.public_key == public_key_of(KEY)
    assert read_facts(FILE) == FACTS


@pytest.mark.parametrize(
    ("file", "problem"),
    [
        (changed(made_by="ann"), "changed: evidence/made_by"),
        (changed(case={"id": 1}), "removed: evidence/case"),
        (changed(photos=photo(verdict="clean")), "changed: evidence/photos/1/verdict"),
        (
            changed(photos=photo(damages=[FACTS["photos"][0]["damages"][0]])),
            "removed: evidence/photos/1/damages/2",
        ),
        (
            changed(photos=photo(damages=[{"type": "dent", "bbox": [1, 2, 3, 5]}] * 2)),
            "changed: evidence/photos/1/damages/1",
        ),
        (changed(photos=photo(metadata={"a": 1})), "added: evidence/photos/1/metadata/a"),
        (changed(billable=True), "added: evidence/billable"),
        (FILE.replace(b'"YSBwaWN0dXJl"', b'"YSBwaWN0dXJm"'), "changed: pictures/photo 1 overlay"),
    ],
    ids=lambda value: value if isinstance(value, str) else "file",  # the key is random
)
def test_the_changed_part_is_named(file: bytes, problem: str) -> None:
    assert problem in verify_json(file).problems


def test_a_changed_value_is_noticed_behind_a_key_that_looks_like_its_path() -> None:
    document = json.loads(changed(made_by="ann"))
    signature = document.pop("signature")
    document |= {"evidence/made_by": FACTS["made_by"], "signature": signature}
    file = (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()
    assert verify_json(file).problems == ("changed: how the parts are put together",)


def test_an_object_in_place_of_a_list_is_noticed() -> None:
    file = changed(photos={"1": FACTS["photos"][0]})
    assert verify_json(file).problems == ("changed: how the parts are put together",)


def test_a_changed_list_of_parts_is_noticed() -> None:
    document = json.loads(FILE)
    del document["evidence"]["case"]
    del document["signature"]["parts"]["evidence/case"]
    file = (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()
    assert verify_json(file).problems == (
        "changed: the signature, or the list of parts that it signs",
    )


def test_another_layout_is_noticed() -> None:
    file = json.dumps(json.loads(FILE)).encode()
    assert verify_json(file).problems == (
        "changed: the layout of the file; its contents are as they were signed",
    )


@pytest.mark.parametrize("file", [b"[]", b"{}", b'{"evidence": {}, "signature": {"kind": "x"}}'])
def test_a_file_without_a_signature_is_unsigned(file: bytes) -> None:
    assert verify_json(file).problems == ("unsigned: the file has no signature of evidence",)


@pytest.mark.parametrize("file", [b"", b"{", b"\xff", b"[" * 100_000])
def test_a_file_that_is_not_json_is_refused(file: bytes) -> None:
    assert verify_json(file).problems == ("changed: the file is no longer JSON",)


def test_every_altered_byte_is_noticed() -> None:
    chance = random.Random(1)
    for at in range(len(FILE)):
        altered = bytearray(FILE)
        altered[at] ^= 1 << chance.randrange(8)
        assert verify_json(bytes(altered)).problems, at
