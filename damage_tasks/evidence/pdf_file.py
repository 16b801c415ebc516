"""The signature of a PDF: a comment at its end with the digests of all of its bytes.

    PDF | %damage-evidence-pdf-1 {"parts": [[name, bytes, sha256], ...], ...} | startxref ... %%EOF

The parts follow each other without gaps.  The last lines repeat the end of the PDF itself, because
readers search for it in the last 1024 bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from damage_tasks.evidence.signatures import canonical_json, is_signed, sign
from damage_tasks.evidence.verification import Verification

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

KIND = "damage-evidence-pdf-1"
JSON_NAME = "evidence.json"
_MARK = f"%{KIND} ".encode()
_END = b"startxref"
_PAGES = "pages"  # all bytes that are neither a picture nor the attached JSON


def is_pdf(file: bytes) -> bool:
    """Whether ``file`` begins as PDF files do."""
    return file.startswith(b"%PDF-")


def sign_pdf(pdf: bytes, named: Mapping[str, bytes], key: Ed25519PrivateKey) -> bytes:
    """``pdf`` with its signature; the streams ``named`` in it are parts of their own."""
    parts = [
        [name, len(data), hashlib.sha256(data).hexdigest()] for name, data in _split(pdf, named)
    ]
    return pdf + _trailer(sign({"kind": KIND, "parts": parts}, key), pdf)


def verify_pdf(file: bytes) -> Verification:
    """Which parts of ``file`` were changed, and who signed it."""
    signature, pdf = _signature_of(file)
    if signature is None:
        return Verification(None, ("unsigned: the PDF has no signature of evidence",))
    if not is_signed(signature):
        return Verification(None, ("changed: the signature, or the list of parts that it signs",))
    try:
        problems = list(_differences(signature["parts"], pdf))
    except (LookupError, TypeError, ValueError):  # by an unknown signer
        problems = ["the list of signed parts is malformed"]
    if not problems and file != pdf + _trailer(signature, pdf):
        problems.append("changed: the bytes after the signature")
    return Verification(signature["public_key"], tuple(problems))


def attached_json(file: bytes) -> bytes:
    """The JSON file that is attached to a valid PDF."""
    signature, _ = _signature_of(file)
    assert signature is not None
    begin = 0
    for name, size, _ in signature["parts"]:
        if name == JSON_NAME:
            break
        begin += size
    return file[begin : begin + size]


def _split(pdf: bytes, named: Mapping[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """The parts of ``pdf`` in order, which together are all of it."""
    places = sorted((pdf.index(data), name) for name, data in named.items())
    end = 0
    for begin, name in places:
        if begin < end:  # equal pictures are one stream
            continue
        yield _PAGES, pdf[end:begin]
        end = begin + len(named[name])
        yield name, pdf[begin:end]
    yield _PAGES, pdf[end:]


def _trailer(signature: Mapping[str, Any], pdf: bytes) -> bytes:
    return _MARK + canonical_json(signature) + b"\n" + pdf[pdf.rfind(_END) :]


def _signature_of(file: bytes) -> tuple[dict[str, Any] | None, bytes]:
    pdf, mark, rest = file.rpartition(_MARK)
    try:
        signature = json.loads(rest.partition(b"\n")[0]) if mark else None
    except (ValueError, RecursionError):
        signature = None
    is_ours = isinstance(signature, dict) and signature.get("kind") == KIND
    return (signature if is_ours else None), pdf


def _differences(parts: Iterable[tuple[str, int, str]], pdf: bytes) -> Iterator[str]:
    size = sum(part[1] for part in parts)
    begin = 0
    for name, length, digest in parts:
        if hashlib.sha256(pdf[begin : begin + length]).hexdigest() != digest:
            yield f"changed: {name}"
            if len(pdf) != size:  # all that follows has moved
                yield f"changed: the size, which is {len(pdf)} instead of {size} bytes"
                return
        begin += length
    if len(pdf) > size:
        yield f"added: {len(pdf) - size} bytes after the last page"
