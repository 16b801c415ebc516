"""Where things are: queue, pictures, database, bundle; and what computes."""

from __future__ import annotations

from pathlib import Path

from damage_tasks.settings.base import Group, setting


class PlaceSettings(Group):
    """Where things are: queue, pictures, database, bundle; and what computes."""

    queue_url: str | None = setting(
        None,
        "URL of the SQS queue that photos arrive on. Callers and workers need it.",
        "https://sqs.eu-central-1.amazonaws.com/123456789012/damage",
    )
    bucket: str | None = setting(
        None,
        "S3 bucket that overlays and masks are written to. Workers need it.",
        "acme-damage-overlays",
    )
    database_url: str = setting(
        "sqlite:///var/damage.db",
        "Database of inspections: PostgreSQL in production, SQLite for one machine. "
        "`postgresql://` is taken as `postgresql+psycopg2://`.",
        "postgresql+psycopg2://damage:secret@db.internal:5432/damage",
    )
    overlay_base_url: str | None = setting(
        None,
        "Where browsers reach the bucket (a CloudFront address, say). With it, results carry "
        "`https://` links to overlays instead of `s3://` ones.",
        "https://overlays.acme.example",
    )

    bundle: str = setting(
        "default",
        "The bundle of networks: `default` (the one that comes with the package), a folder, "
        "or `s3://bucket/name/version`.",
        "s3://acme-models/damage/1.4.0",
    )
    bundle_cache: Path = setting(
        Path("~/.cache/damage-tasks"),
        "Folder that bundles from S3 are kept in, shared by all workers of a machine.",
        "/var/cache/damage-tasks",
    )
    threads: int = setting(
        1,
        "Threads that one worker process computes with. One per process and one process per "
        "core is fastest.",
        "1",
        ge=1,
        le=64,
    )

    engine: str = setting(
        "auto",
        "What executes the networks: `torch`, `openvino`, `openvino-int8`, or `auto`, the fastest "
        "that is installed, that the bundle has something for and that passes its golden photos.",
        "auto",
        pattern="^(auto|torch|openvino|openvino-int8)$",
    )
