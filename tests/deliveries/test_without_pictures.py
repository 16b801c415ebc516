"""Events carry no links to overlays where faces and plates are to be redacted."""

from __future__ import annotations

import json

import pytest

from damage_tasks.deliveries.without_pictures import without_pictures
from tests.deliveries.deliveries_for import BODY, delivery_to
from tests.result_contract import check_result
from tools.sample_pictures_and_results import inspection

TARGET = "https://receiver.example/hook"


def test_the_link_to_the_overlay_is_removed_and_the_rest_stays() -> None:
    data = inspection(metadata={"car": "ü"}).to_dict()
    event = {"type": "inspection.completed", "timestamp": "2026-11-29T12:00:00Z", "data": data}
    sent = without_pictures(delivery_to(TARGET, body=json.dumps(event)))
    assert json.loads(sent.body) == {
        **event,
        "data": {**data, "overlay_url": None, "contract": 2},
    }
    check_result(json.loads(sent.body)["data"])
    assert sent.event_id == delivery_to(TARGET).event_id


@pytest.mark.parametrize("body", [BODY, '{"type":"webhook.test","data":[]}', '{"type":"x"}'])
def test_other_events_are_sent_as_they_are(body: str) -> None:
    delivery = delivery_to(TARGET, body=body)
    assert without_pictures(delivery) is delivery


def test_an_event_about_a_photo_that_was_not_examined_keeps_its_contract() -> None:
    data = {"verdict": "rejected", "contract": 1, "overlay_url": "https://overlays.example/o.jpg"}
    sent = without_pictures(delivery_to(TARGET, body=json.dumps({"data": data})))
    assert json.loads(sent.body) == {"data": {**data, "overlay_url": None}}
