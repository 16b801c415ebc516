"""Overlays, retries and limits of a worker and its processes."""

from __future__ import annotations

from damage_tasks.settings.base import Group, setting


class WorkerSettings(Group):
    """Overlays, retries and limits of a worker and its processes."""

    overlay_side: int = setting(
        1024,
        "Longer side of overlays in pixels (up to a quarter less where a JPEG can be decoded at "
        "reduced scale); 0 keeps the photo's own size.",
        "1024",
        ge=0,
        le=16384,
    )
    overlay_quality: int = setting(85, "JPEG quality of overlays.", "85", ge=30, le=100)

    max_retries: int = setting(
        10,
        "How often a photo is tried again when S3, the database or the photo's server is away.",
        "10",
        ge=0,
        le=50,
    )
    retry_base: float = setting(
        5.0,
        "Seconds before the first retry; doubled each time, with jitter, at most 900.",
        "5",
        gt=0,
        le=900,
    )
    soft_time_limit: int = setting(
        60, "Seconds after which a photo is given up as failed.", "60", ge=1, le=3600
    )
    time_limit: int = setting(
        90, "Seconds after which the process that examines a photo is killed.", "90", ge=2, le=7200
    )
    refusal_patience: int = setting(
        60,
        "Seconds that SQS may refuse the worker (expired credentials, no permission, no such "
        "queue), or be away when it starts, before it stops with one line that says so.",
        "60",
        ge=1,
        le=3600,
    )
    max_failures_in_a_row: int = setting(
        5,
        "Photos that may fail in one process, one after the other and not by their own fault, "
        "before the whole worker stops so that it is replaced.",
        "5",
        ge=1,
        le=1000,
    )
    max_process_megabytes: int = setting(
        2048,
        "Memory (MiB, resident) beyond which a worker process is replaced after its photo.",
        "2048",
        ge=256,
    )
    concurrency: int = setting(1, "Processes of one worker.", "2", ge=1, le=128)
    prefetch: int = setting(
        1, "Photos a worker takes from the queue for each of its processes.", "1", ge=1, le=10
    )
    load_timeout: int = setting(
        120,
        "Seconds that a process may take to load the bundle before it is killed.",
        "120",
        ge=4,
        le=3600,
    )
    max_photos_per_process: int = setting(
        1000, "Photos after which a worker process is replaced by a fresh one.", "1000", ge=1
    )
