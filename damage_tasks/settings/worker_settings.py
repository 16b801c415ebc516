"""Overlays, retries and limits of workers and their processes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from damage_tasks.settings.base import Group, setting


class WorkerSettings(Group):
    """Overlays, retries and limits of workers and their processes."""

    overlay_side: int = setting(
        1024,
        "Longer side of overlays in pixels (up to a quarter less if a JPEG can be decoded at "
        "reduced scale); 0 keeps the size of the photo.",
        "1024",
        ge=0,
        le=16384,
    )
    overlay_quality: int = setting(85, "JPEG quality of overlays.", "85", ge=30, le=100)

    max_retries: int = setting(
        10,
        "Maximum number of retries while S3, the database or the photo's server is unavailable.",
        "10",
        ge=0,
        le=50,
    )
    retry_base: float = setting(
        5.0,
        "Seconds before the first retry; doubled for each further retry, with jitter, at most 900.",
        "5",
        gt=0,
        le=900,
    )
    soft_time_limit: int = setting(
        60, "Seconds after which a photo is recorded as failed.", "60", ge=1, le=3600
    )
    time_limit: int = setting(
        90, "Seconds after which the process examining a photo is killed.", "90", ge=2, le=7200
    )
    refusal_patience: int = setting(
        60,
        "Seconds after which the worker exits with a one-line error if SQS keeps refusing it "
        "(expired credentials, no permission, no such queue) or is unreachable at startup.",
        "60",
        ge=1,
        le=3600,
    )
    max_failures_in_a_row: int = setting(
        5,
        "Number of photos that may fail consecutively in one process, through no fault of their "
        "own, before the whole worker exits so that it is replaced.",
        "5",
        ge=1,
        le=1000,
    )
    max_process_megabytes: int = setting(
        2048,
        "Resident memory in MiB above which a worker process is replaced after its photo.",
        "2048",
        ge=256,
    )
    concurrency: Annotated[int, Field(ge=1, le=128)] | Literal["auto"] = setting(
        "auto",
        "Number of processes per worker. `auto` starts five for each core, as far as memory "
        "allows: 400 MiB for the worker, and 150 MiB plus `DAMAGE_MAX_PHOTO_MEGABYTES` for each "
        "process, 100 MiB more if `DAMAGE_BUNDLE` is a pointer.",
        "auto",
    )
    cores: int | None = setting(
        None,
        "Number of cores that `DAMAGE_CONCURRENCY=auto` counts, where a container has no CPU limit "
        "but other containers use the same cores; by default those that the worker may use.",
        "1",
        ge=1,
        le=1024,
    )
    prefetch: int = setting(
        1,
        "Number of photos that a worker prefetches for each of its processes; always 1 with "
        "`DAMAGE_URGENT_QUEUE_URL`.",
        "1",
        ge=1,
        le=10,
    )
    load_timeout: int = setting(
        120,
        "Seconds that a process may take to load the bundle before it is killed.",
        "120",
        ge=4,
        le=3600,
    )
    max_photos_per_process: int = setting(
        1000, "Number of photos after which a worker process is replaced.", "1000", ge=1
    )
