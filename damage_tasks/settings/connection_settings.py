"""Connections to the queue, bucket and database, and the bundle and its engine."""

from __future__ import annotations

from pathlib import Path

from damage_tasks.settings.base import Group, setting


class PlaceSettings(Group):
    """Connections to the queue, bucket and database, and the bundle and its engine."""

    queue_url: str | None = setting(
        None,
        "URL of the SQS queue for photos. Required by callers and workers.",
        "https://sqs.eu-central-1.amazonaws.com/123456789012/damage",
    )
    bucket: str | None = setting(
        None,
        "S3 bucket for overlays and masks. Required by workers.",
        "acme-damage-overlays",
    )
    keep_photos: str = setting(
        "none",
        "Which examined photos are kept unchanged, under `photos/` in the bucket: `none`, "
        "`damaged`, `sample:N` (one in N, chosen by its digest) or `all`.",
        "damaged",
        pattern="^(none|damaged|all|sample:[1-9][0-9]{0,8})$",
    )
    database_url: str | None = setting(
        None,
        "Database for inspections: PostgreSQL in production, SQLite (`sqlite:///damage.db`) on a "
        "single machine. `postgresql://` means `postgresql+psycopg2://`. Required by workers and "
        "for reading results.",
        "postgresql+psycopg2://damage:secret@db.internal:5432/damage",
    )
    overlay_base_url: str | None = setting(
        None,
        "URL under which browsers can reach the bucket, for example a CloudFront URL. If set, "
        "results contain `https://` links to overlays instead of `s3://` links.",
        "https://overlays.acme.example",
    )

    bundle: str = setting(
        "default",
        "Bundle of networks: `default` (included in the package), a folder, "
        "or `s3://bucket/name/version`.",
        "s3://acme-models/damage/1.4.0",
    )
    bundle_cache: Path = setting(
        Path("~/.cache/damage-tasks"),
        "Folder for bundles downloaded from S3, shared by all workers on a machine.",
        "/var/cache/damage-tasks",
    )
    threads: int = setting(
        1,
        "Threads with which one worker process computes. One thread per process and one process "
        "per core is fastest.",
        "1",
        ge=1,
        le=64,
    )

    engine: str = setting(
        "auto",
        "Engine that runs the networks: `torch`, `openvino`, `openvino-int8`, or `auto` for the "
        "fastest engine that is installed, supported by the bundle and passes the golden photos.",
        "auto",
        pattern="^(auto|torch|openvino|openvino-int8)$",
    )
