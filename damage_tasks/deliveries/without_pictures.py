"""Events without links to overlays, which show faces and plates as the photo does."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from damage_tasks.inspection import CONTRACT_VERSION_WITHOUT_PICTURES, Verdict

if TYPE_CHECKING:
    from damage_tasks.results.delivery import Delivery


def without_pictures(delivery: Delivery) -> Delivery:
    """``delivery`` with an ``overlay_url`` of null, if its event has one.

    The event then keeps the contract of results without pictures.
    """
    event = json.loads(delivery.body)
    data = event.get("data")
    if not isinstance(data, dict) or not data.get("overlay_url"):
        return delivery
    data["overlay_url"] = None
    if data.get("verdict") in (Verdict.DAMAGED, Verdict.CLEAN):
        data["contract"] = CONTRACT_VERSION_WITHOUT_PICTURES
    return replace(delivery, body=json.dumps(event, ensure_ascii=False, separators=(",", ":")))
