"""Faces and plates in pictures that leave the system."""

from __future__ import annotations

from damage_tasks.settings.base import Group, setting


class RedactionSettings(Group):
    """Faces and plates in pictures that leave the system."""

    redact_bundle: str | None = setting(
        None,
        "Bundle of networks that find faces and plates: a folder, `s3://` or `https://`. If set, "
        "they are pixelated in the pictures that viewers of the inspectors' page see and in "
        "exports, and events have no links to overlays. If such a bundle cannot be used, those "
        "pictures are not given out. By default nothing is pixelated.",
        "s3://acme-models/redaction/1.0.0",
    )
