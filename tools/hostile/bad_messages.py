"""Message bodies that are not requests, and requests that ask for too much."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Iterator
from typing import Any

from tools.hostile.bad_metadata import INVALID as INVALID_METADATA
from tools.hostile.bad_metadata import nested
from tools.hostile.hostile_case import (
    EXAMINED,
    MALFORMED,
    Case,
    Ground,
    celery,
    plain,
    readable_id,
    rejected,
)
from tools.sample_pictures_and_results import jpeg

MAX_SQS_MESSAGE_BYTES = 262_144  # the limit for most of the service's existence


def junk() -> Iterator[tuple[str, str]]:
    """Bodies that are not requests at all."""
    yield "one letter", "x"
    yield "not JSON", "not json <xml/>"
    yield "null", "null"
    yield "a number", "7"
    yield "a text", '"text"'
    yield "a list", "[1, 2, 3]"
    yield "an empty object", "{}"
    yield "a body that crashes stock Celery", '{"properties": {}}'
    yield (
        "a body that loops in stock kombu",
        '{"properties": {"delivery_info": {}}, "body": "Zm9v"}',
    )
    yield "only a delivery tag", '{"properties": {"delivery_tag": "x"}, "headers": {"id": "y"}}'
    yield "URL that is a number", '{"image_url": 7}'
    yield "URL that is null", '{"image_url": null}'
    yield "URL that is a list", '{"image_url": ["https://photos.example/a.jpg"]}'
    yield "URL in different case", '{"Image_URL": "https://photos.example/a.jpg"}'
    yield "JSON in JSON", json.dumps(json.dumps({"image_url": "https://photos.example/a.jpg"}))
    yield "a list of requests", '[{"image_url": "https://photos.example/a.jpg"}]'
    yield "two requests", '{"image_url": "https://x/a"}\n{"image_url": "https://x/b"}'
    yield "truncated JSON", '{"image_url": "https://photos.example/a.jpg'
    yield "JSON with a comment", '{"image_url": "https://photos.example/a.jpg"} // now'
    yield "single quotes", "{'image_url': 'https://photos.example/a.jpg'}"
    yield "byte order mark", "\ufeff" + plain({"image_url": "https://photos.example/a.jpg"})
    yield "SQS from SNS", plain({"Type": "Notification", "Message": '{"image_url": "https://x/a"}'})
    yield "S3's event", plain({"Records": [{"s3": {"bucket": {"name": "b"}}}]})
    yield "form data", "image_url=https%3A%2F%2Fphotos.example%2Fa.jpg"
    yield "four letters of base64", "AAAA"
    yield "base64 of junk", base64.b64encode(bytes(range(256))).decode()
    yield "base64 of NUL", base64.b64encode(bytes(300)).decode()
    yield "base64 of base64", base64.b64encode(base64.b64encode(b'{"image_url": "x"}')).decode()
    yield "not UTF-8", base64.b64encode(b'{"image_url": "https://x/\xff\xfe"').decode()
    yield "a pickle", base64.b64encode(b"\x80\x04\x95\x10\x00\x8c\x05posix\x94").decode()
    yield "half a surrogate pair", '"\\ud800"'
    yield "deep lists", "[" * 100_000
    yield "deep objects", '{"a":' * 50_000
    yield "deep whole", json.dumps({"properties": nested(900)})
    yield "a number of 10000 digits", '{"image_url": "https://x/a", "n": ' + "9" * 10_000 + "}"
    yield "the maximum size of SQS", "x" * MAX_SQS_MESSAGE_BYTES
    yield "the maximum size of SQS, in JSON", json.dumps(["x" * (MAX_SQS_MESSAGE_BYTES - 4)])
    yield "SQL", "'; DROP TABLE inspections; --"
    yield "HTML", "<script>alert(document.cookie)</script>"
    yield "format strings", "%s%s%s%n {0} {} %(asctime)s"
    yield "log lines", 'x\n{"level": "info", "event": "photo inspected"}\n'
    yield (
        "terminal escape sequences",
        "\x1b]0;owned\x07\x1b[2J".replace("\x1b", "^[").replace("\x07", ""),
    )


def wrong_calls(url: str) -> Iterator[tuple[str, str]]:
    """Celery messages that cannot be executed."""
    call = base64.b64encode(json.dumps([[url], {}, {}]).encode()).decode()
    yield "an unknown task", celery([url], headers={"task": "os.system"})
    yield "Celery's own task", celery([[], 1], headers={"task": "celery.chunks"})
    yield "a task that is not text", celery([url], headers={"task": ["detect_damage"]})
    yield "no task", celery([url], headers={"task": None})
    yield "no id", celery([url], headers={"id": None})
    yield "an id that is a number", celery([url], headers={"id": 7})
    yield "an id that is a list", celery([url], headers={"id": ["a"]})
    yield "an empty id", celery([url], headers={"id": ""})
    yield "an id of 1025 bytes", celery([url], headers={"id": "i" * 1023 + "ä"})
    yield "an id of 100 KB", celery([url], headers={"id": "i" * 100_000})
    yield "an id with NUL", celery([url], headers={"id": "a\0b"})
    yield "an id with a line break", celery([url], headers={"id": "a\nb"})
    yield "an id with a direction override", celery([url], headers={"id": "\u202egpj.rac"})
    yield "an id with half a surrogate pair", celery([url], headers={"id": "a\ud800"})
    yield "retries of -1", celery([url], headers={"retries": -1})
    yield "retries of a billion", celery([url], headers={"retries": 10**9})
    yield "retries that are text", celery([url], headers={"retries": "3"})
    yield "retries that are true", celery([url], headers={"retries": True})
    yield "retries of 1.5", celery([url], headers={"retries": 1.5})
    yield "no arguments", celery([])
    yield "three arguments", celery([url, {}, 7])
    yield "the URL twice", celery([url], {"url": url})
    yield "an unknown argument", celery([url], {"callback": "https://x/"})
    yield "arguments that are an object", celery({"url": url})
    yield "arguments that are text", celery(url)
    yield "keywords that are a list", celery([url], ["url"])
    broken: dict[str, dict[str, Any]] = {
        "no body": {"body": None},
        "a body that is not base64": {"body": "!!!"},
        "a body that is an object": {"body": {"a": 1}},
        "a body of junk": {"body": base64.b64encode(b"junk").decode()},
        "a body of four parts": {"body": base64.b64encode(b"[[], {}, {}, {}]").decode()},
        "a deeply nested body": {"body": base64.b64encode(b"[" * 50_000).decode()},
        "another encoding": {"content-type": "application/x-python-serialize"},
        "YAML": {"content-type": "application/x-yaml"},
        "no encoding": {"content-type": None},
        "a body that is not encoded": {"properties": {"body_encoding": None}, "body": call},
        "no properties": {"properties": None},
        "no headers": {"headers": None},
        "headers that are text": {"headers": "task"},
        "headers that are a list": {"headers": ["task", "detect_damage"]},
    }
    for name, changes in broken.items():
        yield name, celery_with(url, **changes)
    yield (
        "old Celery's protocol",
        plain({"task": "detect_damage", "id": "x", "args": [url], "kwargs": {}, "eta": None}),
    )
    yield (
        "a body to record of another's",
        celery([{"a": ["x" * 1000] * 100}], headers={"task": "record_malformed"}),
    )
    yield (
        "a body to record that is huge",
        celery(["x" * 100_000], headers={"task": "record_malformed"}),
    )
    yield "two bodies to record", celery(["a", "b"], headers={"task": "record_malformed"})


def celery_with(url: str, **changes: Any) -> str:
    """A Celery message with some parts replaced."""
    envelope = json.loads(base64.b64decode(celery([url])))
    return base64.b64encode(json.dumps({**envelope, **changes}).encode()).decode()


def slow(url: str) -> Iterator[tuple[str, str, frozenset[str]]]:
    """Texts that take badly written regular expressions minutes."""
    for name, text in {"dots": "a.", "schemes": "x://", "users": "@:", "braces": ")?"}.items():
        long = text * (100_000 // len(text))
        yield f"{name} for a URL", plain({"image_url": long}), rejected("url_invalid")
        yield f"{name} for metadata", plain({"image_url": url, "a": long}), INVALID_METADATA
        yield f"{name} alone", plain([long]), MALFORMED


def wishes() -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Headers and follow-up calls that a sender may not request; the photo is examined."""
    yield "a time limit of hours", {"timelimit": [9999, 9999]}, {}
    yield "a time limit of zero", {"timelimit": [0, 0]}, {}
    yield "time limits that are text", {"timelimit": "soon"}, {}
    yield "an ETA in a hundred years", {"eta": "2126-01-01T00:00:00+00:00"}, {}
    yield "an invalid ETA", {"eta": "soon"}, {}
    yield "an invalid deadline", {"deadline": "soon", "had_photo": "yes"}, {}
    yield "a deadline beyond time", {"deadline": "9999-12-31T23:59:59-23:59"}, {}
    yield "an invalid expiry", {"expires": ["x"]}, {}
    yield "a callback", {}, {"callbacks": [{"task": "detect_damage", "args": []}]}
    yield "an errback", {}, {"errbacks": [{"task": "os.system", "args": ["reboot"]}]}
    yield "a chain and a chord", {}, {"chain": [{"task": "x"}], "chord": {"task": "y"}}
    yield "a group", {"group": "g" * 1000, "group_index": "x"}, {}
    yield "a root that is a list", {"root_id": ["x"], "parent_id": {"a": 1}}, {}
    yield "an origin that is a list", {"origin": ["x"], "lang": {"a": 1}}, {}
    yield "false displayed arguments", {"argsrepr": {"a": 1}, "kwargsrepr": 7}, {}
    yield "long displayed arguments", {"argsrepr": "x" * 100_000}, {}
    yield "headers of headers", {"headers": ["x"]}, {}
    yield "headers of deep headers", {"headers": {"a": nested(90)}}, {}
    yield "an invalid trace", {"sentry-trace": {"a": 1}, "baggage": 7}, {}
    yield "an invalid parent", {"traceparent": "00-x-y-zz", "tracestate": ",=,=" * 3000}, {}
    yield "stamps", {"stamps": {"a": ["b"]}, "stamped_headers": ["a"]}, {}
    yield "a shadow", {"shadow": "os.system"}, {}
    yield "ignored results", {"ignore_result": True}, {}
    yield "Python names", {"__class__": "x", "hostname": 1, "called_directly": True}, {}
    yield "999 retries", {"retries": 999}, {}


ODD_IDS = [
    "'; DROP TABLE inspections; --", "../../../etc/passwd", "<script>alert(1)</script>", "%s%n{0}",
    "\U0001f697", "i" * 1024, "\u8eca" * 341, " ", "null", "a/b?c=d#e", "*", "-", "0",
]  # fmt: skip


def cases(ground: Ground) -> Iterator[Case]:
    """All cases; those that request a photo request a valid one."""
    url = ground.site.serve("/messages.jpg", jpeg(seed=909))
    for name, body in junk():
        yield Case(f"message: {name}", body, MALFORMED, readable_id(body))
    for name, body in wrong_calls(url):
        yield Case(f"call: {name}", body, MALFORMED, readable_id(body))
    for name, headers, embed in wishes():
        id = str(uuid.uuid4())
        yield Case(
            f"wish: {name}", celery([url], id=id, headers=headers, embed=embed), EXAMINED, id
        )
    for name, body, expected in slow(url):
        yield Case(f"slow: {name}", body, expected)
    for odd in ODD_IDS:
        yield Case(f"id: {odd[:40]}", celery([url], id=odd), EXAMINED, odd)
    id = str(uuid.uuid4())
    body = celery([], {"url": url, "metadata": {"a": 1}}, id=id)
    yield Case("call: keywords only", body, EXAMINED, id, {"a": 1})
    id = str(uuid.uuid4())
    task = {"task": "record_malformed"}
    yield Case("call: a body to record", celery(["old"], id=id, headers=task), MALFORMED, id)
