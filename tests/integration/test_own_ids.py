"""An id that the sender chose is an idempotency key, and no photo is lost to a conflict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest

from damage_tasks import detect_damage, get_inspection
from tools.loopback_web_server import Site
from tools.sample_pictures_and_results import jpeg

Wait = Callable[..., dict[str, Any]]
pytestmark = pytest.mark.xdist_group("stack")


def test_a_photo_sent_twice_with_one_id_is_downloaded_once(
    site: Site, send: Callable[[Any], str], result_of: Wait, queue_is_empty: Callable[[], None]
) -> None:
    url, id = site.serve("/once.jpg", jpeg(seed=11)), f"rental {uuid4()}/vorne ä.jpg"
    body = {"image_url": url, "car_id": 7, "inspection": {"id": id}}
    message_id = send(body)
    first = result_of(id)
    assert first["metadata"] == {"car_id": 7}
    send(body)
    detect_damage.delay(url, inspection={"id": id})
    detect_damage.apply_async((url,), task_id=id)
    queue_is_empty()
    assert site.requests == ["/once.jpg"]
    assert result_of(id) == first
    assert get_inspection(message_id) is None


def test_photos_sent_at_the_same_moment_with_one_id_all_have_a_verdict(
    site: Site, send: Callable[[Any], str], result_of: Wait, queue_is_empty: Callable[[], None]
) -> None:
    urls = [site.serve(f"/{n}.jpg", jpeg(seed=20 + n)) for n in range(3)]
    id = str(uuid4())
    bodies: list[dict[str, Any]] = [
        {"image_url": url, "inspection": {"id": id}} for url in urls * 4
    ]
    with ThreadPoolExecutor(6) as senders:
        message_ids = list(senders.map(send, bodies))
    queue_is_empty()
    winner = result_of(id)["photo"]["url"]
    assert winner in urls
    conflicts: Counter[str] = Counter()
    for message_id, body in zip(message_ids, bodies, strict=True):
        if body["image_url"] == winner:
            continue
        result = result_of(message_id)
        assert result["reason"]["code"] == "id_conflict"
        assert result["photo"]["url"] == body["image_url"]
        conflicts[body["image_url"]] += 1
    assert sorted(conflicts.values()) == [4, 4]


def test_an_unusable_message_with_an_id_in_use_is_recorded_under_its_message_id(
    site: Site, send: Callable[[Any], str], result_of: Wait
) -> None:
    url, id = site.serve("/used.jpg", jpeg(seed=13)), str(uuid4())
    send({"image_url": url, "inspection": {"id": id}})
    first = result_of(id)
    result = result_of(send({"image_url": url, "inspection": {"id": id, "deadline": "soon"}}))
    assert result["reason"]["code"] == "message_malformed"
    assert "inspection.deadline must be a time" in result["reason"]["text"]
    assert result_of(id) == first
