"""Photos that are examined because they were uploaded to a bucket."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from damage_tasks.settings.base import Group, setting
from damage_tasks.settings.key_template import KeyTemplate
from damage_tasks.settings.photo_settings import Buckets


def _checked(text: str | None) -> str | None:
    if not text:
        return None
    KeyTemplate(text)
    return text


class IntakeSettings(Group):
    """Photos that are examined because they were uploaded to a bucket."""

    intake_buckets: Buckets = setting(
        (),
        "Buckets whose S3 event notifications on the queue are requests to examine the uploaded "
        "photos, comma-separated. Empty allows none. Not the bucket for overlays.",
        "acme-returns",
    )
    intake_key_template: Annotated[str | None, AfterValidator(_checked)] = setting(
        None,
        "How the keys of uploaded photos are built: the values of names in braces become the "
        "photo's metadata (`case_id` becomes its case), and `*` matches the rest. Photos with "
        "other keys have no such metadata.",
        "rentals/{rental_id}/{car_id}/*",
    )
