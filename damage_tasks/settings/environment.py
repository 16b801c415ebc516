"""All settings, typed and validated, read once from the environment.

Each variable is ``DAMAGE_`` plus the upper-case field name.  boto3 itself reads AWS's variables
(``AWS_REGION``, ``AWS_ENDPOINT_URL``, credentials).  ``docs/reference/settings.md`` is generated
from this package.
"""

from __future__ import annotations

import difflib
import logging
import os
import re
from functools import cache
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import ValidationError, field_validator, model_validator

from damage_tasks.errors import SettingsError
from damage_tasks.lanes import URGENT
from damage_tasks.settings.base import PREFIX, is_service_link
from damage_tasks.settings.connection_settings import PlaceSettings
from damage_tasks.settings.database_url import with_driver
from damage_tasks.settings.drift_settings import DriftSettings
from damage_tasks.settings.event_settings import EventSettings
from damage_tasks.settings.evidence_settings import EvidenceSettings
from damage_tasks.settings.intake_settings import IntakeSettings
from damage_tasks.settings.monitoring_settings import MonitoringSettings
from damage_tasks.settings.photo_settings import PhotoSettings
from damage_tasks.settings.redaction_settings import RedactionSettings
from damage_tasks.settings.retention_settings import RetentionSettings
from damage_tasks.settings.review_settings import ReviewSettings
from damage_tasks.settings.rollout_settings import RolloutSettings
from damage_tasks.settings.shadow_settings import ShadowSettings
from damage_tasks.settings.worker_settings import WorkerSettings

logger = logging.getLogger(__name__)


# https://docs.aws.amazon.com/general/latest/gr/sqs-service.html, with FIPS, VPC and legacy hosts.
_REGION_IN_HOST = re.compile(
    r"(?:vpce-[^.]+\.)?sqs(?:-fips)?\.(?P<region>[^.]+)\.[^.]+\."
    r"|(?P<legacy_region>[^.]+)\.queue\.amazonaws\.com"
)
_LEGACY_HOSTS_OF_US_EAST_1 = frozenset({"queue.amazonaws.com", "sqs.amazonaws.com"})


# Pydantic lists the fields of the last group first.
class Settings(
    RedactionSettings,
    RetentionSettings,
    ShadowSettings,
    RolloutSettings,
    EvidenceSettings,
    DriftSettings,
    ReviewSettings,
    MonitoringSettings,
    EventSettings,
    WorkerSettings,
    IntakeSettings,
    PhotoSettings,
    PlaceSettings,
):
    """The settings of callers and workers; `get_settings` reads them."""

    @field_validator("queue_url", "urgent_queue_url", "shadow_queue_url")
    @classmethod
    def _is_a_queue_url(cls, value: str | None) -> str | None:
        if value is not None and (
            not value.startswith(("https://", "http://")) or value.rstrip("/").count("/") < 4
        ):
            raise ValueError("is not a queue URL (https://HOST/ACCOUNT/NAME)")
        return value

    @field_validator("urgent_queue_url", "shadow_queue_url", "shadow_bundle", mode="before")
    @classmethod
    def _is_optional(cls, value: str | None) -> str | None:
        return value or None

    @field_validator("database_url")
    @classmethod
    def _names_its_driver(cls, value: str | None) -> str | None:
        return None if value is None else with_driver(value)

    @field_validator("event_bus_url")
    @classmethod
    def _is_a_bus_url(cls, value: str | None) -> str | None:
        if value and not re.match(r"[a-z][a-z0-9+.-]*://", value):
            raise ValueError("is not a URL (redis://:PASSWORD@HOST:6379/0)")
        return value

    @field_validator("bundle_cache")
    @classmethod
    def _expand(cls, value: Path) -> Path:
        return value.expanduser()

    @model_validator(mode="after")
    def _intake_is_possible(self) -> Self:
        if self.bucket in self.intake_buckets:
            raise ValueError(
                f"DAMAGE_INTAKE_BUCKETS must not contain DAMAGE_BUCKET ({self.bucket}): each "
                "overlay would be examined as a photo, forever"
            )
        missing = set(self.intake_buckets) - set(self.allowed_buckets)
        if self.allowed_buckets and missing:
            raise ValueError(
                f"DAMAGE_INTAKE_BUCKETS contains {min(missing)}, which is not in "
                "DAMAGE_ALLOWED_BUCKETS"
            )
        return self

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.time_limit <= self.soft_time_limit:
            raise ValueError(
                f"DAMAGE_TIME_LIMIT ({self.time_limit}) must exceed "
                f"DAMAGE_SOFT_TIME_LIMIT ({self.soft_time_limit})"
            )
        self._check_urgent_queue()
        self._check_shadow_queue()
        if self.cloudfront_hosts and not self._has_key_pair:
            raise ValueError(
                "DAMAGE_CLOUDFRONT_HOSTS needs DAMAGE_CLOUDFRONT_KEY_PAIR_ID and "
                "DAMAGE_CLOUDFRONT_PRIVATE_KEY"
            )
        self._check_event_targets()
        return self

    def _check_event_targets(self) -> None:
        for name in ("queue_url", "urgent_queue_url"):
            own = ":".join((getattr(self, name) or "").rstrip("/").rsplit("/", 2)[1:])
            if any(":sqs:" in t and t.endswith(f":{own}") for t in self.event_targets):
                raise ValueError(
                    f"DAMAGE_EVENT_TARGETS contains the queue of DAMAGE_{name.upper()}, on which "
                    f"only photos are sent; use another queue"
                )
        if not self.allow_http and any(t.startswith("http://") for t in self.event_targets):
            raise ValueError("DAMAGE_EVENT_TARGETS: http:// needs DAMAGE_ALLOW_HTTP; use https://")

    @model_validator(mode="after")
    def _can_make_links(self) -> Self:
        if self.links == "cloudfront" and not (self._has_key_pair and self.link_host):
            raise ValueError(
                "DAMAGE_LINKS=cloudfront needs DAMAGE_LINK_HOST, DAMAGE_CLOUDFRONT_KEY_PAIR_ID "
                "and DAMAGE_CLOUDFRONT_PRIVATE_KEY"
            )
        return self

    @property
    def _has_key_pair(self) -> bool:
        return bool(self.cloudfront_key_pair_id and self.cloudfront_private_key)

    def _check_urgent_queue(self) -> None:
        if not self.urgent_queue_url:
            return
        if not self.queue_url:
            raise ValueError("DAMAGE_URGENT_QUEUE_URL needs DAMAGE_QUEUE_URL")
        if self.urgent_queue_url.rstrip("/") == self.queue_url.rstrip("/"):
            raise ValueError("DAMAGE_URGENT_QUEUE_URL is the same queue as DAMAGE_QUEUE_URL")
        if self.queue_name == URGENT:
            raise ValueError(f"the queue of DAMAGE_QUEUE_URL must not be named {URGENT}")

    def _check_shadow_queue(self) -> None:
        shadow = (self.shadow_queue_url or "").rstrip("/")
        for name in ("queue_url", "urgent_queue_url"):
            if shadow and shadow == (getattr(self, name) or "").rstrip("/"):
                raise ValueError(
                    f"DAMAGE_SHADOW_QUEUE_URL is the same queue as DAMAGE_{name.upper()}"
                )

    @property
    def queue_name(self) -> str:
        """The queue's name: the last part of its URL."""
        return self.require("queue_url").rstrip("/").rsplit("/", 1)[1]

    @property
    def queue_urls(self) -> dict[str, str]:
        """The URLs of the queues by the names under which Celery knows them.

        The first is ``queue_url``; the urgent queue, if there is one, is named `URGENT`.
        """
        urls = {self.queue_name: self.require("queue_url")}
        return urls | ({URGENT: self.urgent_queue_url} if self.urgent_queue_url else {})

    @property
    def prefetch_per_process(self) -> int:
        """``prefetch``, or 1 with an urgent queue, whose photos would wait for prefetched ones."""
        return 1 if self.urgent_queue_url else self.prefetch

    @property
    def region(self) -> str | None:
        """The AWS region: the queue URL's own, else boto3's variables."""
        host = urlsplit(self.queue_url or "").hostname or ""
        if host in _LEGACY_HOSTS_OF_US_EAST_1:
            return "us-east-1"
        found = _REGION_IN_HOST.match(host)
        if found is not None:
            return found["region"] or found["legacy_region"]
        return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")

    def require(self, field: str) -> str:
        """The setting ``field``; raises `SettingsError` with instructions if it is not set."""
        value = getattr(self, field)
        if value is None:
            raise SettingsError(_message(field, "is not set"))
        return str(value)


@cache
def get_settings() -> Settings:
    """The settings of this process; raises `SettingsError` naming the variable."""
    for problem in unknown_variables():
        # A caller's process must not stop over a variable of another product; workers and
        # commands call `refuse_unknown_variables` when they start.
        logger.warning("%s", problem)
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        problem = first["msg"].removeprefix("Value error, ")
        if not first["loc"]:
            raise SettingsError(problem) from None
        # The value itself is not shown: it may be a secret.
        raise SettingsError(_message(str(first["loc"][0]), problem)) from None


def refuse_unknown_variables() -> None:
    """Raise `SettingsError` if the environment names a setting that does not exist."""
    for problem in unknown_variables():
        raise SettingsError(problem)


def unknown_variables() -> list[str]:
    """One sentence for each unknown variable that looks like a setting.

    Ignores the variables that Kubernetes sets for a Service whose name begins with
    ``damage``.
    """
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    problems = []
    for variable, value in sorted(os.environ.items()):
        if not variable.startswith(PREFIX) or variable in known:
            continue
        if not is_service_link(variable, value):
            close = difflib.get_close_matches(variable, known, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            problems.append(f"{variable} is not a setting{hint}")
    return problems


def _message(field: str, problem: str) -> str:
    field = field.lower().removeprefix(PREFIX.lower())
    info = Settings.model_fields[field]
    example = f" Example: {PREFIX}{field.upper()}={info.examples[0]}" if info.examples else ""
    return f"{PREFIX}{field.upper()}: {problem[0].lower()}{problem[1:]}.{example}"
