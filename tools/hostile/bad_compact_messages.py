"""Compact messages that are not requests, or that ask for too much."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from damage_tasks.inspection_id import storable_id
from damage_tasks.sqs.compact_message import CONTENT_TYPE, request_class
from tools.hostile.bad_metadata import INVALID as INVALID_METADATA
from tools.hostile.hostile_case import EXAMINED, MALFORMED, Case, Ground, celery, plain
from tools.sample_pictures_and_results import jpeg

URL = "https://photos.example/car.jpg"
DEPTH = "nested more than 30 levels deep"


def base64_of(data: bytes) -> str:
    """The body with which a compact message carries ``data``."""
    return base64.b64encode(data).decode()


def request(url: str = URL, **options: Any) -> Any:
    """An ``InspectionRequest`` with ``options``."""
    found = request_class()(image_url=url)
    for name, value in options.items():
        setattr(found.inspection, name, value)
    return found


def body_of(found: Any) -> str:
    """The body of the message for a request."""
    return base64_of(found.SerializeToString())


def field(number: int, data: bytes) -> bytes:
    """A field of length-delimited data, as protobuf serialises it."""
    size, length = len(data), b""
    while size >= 128:
        length += bytes([size % 128 + 128])
        size //= 128
    return bytes([number * 8 + 2]) + length + bytes([size]) + data


def deep(levels: int) -> bytes:
    """A request whose metadata has objects in objects."""
    struct = b""
    for _ in range(levels):
        struct = field(1, field(1, b"a") + field(2, field(5, struct)))
    return field(1, URL.encode()) + field(2, struct)


def malformed() -> Iterator[tuple[str, str, str | None, str]]:
    """Bodies with the id that their senders wait for, if any, and a part of the reason."""
    valid = request(id="I-7", case_photos=3).SerializeToString()
    base = "is not base64"
    wire = "is not an InspectionRequest"
    yield "truncated base64", base64_of(valid)[:-3], None, base
    yield "junk instead of base64", "not base64!", None, base
    yield "base64 for URLs", base64.urlsafe_b64encode(b"\xfb\xff" * 9).decode(), None, base
    yield "letters beyond ASCII", "ä" * 8, None, base
    yield "plain JSON", plain({"image_url": URL}), None, base
    yield "Celery's message", celery([URL]), None, wire
    yield "nothing", "", None, "has no image_url"
    yield "a truncated request", base64_of(valid[:-1]), None, wire
    yield "bytes of 255", base64_of(b"\xff" * 300), None, wire
    yield "bytes of zero", base64_of(bytes(300)), None, wire
    yield "a URL that is not UTF-8", base64_of(field(1, b"https://x/\xff")), None, wire
    yield "a URL that is a number", base64_of(b"\x08\x07"), None, "has no image_url"
    yield "an empty URL with an id", body_of(request("", id="I-7")), "I-7", "has no image_url"
    yield "metadata that is a number", base64_of(b"\x10\x07"), None, "has no image_url"
    yield "metadata of junk", base64_of(field(1, URL.encode()) + field(2, b"\xff")), None, wire
    yield "a length beyond the end", base64_of(b"\x0a\xff\xff\xff\xff\x07https"), None, wire
    yield "deep metadata", base64_of(deep(60)), None, DEPTH
    yield "very deep metadata", base64_of(deep(2000)), None, DEPTH
    yield "deep unknown groups", base64_of(b"\x7b" * 100_000), None, wire
    for name, id in {"of 1026 bytes": "ä" * 513, "with a line break": "a\nb"}.items():
        yield f"an id {name}", body_of(request(id=id)), storable_id(id), "inspection.id must be"
    yield "an empty case", body_of(request(id="I-7", case_id="")), "I-7", "inspection.case_id must"
    photos = "inspection.case_photos must be a whole number from 1 to 1000"
    yield "a case of no photos", body_of(request(id="I-7", case_photos=0)), "I-7", photos
    yield "a case of 2**32 photos", body_of(request(case_photos=2**32 - 1)), None, photos
    callback = body_of(request(callback_url="ftp://x/y"))
    yield "a callback by FTP", callback, None, "inspection.callback_url must be"
    late = request(id="I-7")
    late.inspection.deadline.seconds = 10**15
    yield "a deadline beyond time", body_of(late), "I-7", "inspection.deadline must be a time"
    wrong = request(id="I-7")
    wrong.inspection.deadline.nanos = -1
    yield "a deadline of negative nanoseconds", body_of(wrong), "I-7", "inspection.deadline must"


def cases(ground: Ground) -> Iterator[Case]:
    """Cases for a worker; those that request a photo request a valid one."""
    for name, body, id, _ in malformed():
        # Several of them have the same id, and SQS accepts no empty body.
        if id is None and body:
            yield Case(f"compact: {name}", body, MALFORMED, content_type=CONTENT_TYPE)
    url = ground.site.serve("/compact.jpg", jpeg(seed=910))
    yield Case("compact: a photo", body_of(request(url)), EXAMINED, None, {}, CONTENT_TYPE)
    many = request(url)
    many.metadata.update({"n": list(range(20_000))})
    yield Case("compact: huge metadata", body_of(many), INVALID_METADATA, None, None, CONTENT_TYPE)
    empty = request(url)
    values = empty.metadata.fields["n"].list_value.values
    for _ in range(80_000):
        values.add()
    yield Case("compact: empty values", body_of(empty), INVALID_METADATA, None, None, CONTENT_TYPE)
    numbers = request(url)
    numbers.metadata.update({"n": float("nan")})
    yield Case("compact: NaN", body_of(numbers), INVALID_METADATA, None, None, CONTENT_TYPE)
    text = request(url)
    text.metadata.update({"n": "a\0b"})
    yield Case("compact: NUL", body_of(text), INVALID_METADATA, None, None, CONTENT_TYPE)
    json_body = plain({"image_url": url})
    yield Case("compact: JSON that says so", json_body, EXAMINED, None, {}, "application/json")
