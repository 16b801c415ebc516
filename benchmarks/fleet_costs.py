"""What a fleet costs, and which part of it gives way first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Requests and rows of one photo, as the worker makes them.
SQS_CALLS = 3.0  # send, receive, delete; fewer where they are batched
S3_PUTS = 2.0
S3_GETS = 1.0
TRANSACTIONS = 2.0  # the look-up, and the verdict
# `make bench`, "Disk of a photo": an inspection and a finding, nine in ten clean.
ROW_BYTES = 1500  # with their indexes
INDEX_BYTES = 220  # of the unique index that says whether a photo is known
KEPT_DAYS = 30  # a photo that comes again later is examined again


@dataclass(frozen=True, slots=True)
class Prices:
    """US dollars; list prices of us-east-1 as remembered in 2026: put in your own."""

    node_hour: float = 0.08  # 4 vCPU, spot
    sqs_million: float = 0.40
    s3_put_thousand: float = 0.005
    s3_get_thousand: float = 0.0004
    database_hour: float = 0.50


@dataclass(frozen=True, slots=True)
class Load:
    """How much of one part's limit the peak uses; beyond 1 it breaks."""

    part: str
    use: float
    limit: float
    unit: str
    change: str

    @property
    def share(self) -> float:
        """Use over limit."""
        return self.use / self.limit


def dollars(photos: float, node_hours: float, prices: Prices) -> dict[str, float]:
    """Cost of a day with ``photos``, by part."""
    return {
        "nodes": node_hours * prices.node_hour,
        "SQS": photos * SQS_CALLS / 1e6 * prices.sqs_million,
        "S3": photos / 1000 * (S3_PUTS * prices.s3_put_thousand + S3_GETS * prices.s3_get_thousand),
        "database": 24 * prices.database_hour,
    }


def loads(peak: float, photos_per_day: float, pods: float, cpu_ms: Mapping[str, Any]) -> list[Load]:
    """Every part's load at ``peak`` photos a second, the most loaded first.

    ``cpu_ms`` are the measured CPU milliseconds a photo; ``pods`` is the most that run.
    """
    found = [
        Load("workers of the chart", pods, 14, "pods",
             "raise autoscaling.maxReplicas, and the quota of nodes"),
        Load("database connections", pods, 400, "connections",
             "PgBouncer in transaction mode before PostgreSQL"),
        Load("database CPU", peak * cpu_ms["postgres"] / 1000, 8, "cores",
             "a larger instance; one write for several photos; look-ups from a read replica"),
        Load("database commits", peak * TRANSACTIONS, 5000, "a second",
             "one transaction for several photos, or one database for each region of photos"),
        Load("database growth", photos_per_day * ROW_BYTES / 1e9, 20, "GB a day",
             "partitions by day, dropped after their retention; the unique index is what hurts"),
        Load("look-ups of known photos", photos_per_day * KEPT_DAYS * INDEX_BYTES / 1e9, 64,
             "GB of memory", "keep findings for fewer days; a table for each week"),
        Load("S3 writes of a prefix", peak * S3_PUTS / 2, 3500, "a second",
             "S3 splits by our hashed keys on its own, gradually: warm it up, expect some 503"),
        Load("photos of one S3 prefix", peak * S3_GETS, 5500, "a second",
             "photos under several prefixes, or behind CloudFront"),
        Load("SQS messages in flight", pods * 8, 120_000, "messages",
             "a second queue; fewer photos taken ahead"),
        Load("network", peak * 2.5e6 * 8 / 1e9, 25, "Gbit a second",
             "a gateway endpoint for S3 instead of NAT, nodes in the photos' region"),
    ]  # fmt: skip
    return sorted(found, key=lambda load: -load.share)
