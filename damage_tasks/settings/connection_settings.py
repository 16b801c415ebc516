"""Connections to the queue, bucket and database, and the bundle and its engine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import StringConstraints

from damage_tasks.settings.base import CommaSeparated, Group, setting

# The keys become parts of the names of indices.
METADATA_KEY = "[A-Za-z_][A-Za-z0-9_]{0,38}"
MetadataKey = Annotated[str, StringConstraints(pattern=f"^{METADATA_KEY}$")]
MetadataKeys = CommaSeparated[MetadataKey]


class PlaceSettings(Group):
    """Connections to the queue, bucket and database, and the bundle and its engine."""

    queue_url: str | None = setting(
        None,
        "URL of the SQS queue for photos. Required by callers and workers.",
        "https://sqs.eu-central-1.amazonaws.com/123456789012/damage",
    )
    urgent_queue_url: str | None = setting(
        None,
        "URL of a second SQS queue, whose photos workers examine first. With it, a worker "
        "prefetches no photos: `DAMAGE_PREFETCH` is 1.",
        "https://sqs.eu-central-1.amazonaws.com/123456789012/damage-urgent",
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
    clean_pictures: str = setting(
        "overlay",
        "Which pictures are stored of photos on which no damage was found: `all`, `overlay` (no "
        "mask: `mask_url` is null) or `none` (`overlay_url` is null, too). Each picture is a write "
        "to S3. Damaged photos always have both.",
        "none",
        pattern="^(all|overlay|none)$",
    )
    database_url: str | None = setting(
        None,
        "Database for inspections: PostgreSQL in production, SQLite (`sqlite:///damage.db`) on a "
        "single machine. `postgresql://` means `postgresql+psycopg2://`. Required by workers and "
        "for reading results.",
        "postgresql+psycopg2://damage:secret@db.internal:5432/damage",
    )
    indexed_metadata: MetadataKeys = setting(
        ("car_id", "rental_id"),
        "Metadata keys by which inspections are found quickly, at most four, comma-separated. "
        "`damage-tasks migrate` creates and drops the indices.",
        "car_id,rental_id,plate",
        max_length=4,
    )
    index_all_metadata: bool = setting(
        False,
        "Whether `damage-tasks migrate` also creates an index of all metadata keys (PostgreSQL "
        "only). It makes storing an inspection slower.",
        "true",
    )
    overlay_base_url: str | None = setting(
        None,
        "URL under which browsers can reach the bucket, for example a CloudFront URL. If set, "
        "results contain `https://` links to overlays instead of `s3://` links.",
        "https://overlays.acme.example",
    )

    links: str = setting(
        "none",
        "Which links to overlays and masks readers get if they ask for links that a person can "
        "open: `presigned` by S3 with the reader's own credentials, `cloudfront` with the "
        "CloudFront key pair, or `none`.",
        "presigned",
        pattern="^(none|presigned|cloudfront)$",
    )
    link_seconds: int = setting(
        3600,
        "Seconds for which such a link can be opened, at most a week. A presigned link also "
        "ends with the credentials that signed it.",
        "3600",
        ge=1,
        le=604800,
    )
    link_host: str | None = setting(
        None,
        "CloudFront host of `DAMAGE_LINKS=cloudfront`, whose origin is the bucket.",
        "d111111abcdef8.cloudfront.net",
        pattern="^[A-Za-z0-9.-]+$",
    )

    bundle: str = setting(
        "default",
        "Bundle of networks: `default` (only in a clone of the repository), a folder, "
        "`s3://bucket/name/version`, or the pointer `s3://bucket/name/CURRENT`, which names a "
        "version.",
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
