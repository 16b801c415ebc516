"""Evidence as a JSON file: facts, pictures and a signature over their digests.

The digests of the parts name what was changed; the digest of the whole also covers how the parts
are put together.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from damage_tasks.evidence.signatures import canonical_json, is_signed, sign
from damage_tasks.evidence.verification import Verification

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from damage_tasks.evidence.contents import Contents

KIND = "damage-evidence-json-1"
_MAX_DEPTH = 4  # so that one damaged area is a part: photos/1/damages/2


def write_json(contents: Contents, key: Ed25519PrivateKey) -> bytes:
    """The file for ``contents``, signed with ``key``."""
    pictures = {name: base64.b64encode(data).decode() for name, data in contents.pictures.items()}
    content = {"evidence": contents.facts, "pictures": pictures}
    signature = sign(
        {"kind": KIND, "parts": dict(_digests(content)), "sha256": _digest(content)}, key
    )
    return _text_of({**content, "signature": signature})


def read_facts(file: bytes) -> dict[str, Any]:
    """The facts in a valid file."""
    facts: dict[str, Any] = json.loads(file)["evidence"]
    return facts


def verify_json(file: bytes) -> Verification:
    """Which parts of ``file`` were changed, and who signed it."""
    try:
        document = json.loads(file)
    except (ValueError, RecursionError):
        return Verification(None, ("changed: the file is no longer JSON",))
    signature = document.pop("signature", None) if isinstance(document, dict) else None
    if not isinstance(signature, dict) or signature.get("kind") != KIND:
        return Verification(None, ("unsigned: the file has no signature of evidence",))
    signed = signature.get("parts")
    problems = list(_differences(signed if isinstance(signed, dict) else {}, document))
    if not is_signed(signature):
        problems.append("changed: the signature, or the list of parts that it signs")
    elif not problems and _digest(document) != signature.get("sha256"):
        problems.append("changed: how the parts are put together")
    elif not problems and file != _text_of({**document, "signature": signature}):
        problems.append("changed: the layout of the file; its contents are as they were signed")
    return Verification(signature.get("public_key"), tuple(problems))


def _text_of(document: Any) -> bytes:
    return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode(
        errors="surrogatepass"
    )


def _digests(document: Any) -> Iterator[tuple[str, str]]:
    for name, value in _parts("", document):
        yield name, _digest(value)


def _digest(value: Any) -> str:
    return hashlib.sha256(canonical_json(value)).hexdigest()


def _parts(name: str, value: Any, depth: int = 0) -> Iterator[tuple[str, Any]]:
    """The parts of ``value``, each with its path; list items are counted from 1."""
    items: Any = ()
    if depth <= _MAX_DEPTH:
        if isinstance(value, dict):
            items = value.items()
        elif isinstance(value, list) and all(isinstance(item, dict) for item in value):
            items = enumerate(value, 1)
    if not items:
        yield name, value
    for key, item in items:
        yield from _parts(f"{name}/{key}" if name else str(key), item, depth + 1)


def _differences(signed: dict[str, Any], document: Any) -> Iterator[str]:
    found = dict(_digests(document))
    for name in signed:
        if name not in found:
            yield f"removed: {name}"
        elif found[name] != signed[name]:
            yield f"changed: {name}"
    yield from (f"added: {name}" for name in found if name not in signed)
