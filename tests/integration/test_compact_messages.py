"""Compact messages become verdicts in a real worker, and come back from the dead-letter queue."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from damage_tasks import submit_many
from damage_tasks.devstack import Stack
from damage_tasks.sqs.compact_message import CONTENT_TYPE
from tools.loopback_web_server import Site
from tools.sample_pictures_and_results import jpeg

Wait = Callable[..., dict[str, Any]]
pytestmark = pytest.mark.xdist_group("stack")


def test_compact_photos_get_verdicts(
    site: Site, result_of: Wait, queue_is_empty: Callable[[], None]
) -> None:
    urls = [site.serve(f"/compact-{n}.jpg", jpeg(seed=40 + n)) for n in range(2)]
    own = f"compact {uuid4()}"
    metadata = {"car_id": 7, "price": 20.5, "tags": ["a", None]}
    ids = list(
        submit_many(
            [(urls[0], metadata), {"url": urls[1], "inspection": {"id": own}}], compact=True
        )
    )
    assert ids[1] == own
    first, second = map(result_of, ids)
    assert (first["photo"]["url"], first["metadata"]) == (urls[0], metadata)
    assert second["photo"]["url"] == urls[1]
    queue_is_empty()


def test_a_compact_photo_is_retried(site: Site, result_of: Wait) -> None:
    busy = site.serve("/compact-late.jpg", b"", status=503)
    page = site.pages["/compact-late.jpg"]

    def first_busy(handler: Any) -> None:
        page(handler)
        site.serve("/compact-late.jpg", jpeg(seed=44))

    site.pages["/compact-late.jpg"] = first_busy
    (id,) = submit_many([(busy, {"car_id": 8})], compact=True)
    result = result_of(id)
    assert (result["attempts"], result["metadata"]) == (2, {"car_id": 8})


def test_a_malformed_compact_message_is_rejected_with_a_reason(
    stack: Stack, result_of: Wait
) -> None:
    answer = stack.client("sqs").send_message(
        QueueUrl=stack.environment["DAMAGE_QUEUE_URL"],
        MessageBody="AAA",
        MessageAttributes={"content_type": {"DataType": "String", "StringValue": CONTENT_TYPE}},
    )
    reason = result_of(answer["MessageId"])["reason"]
    assert reason["code"] == "message_malformed"
    assert "the body is not base64" in reason["text"]
