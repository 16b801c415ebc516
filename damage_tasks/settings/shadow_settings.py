"""Another bundle that examines a share of the photos without counting."""

from __future__ import annotations

from damage_tasks.settings.base import Group, setting


class ShadowSettings(Group):
    """Another bundle that examines a share of the photos without counting."""

    shadow_queue_url: str | None = setting(
        None,
        "URL of a separate SQS queue. If set, workers send it a share of the photos that they have "
        "examined and kept (`DAMAGE_KEEP_PHOTOS`), and `damage-tasks shadow` examines them with "
        "another bundle. Nothing that it finds counts.",
        "https://sqs.eu-central-1.amazonaws.com/123456789012/damage-shadow",
    )
    shadow_share: float = setting(
        0.1,
        "The share of photos (0 to 1) that are also examined by `DAMAGE_SHADOW_BUNDLE`, chosen by "
        "the photo's digest. Photos of the random audit come first.",
        "0.05",
        ge=0,
        le=1,
    )
    shadow_bundle: str | None = setting(
        None,
        "The bundle of `damage-tasks shadow`: a folder or `s3://bucket/name/version`.",
        "s3://acme-models/damage/2.1.0",
    )
