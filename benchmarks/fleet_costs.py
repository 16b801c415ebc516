"""A fleet's costs, and the part that reaches its limit first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Requests and rows per photo, as the worker makes them.
SQS_CALLS_PER_PHOTO = 3.0  # send, receive, delete; fewer where they are batched
S3_GETS_PER_PHOTO = 1.0
TRANSACTIONS_PER_PHOTO = 2.0  # the lookup and the verdict
DAMAGED_SHARE = 0.1
# Share of clean photos that have an overlay and a mask, by DAMAGE_CLEAN_PICTURES.
CLEAN_PICTURES = {"all": (1.0, 1.0), "overlay": (1.0, 0.0), "none": (0.0, 0.0)}
DEFAULT_PICTURES = "overlay"
# `make bench`, "Disk space per photo": an inspection and a finding, nine in ten clean.
ROW_BYTES = 1500  # with their indexes
INDEX_BYTES = 220  # of the unique index used to find known photos
KEPT_DAYS = 30  # a photo sent again after that is examined again
# Each process has a connection to the database; with DAMAGE_CONCURRENCY=auto, a core has five.
PROCESSES_PER_CORE = 5
PREFETCHED_PHOTOS = 4  # for each process, DAMAGE_PREFETCH in the chart


@dataclass(frozen=True, slots=True)
class Prices:
    """US dollars, approximate list prices of us-east-1 in 2026; replace them by your own."""

    node_hour: float = 0.08  # 4 vCPU, spot
    sqs_million: float = 0.40
    s3_put_thousand: float = 0.005
    s3_get_thousand: float = 0.0004
    database_hour: float = 0.50


@dataclass(frozen=True, slots=True)
class Load:
    """How much of one part's limit the peak uses; above 1 it fails."""

    part: str
    use: float
    limit: float
    unit: str
    change: str

    @property
    def share(self) -> float:
        """Use over limit."""
        return self.use / self.limit


def pictures_per_photo(clean_pictures: str) -> tuple[float, float]:
    """Overlays and masks stored for each photo; ``clean_pictures`` is DAMAGE_CLEAN_PICTURES."""
    overlays, masks = CLEAN_PICTURES[clean_pictures]
    clean = 1 - DAMAGED_SHARE
    return DAMAGED_SHARE + clean * overlays, DAMAGED_SHARE + clean * masks


def dollars(
    photos: float, node_hours: float, prices: Prices, clean_pictures: str = DEFAULT_PICTURES
) -> dict[str, float]:
    """Costs of a day with ``photos``, by part."""
    puts = sum(pictures_per_photo(clean_pictures))
    return {
        "nodes": node_hours * prices.node_hour,
        "SQS": photos * SQS_CALLS_PER_PHOTO / 1e6 * prices.sqs_million,
        "S3": photos
        / 1000
        * (puts * prices.s3_put_thousand + S3_GETS_PER_PHOTO * prices.s3_get_thousand),
        "database": 24 * prices.database_hour,
    }


def loads(
    peak: float,
    photos_per_day: float,
    pods: float,
    cpu_ms: Mapping[str, Any],
    clean_pictures: str = DEFAULT_PICTURES,
    processes_per_pod: float = PROCESSES_PER_CORE,
) -> list[Load]:
    """The load of every part at ``peak`` photos per second, highest first.

    ``cpu_ms`` are the measured CPU milliseconds per photo; ``pods`` is their maximum number.
    """
    processes = pods * processes_per_pod
    writes_per_prefix = max(pictures_per_photo(clean_pictures))
    found = [
        Load("workers of the chart", pods, 14, "pods",
             "raise autoscaling.maxReplicas and the quota of nodes"),
        Load("database connections", processes, 400, "connections",
             "PgBouncer in transaction mode in front of PostgreSQL"),
        Load("database CPU", peak * cpu_ms["postgres"] / 1000, 8, "cores",
             "a larger instance; one write for several photos; lookups from a read replica"),
        Load("database commits", peak * TRANSACTIONS_PER_PHOTO, 5000, "a second",
             "one transaction for several photos, or one database for each region of photos"),
        Load("database growth", photos_per_day * ROW_BYTES / 1e9, 20, "GB per day",
        "DAMAGE_RETENTION_DAYS, with a job that runs all day; a larger volume"),
        Load("lookups of known photos", photos_per_day * KEPT_DAYS * INDEX_BYTES / 1e9, 64,
             "GB of memory", "keep findings for fewer days; a table for each week"),
        Load("S3 writes per prefix", peak * writes_per_prefix, 3500, "per second",
        "S3 gradually splits our hashed keys by itself: warm it up, expect some 503"),
        Load("photos of one S3 prefix", peak * S3_GETS_PER_PHOTO, 5500, "per second",
        "photos under several prefixes, or behind CloudFront"),
        Load("SQS messages in flight", processes * PREFETCHED_PHOTOS, 120_000, "messages",
        "a second queue; fewer prefetched photos"),
        Load("network", peak * 2.5e6 * 8 / 1e9, 25, "Gbit per second",
        "a gateway endpoint for S3 instead of NAT, nodes in the photos' region"),
    ]  # fmt: skip
    return sorted(found, key=lambda load: -load.share)
