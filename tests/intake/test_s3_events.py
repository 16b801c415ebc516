"""S3's events are read in every form, and their keys are decoded as each form wants."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from damage_tasks.intake.s3_events import Upload, may_be_s3_event, uploads_in
from damage_tasks.photos.url_policy import S3Url, parse_url
from damage_tasks.settings import Settings
from tools import sample_s3_events as s3_events

ODD_KEYS = [
    "rentals/r-1/car 7/vorne links.jpg",
    "a+b.jpg",
    "100%.jpg",
    "%41%2f.jpg",
    "ü/車/é🚗.jpg",
    "what?#&=.jpg",
    'quote".jpg',
    "tab\tnewline\n.jpg",
    " ",
    "+",
    "x" * 1024,
]


@pytest.mark.parametrize("form", list(s3_events.all_forms("")))
@pytest.mark.parametrize("key", ODD_KEYS, ids=lambda key: key[:12].encode("unicode_escape"))
def test_each_form_names_the_same_object(form: str, key: str) -> None:
    event = s3_events.all_forms(key)[form]
    found = uploads_in(event)
    expected = Upload(
        s3_events.BUCKET, key, "096fKKXTRTtl3on89fVO.nfljtsv6qko", "0055AED6DCD90281E5"
    )
    assert found == [expected]
    assert may_be_s3_event(json.dumps(event))


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60))
def test_the_url_leads_to_the_key(key: str) -> None:
    (upload,) = uploads_in(s3_events.from_eventbridge(key)) or [Upload("", "", "", "")]
    (direct,) = uploads_in(s3_events.direct(s3_events.record(key))) or [Upload("", "", "", "")]
    assert upload == direct
    if {".", ".."}.isdisjoint(key.split("/")):
        place = parse_url(upload.url, Settings())
        assert place == S3Url(s3_events.BUCKET, key)


@pytest.mark.parametrize("event", s3_events.ignored().values(), ids=list(s3_events.ignored()))
def test_an_event_that_announces_no_photo_has_no_uploads(event: Any) -> None:
    assert uploads_in(event) == []
    assert may_be_s3_event(json.dumps(event))


def test_several_records_are_several_uploads() -> None:
    records = [s3_events.record(f"{n}.jpg", sequencer=str(n)) for n in range(1000)]
    records[7] = s3_events.record("7.jpg", "ObjectRemoved:Delete")
    found = uploads_in(s3_events.direct(*records))
    assert found is not None
    assert len({upload.id for upload in found}) == len(found) == 999


@pytest.mark.parametrize(
    "changes", [{"sequencer": "2"}, {"versionId": "2"}, {"key": "b.jpg"}], ids=str
)
def test_another_upload_has_another_id(changes: dict[str, str]) -> None:
    (first,) = uploads_in(s3_events.direct(s3_events.record("a.jpg"))) or []
    (other,) = uploads_in(s3_events.direct(s3_events.record("a.jpg", **changes))) or []
    assert first.id != other.id


def test_without_a_version_the_etag_counts() -> None:
    first = s3_events.record("a.jpg", versionId=None)
    other = s3_events.record("a.jpg", versionId=None, eTag="other")
    ids = {upload.id for upload in uploads_in(s3_events.direct(first, first, other)) or []}
    assert len(ids) == 2


NOT_S3_EVENTS: list[Any] = [
    None,
    [],
    "aws:s3",
    {"Records": []},
    {"Records": {}},
    {"Records": [{"eventSource": "aws:sqs", "body": "x"}]},
    {"Records": [s3_events.record("a.jpg"), {"eventSource": "aws:sqs"}]},
    {"Type": "Notification", "TopicArn": "t", "Message": "hello"},
    {"Type": "Notification", "TopicArn": "t", "Message": "[" * 100_000},
    {"Type": "SubscriptionConfirmation", "TopicArn": "t", "Message": "{}"},
    s3_events.in_sns(s3_events.in_sns(s3_events.direct(s3_events.record("a.jpg")))),
    {**s3_events.from_eventbridge("a.jpg"), "source": "acme.s3"},
    {**s3_events.cloud_event(s3_events.record("a.jpg")), "type": "com.example.created"},
]


@pytest.mark.parametrize("payload", NOT_S3_EVENTS, ids=lambda each: str(each)[:40])
def test_anything_else_is_not_an_s3_event(payload: Any) -> None:
    assert uploads_in(payload) is None


BROKEN: dict[str, Any] = {
    "a later version": s3_events.direct({**s3_events.record("a"), "eventVersion": "3.0"}),
    "no version": s3_events.direct({**s3_events.record("a"), "eventVersion": None}),
    "no name": s3_events.direct({**s3_events.record("a"), "eventName": None}),
    "no object": s3_events.direct({**s3_events.record("a"), "s3": {"bucket": {"name": "b"}}}),
    "an empty key": s3_events.direct(s3_events.record("a", key="")),
    "a key that is not UTF-8": s3_events.direct(s3_events.record("a", key="%ff.jpg")),
    "half a surrogate pair": s3_events.from_eventbridge("\ud83d.jpg"),
    "a bucket that is a number": s3_events.direct(
        {**s3_events.record("a"), "s3": {"bucket": {"name": 7}, "object": {"key": "a"}}}
    ),
}


@pytest.mark.parametrize("event", BROKEN.values(), ids=list(BROKEN))
def test_an_event_that_cannot_be_understood_says_why(event: Any) -> None:
    with pytest.raises(ValueError, match="S3 event"):
        uploads_in(event)
