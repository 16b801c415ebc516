"""Removes secrets and control characters from everything that leaves the process."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

_WORD = re.compile(r"\S+")
# Names that mark a secret: parameters of URLs that are split by a space, lack a scheme or
# are quoted in another URL, and keys of callers' metadata.
_WORDS = (
    r"[\w-]*(?:signature|tokens?|secret|password|passwd|pwd|credentials?|authorization|cookie"
    r"|(?:api|access|private|secret|session)[_-]?key)"
)
_NAME = rf"(?:x-(?:amz|goog)-[\w-]+|sig|auth|policy|key-pair-id|awsaccesskeyid|{_WORDS})"
_PARAMETER = re.compile(
    rf"(?i)((?:(?<![\w-])|(?<=%3f)|(?<=%26)){_NAME}(?:=|%3d))(?:(?!%26)[^\s&\"'\\])+"
)
# Not AWS's "ExpiredToken: ...": such words only mark a secret when they are quoted.
_HEADER = re.compile(
    rf"(?i)((?:(?<![\w-])(?:password|passwd|pwd|authorization|cookie|secret)|[\"']{_WORDS}[\"'])"
    r"\s*:\s*)(?:\"[^\"]*\"?|'[^']*'?|(?:(?:bearer|basic)\s+)?[^\s\"',}]+)"
)
_BEARER = re.compile(r"(?i)(?<![\w-])(bearer\s+)[\w.~+/-]{16,}=*")
_SECRET_KEY = re.compile(rf"(?i){_NAME}")
_USER = re.compile(r"://[^\s/@]*@")
_SECRETS = re.compile(r"[?#]")
# JSON in base64, as Celery sends a call's arguments: it begins with `[[`, `[{`, `["` or `{"`.
_BASE64 = re.compile(r"(?<![A-Za-z0-9+/])(?:W[13y]|ey)[A-Za-z0-9+/]{24,}={0,2}")
REDACTED = "[redacted]"
_CLOSING = "\"')]}>,;."


def redact(text: str) -> str:
    """``text`` with query strings, fragments and credentials of its URLs removed.

    Query strings may contain signatures and tokens.  Everything up to the next space
    counts as part of a URL, since URLs may contain quotes too; after that, parameters whose
    names mark a secret are removed, and JSON in base64 that
    contains any of these.  Runs in linear time, because callers control the
    texts.
    """
    if "://" in text:
        text = _WORD.sub(_redact_word, text)
    text = _BASE64.sub(_redact_encoded, text)
    if "=" in text or "%" in text:
        text = _PARAMETER.sub(rf"\1{REDACTED}", text)
    text = _BEARER.sub(rf"\1{REDACTED}", text)
    return _HEADER.sub(_redact_header, text) if ":" in text else text


def redacted(value: Any) -> Any:
    """A copy of plain data with every string redacted and the values of secret keys removed."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {
            key: REDACTED if _SECRET_KEY.fullmatch(str(key)) else redacted(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [redacted(item) for item in value]
    return value


def one_line(text: str) -> str:
    """``text`` redacted, with unprintable characters as JSON escapes.

    A newline could forge a log line, and an escape sequence could change the terminal.
    """
    return escape_controls(redact(text))


def escape_controls(text: str, keep: str = "") -> str:
    """``text`` with unprintable characters as JSON escapes, except those in ``keep``."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else json.dumps(c)[1:-1] for c in text)


def _redact_header(found: re.Match[str]) -> str:
    value = found[0].removeprefix(found[1])
    quote = value[0] if value[0] in "\"'" else ""
    end = quote if len(value) > 1 and value.endswith(quote) else ""
    return f"{found[1]}{quote}{REDACTED}{end}"


def _redact_encoded(found: re.Match[str]) -> str:
    # The padding may be missing, and so may the end, of a text that was cut off.
    encoded = found[0].rstrip("=")
    if len(encoded) % 4 == 1:
        encoded = encoded[:-1]
    text = base64.b64decode(encoded + "=" * (-len(encoded) % 4)).decode(errors="replace")
    return found[0] if redact(text) == text else REDACTED


def _redact_word(found: re.Match[str]) -> str:
    before, mark, url = found[0].partition("://")
    if not mark:
        return before
    secrets = _SECRETS.search(url)
    if secrets is not None and not url[secrets.start() :].startswith(f"?{REDACTED}"):
        tail = url[len(url.rstrip(_CLOSING)) :] if url[-1] in _CLOSING else ""
        url = f"{url[: secrets.start()]}?{REDACTED}{tail}"
    return before + _USER.sub(f"://{REDACTED}@", mark + _without_user(url))


def _without_user(url: str) -> str:
    """The text after ``://`` without user and password, whether percent-encoded or not."""
    authority = url.partition("/")[0]
    where = authority if "@" in authority else url
    port = authority.partition(":")[2]
    if "@" not in where or (where is url and (not port or port.isdigit())):
        return url
    return f"{REDACTED}@{url[where.rindex('@') + 1 :]}"
