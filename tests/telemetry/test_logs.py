"""Logs are one object per line, readable, and free of secrets."""

from __future__ import annotations

import base64
import json
import logging
import subprocess
import sys
import time
from pathlib import Path

import pytest

from damage_tasks.telemetry import (
    JsonFormatter,
    TextFormatter,
    escape_controls,
    photo_log_context,
    redact,
)


def record(message: str = "photo inspected", **extra: object) -> logging.LogRecord:
    found = logging.makeLogRecord({"msg": message, "levelname": "INFO", "levelno": 20})
    vars(found).update(extra)
    return found


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("https://x/y.jpg?Signature=abc&Key=d", "https://x/y.jpg?[redacted]"),
        ("see https://x/y?a=b, then more", "see https://x/y?[redacted], then more"),
        ("https://user:pass@x/y", "https://[redacted]@x/y"),
        ("postgresql://u:p@db/x failed", "postgresql://[redacted]@db/x failed"),
        ("https://x/y#token", "https://x/y?[redacted]"),
        ("nothing to hide?", "nothing to hide?"),
        # Quotes and brackets may occur in a path and in a query.
        ("https://x/o'brien.jpg?Signature=abc", "https://x/o'brien.jpg?[redacted]"),
        ("(\"https://x/a'b?a='c'&Signature=abc\", 7)", '("https://x/a\'b?[redacted]", 7)'),
        ("<https://x/<b>?Signature=abc>", "<https://x/<b>?[redacted]>"),
        (
            '{"a":"https://x/y","b":"https://z/?S=1"}',
            '{"a":"https://x/y","b":"https://z/?[redacted]"}',
        ),
        ("('https://x/?', 'next')", "('https://x/?[redacted]', 'next')"),
        ("https://us'er:pa\"ss@x/y", "https://[redacted]@x/y"),
        # If a space or a missing scheme splits a URL, secrets are recognised by their names.
        (
            "https://x/my photo.jpg?X-Amz-Signature=abc&X-Amz-Date=1&v=2",
            "https://x/my photo.jpg?X-Amz-Signature=[redacted]&X-Amz-Date=[redacted]&v=2",
        ),
        ("//x/y?Signature=abc", "//x/y?Signature=[redacted]"),
        ("https:\\/\\/x?access_token=abc", "https:\\/\\/x?access_token=[redacted]"),
        ("https://x/y?[redacted]", "https://x/y?[redacted]"),
        # Passwords that are not percent-encoded as they must be in a URL.
        ("https://u:p@ss@x/y", "https://[redacted]@x/y"),
        ("https://u:p/ss@x/y", "https://[redacted]@x/y"),
        ("https://x:8080/me@2x.jpg", "https://x:8080/me@2x.jpg"),
        # A signed URL inside another URL.
        (
            "https://x/https%3A%2F%2Fb%3FX-Amz-Signature%3Dabc%26v%3D1",
            "https://x/https%3A%2F%2Fb%3FX-Amz-Signature%3D[redacted]%26v%3D1",
        ),
        ("Authorization: Bearer abc", "Authorization: [redacted]"),
        ('{"access_token": "abc"}', '{"access_token": "[redacted]"}'),
        ('{"password": "correct horse", "a": "b c"}', '{"password": "[redacted]", "a": "b c"}'),
        ("{'api_key': 'x y'}", "{'api_key': '[redacted]'}"),
        ("{'api_key': 'x y", "{'api_key': '[redacted]"),
        ("401 for Bearer eyJhbGciOi.eyJzdWIiOiI.dozj", "401 for Bearer [redacted]"),
        ("ExpiredToken: the token has expired", "ExpiredToken: the token has expired"),
        ("('https://x/y?[redacted]')", "('https://x/y?[redacted]')"),
    ],
)
def test_signatures_and_passwords_are_cut_out_of_urls(text: str, safe: str) -> None:
    assert redact(text) == safe


@pytest.mark.parametrize("padding", ["=", ""])
def test_secrets_in_base64_are_seen(padding: str) -> None:
    call = [["https://x/y.jpg?Signature=hunter2"], {"metadata": {"car": 7}}, {}]
    encoded = base64.b64encode(json.dumps(call).encode()).decode().rstrip("=") + padding
    assert redact(f'{{"body": "{encoded}"}}').startswith('{"body": "[redacted]')
    harmless = base64.b64encode(json.dumps([["https://x/y.jpg"], {}, {}]).encode()).decode()
    assert redact(harmless) == harmless


@pytest.mark.parametrize("missing", range(1, 9))
def test_secrets_in_base64_that_was_cut_off_are_seen(missing: int) -> None:
    call = [["https://x/y.jpg?Signature=hunter2"], {"metadata": {"car": 7}}, {}]
    encoded = base64.b64encode(json.dumps(call).encode()).decode()[:-missing]
    assert redact(f"message {encoded}... (truncated)") == "message [redacted]... (truncated)"


def test_what_does_not_print_is_escaped() -> None:
    assert escape_controls("a\nb\x1b[31m\u202e\x9b\U000e0001 ü") == (
        r"a\nb\u001b[31m\u202e\u009b\udb40\udc01 ü"
    )
    assert escape_controls("a\nb", keep="\n") == "a\nb"


FORGED = "seen\n12:00:00 CRITICAL worker stops\x1b[2J"


def test_no_text_of_a_caller_can_forge_a_line_of_the_log() -> None:
    with photo_log_context("t", {"request_id": FORGED}):
        line = TextFormatter().format(record(FORGED, reason=FORGED, fields={"a": FORGED}))
    assert len(line.splitlines()) == 1
    assert line.isprintable()


def test_a_json_line_is_one_line_that_terminals_and_shippers_take() -> None:
    text = "a\u2028b\x85c\x9b2Jd\u202ee\U000e0001 ü"
    line = JsonFormatter().format(record(text, reason=text))
    assert line.isprintable()
    assert json.loads(line)["event"] == json.loads(line)["reason"] == text


def test_no_text_of_an_error_can_forge_a_line_of_the_log() -> None:
    try:
        raise ValueError(FORGED)
    except ValueError:
        text = TextFormatter().format(record("it broke", exc_info=sys.exc_info()))
    assert "ValueError: seen" in text
    assert all(line.startswith("  ") for line in text.splitlines()[1:])
    assert "\x1b" not in text


def test_a_request_id_is_free_of_secrets() -> None:
    with photo_log_context("t", {"request_id": "https://x/y?Signature=hunter2"}):
        assert "hunter2" not in JsonFormatter().format(record())


@pytest.mark.parametrize(
    "text",
    ["a." * 100_000, "x://" * 60_000, "a://x?" + ")" * 200_000 + " x", "a://" + "x@" * 100_000,
     "://a:" * 40_000, "password:" * 20_000, "%3f" * 60_000, "://" + "a:" * 100_000,
     "x" * 200_000 + " a://b?", "a-" * 100_000 + "=", "token" * 40_000, "x-amz-" * 40_000,
      "eyJ" * 60_000, "W1si" * 60_000, "://" * 80_000, "?" * 200_000 + "://x"],
    ids=lambda text: text[:8],
)  # fmt: skip
def test_a_long_text_takes_no_longer_than_its_length(text: str) -> None:
    # Callers control it, and the worker's main process redacts it; this once took minutes.
    begin = time.perf_counter()
    redact(text)
    assert time.perf_counter() - begin < 5


def test_a_json_line_holds_event_and_fields() -> None:
    line = JsonFormatter().format(record(task_id="t", ms={"download": 3}))
    entry = json.loads(line)
    assert (entry["event"], entry["level"], entry["task_id"]) == ("photo inspected", "info", "t")
    assert entry["ms"] == {"download": 3}
    assert "\n" not in line


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()])
def test_fields_are_free_of_secrets_however_deep(formatter: logging.Formatter) -> None:
    found = record(
        tried=[{"url": "https://x/y?Signature=hunter2", "aws_secret_access_key": "hunter2"}]
    )
    assert "hunter2" not in formatter.format(found)


def test_a_traceback_stays_one_record_without_secrets() -> None:
    try:
        raise ValueError("https://x/y?token=hunter2")
    except ValueError:
        found = record("it broke", exc_info=sys.exc_info())
    line = JsonFormatter().format(found)
    assert "\n" not in line
    assert "hunter2" not in line
    assert json.loads(line)["error"] == "ValueError"


def test_text_lines_are_columns() -> None:
    line = TextFormatter().format(record(verdict="clean", ms={"download": 3, "overlay": 4}))
    assert "photo inspected verdict=clean ms=download:3,overlay:4" in line


def test_no_terminal_means_json() -> None:
    program = (
        "import logging; from damage_tasks.telemetry import configure_logging;"
        "configure_logging(); logging.info('hello')"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert json.loads(run.stderr)["event"] == "hello"


def test_a_log_on_a_full_disk_loses_lines_and_nothing_else() -> None:
    program = (
        "import logging; from damage_tasks.telemetry import configure_logging, write_at_once;"
        "configure_logging(); logging.info('lost'); write_at_once('lost too'); print('alive')"
    )
    with Path("/dev/full").open("w") as full:
        run = subprocess.run(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=full, check=False
        )
    assert run.stdout == b"alive\n"
