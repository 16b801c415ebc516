"""How long a rerun takes, and what it costs."""

from __future__ import annotations

from dataclasses import dataclass

# A batch of ten is sent with one request; workers receive and delete each photo alone.
SQS_REQUESTS_PER_PHOTO = 2.1
S3_GETS_PER_PHOTO = 1.0  # also for a photo that is not kept, which is then read from its URL
# US dollars for a million requests, approximate list prices of us-east-1 in 2026.
SQS_MILLION_DOLLARS = 0.40
S3_GET_MILLION_DOLLARS = 0.40


@dataclass(frozen=True, slots=True)
class RerunEstimate:
    """``photos`` that take ``seconds`` each on a core, in ``processes`` with a core each.

    ``cpu_hour_dollars`` is the price of a core for an hour.
    """

    photos: int
    seconds: float
    processes: int
    cpu_hour_dollars: float

    @property
    def cpu_hours(self) -> float:
        """Hours of one core."""
        return self.photos * self.seconds / 3600

    @property
    def duration(self) -> float:
        """Seconds until all photos are examined, without pauses."""
        return self.photos * self.seconds / self.processes

    @property
    def sqs_requests(self) -> int:
        """Requests to SQS for the messages."""
        return round(self.photos * SQS_REQUESTS_PER_PHOTO)

    @property
    def s3_requests(self) -> int:
        """Requests to S3 for kept photos."""
        return round(self.photos * S3_GETS_PER_PHOTO)

    @property
    def dollars(self) -> dict[str, float]:
        """The cost by part."""
        return {
            "CPU": self.cpu_hours * self.cpu_hour_dollars,
            "SQS": self.sqs_requests / 1e6 * SQS_MILLION_DOLLARS,
            "S3": self.s3_requests / 1e6 * S3_GET_MILLION_DOLLARS,
        }
