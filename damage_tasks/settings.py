"""Every setting, typed and validated, read once from the environment.

The variables are ``DAMAGE_`` plus the upper-case field name; AWS's own
variables (``AWS_REGION``, ``AWS_ENDPOINT_URL``, credentials) are boto3's and are
left to it.  ``docs/reference/settings.md`` is generated from this file.
"""

from __future__ import annotations

import difflib
import os
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from damage_tasks.errors import SettingsError

PREFIX = "DAMAGE_"

# "a, b" in the environment; pydantic-settings alone would want JSON.
Words = Annotated[tuple[str, ...], NoDecode]


def setting(default: Any, description: str, example: str, **limits: Any) -> Any:
    """A field with what its documentation and its error message say."""
    return Field(default, description=description, examples=[example], **limits)


class Settings(BaseSettings):
    """The settings of callers and workers; `get_settings` reads them."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

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
        "that the bundle has been converted for and that passes its golden photos.",
        "auto",
        pattern="^(auto|torch|openvino|openvino-int8)$",
    )

    allowed_hosts: Words = setting(
        (),
        "Hosts that photos may be downloaded from, comma-separated; `*.` matches subdomains. "
        "Empty allows every public host.",
        "photos.acme.example,*.cloudfront.net",
    )
    allowed_buckets: Words = setting(
        (),
        "Buckets that `s3://` photos may be read from, comma-separated. Empty allows every "
        "bucket the worker's role can read.",
        "acme-photos",
    )
    allow_http: bool = setting(False, "Whether photos may come over unencrypted `http://`.", "true")
    allow_private_addresses: bool = setting(
        False,
        "Whether photos may come from private, loopback or link-local addresses. For "
        "development: in production it lets a caller reach your internal services.",
        "true",
    )
    file_roots: Words = setting(
        (),
        "Folders that `file://` photos may be read from, comma-separated. Empty allows none.",
        "/srv/photos",
    )

    max_photo_bytes: int = setting(32 * 1024 * 1024, "Largest photo in bytes.", "33554432", ge=1024)
    max_photo_pixels: int = setting(
        64_000_000,
        "Most pixels a photo may have; read from its header before it is decoded.",
        "64000000",
        ge=10000,
    )
    min_photo_side: int = setting(64, "Fewest pixels on a photo's shorter side.", "64", ge=1)
    max_metadata_bytes: int = setting(
        8192, "Largest metadata of a caller, as JSON in bytes.", "8192", ge=2, le=131072
    )
    connect_timeout: float = setting(
        5.0, "Seconds to connect to a photo's server.", "5", gt=0, le=60
    )
    stall_timeout: float = setting(
        10.0,
        "Seconds a download may go without receiving 1 KiB a second on average.",
        "10",
        ge=1,
        le=300,
    )
    download_timeout: float = setting(
        30.0, "Seconds that one download may take in all, redirects included.", "30", gt=0, le=600
    )
    max_redirects: int = setting(3, "Redirects that are followed.", "3", ge=0, le=20)

    cloudfront_hosts: Words = setting(
        (),
        "CloudFront hosts whose URLs we sign before downloading, comma-separated.",
        "d111111abcdef8.cloudfront.net",
    )
    cloudfront_key_pair_id: str | None = setting(
        None, "Id of the CloudFront public key that belongs to the private key.", "K2JCJMDEHXQW5F"
    )
    cloudfront_private_key: SecretStr | None = setting(
        None,
        "RSA private key for CloudFront, PEM text or the path of a PEM file.",
        "/run/secrets/cloudfront.pem",
    )

    overlay_side: int = setting(
        1024,
        "Longer side of overlays in pixels; 0 keeps the photo's own size.",
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

    log_level: str = setting(
        "INFO",
        "Least severe log record that is written: DEBUG, INFO, WARNING or ERROR.",
        "INFO",
        pattern="^(DEBUG|INFO|WARNING|ERROR)$",
    )
    log_format: str = setting(
        "auto",
        "`json` for one object a line, `text` for readable columns, `auto` for columns on a "
        "terminal and JSON elsewhere.",
        "json",
        pattern="^(auto|json|text)$",
    )

    event_bus_url: str | None = setting(
        None,
        "Redis, Valkey or any other kombu transport with fanout that carries events for Flower "
        "and remote control; tasks stay on SQS. Without it the worker has no remote control.",
        "rediss://:secret@bus.internal:6379/0",
    )
    heartbeat_file: Path = setting(
        Path("/tmp/damage-tasks/heartbeat"),  # noqa: S108 - a folder that only we can write
        "File that the worker touches when it has polled SQS, or is busy with photos inside "
        "their time limit. `damage-probe live` and `ready` look at it.",
        "/run/damage-tasks/heartbeat",
    )
    heartbeat_limit: int = setting(
        120,
        "Seconds without a heartbeat after which `damage-probe live` fails.",
        "120",
        ge=15,  # an idle worker polls for 10 s
        le=3600,
    )
    metrics_port: int = setting(
        0, "Port that Prometheus scrapes this worker on; 0 is off.", "9808", ge=0, le=65535
    )
    environment: str = setting(
        "development", "Where this runs, for Sentry and Slack: stage, production.", "production"
    )
    sentry_dsn: str | None = setting(
        None, "Where Sentry takes errors and traces.", "https://key@o1.ingest.sentry.io/2"
    )
    sentry_traces_rate: float = setting(
        0.01, "Share of photos whose trace goes to Sentry.", "0.01", ge=0, le=1
    )
    sentry_url: str | None = setting(
        None, "Where operators reach Sentry; alerts link to it.", "https://acme.sentry.io"
    )
    slack_webhook_url: SecretStr | None = setting(
        None,
        "Slack's incoming webhook that alerts are posted to.",
        "https://hooks.slack.com/services/T0/B0/secret",
    )
    slack_window: float = setting(
        300,
        "Seconds in which alerts of the same cause are counted instead of posted.",
        "300",
        gt=0,
        le=86400,
    )
    flower_url: str | None = setting(
        None, "Where operators reach Flower; alerts link to it.", "https://flower.acme.example"
    )

    @field_validator(
        "allowed_hosts", "allowed_buckets", "file_roots", "cloudfront_hosts", mode="before"
    )
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(word.strip() for word in value.split(",") if word.strip())
        return value

    @field_validator("queue_url")
    @classmethod
    def _is_a_queue_url(cls, value: str | None) -> str | None:
        if value is not None and (
            not value.startswith(("https://", "http://")) or value.rstrip("/").count("/") < 4
        ):
            raise ValueError("is no queue URL (https://HOST/ACCOUNT/NAME)")
        return value

    @field_validator("database_url")
    @classmethod
    def _names_its_driver(cls, value: str) -> str:
        # SQLAlchemy 2.1 takes psycopg 3 for a bare `postgresql://`; we ship psycopg2.
        for scheme in ("postgresql://", "postgres://"):
            if value.startswith(scheme):
                return "postgresql+psycopg2://" + value.removeprefix(scheme)
        if not value.startswith(("postgresql+psycopg2://", "sqlite:///")):
            raise ValueError("must begin with postgresql+psycopg2://, postgresql:// or sqlite:///")
        return value

    @field_validator("bundle_cache")
    @classmethod
    def _expand(cls, value: Path) -> Path:
        return value.expanduser()

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.time_limit <= self.soft_time_limit:
            raise ValueError(
                f"DAMAGE_TIME_LIMIT ({self.time_limit}) must exceed "
                f"DAMAGE_SOFT_TIME_LIMIT ({self.soft_time_limit})"
            )
        if self.cloudfront_hosts and not (
            self.cloudfront_key_pair_id and self.cloudfront_private_key
        ):
            raise ValueError(
                "DAMAGE_CLOUDFRONT_HOSTS needs DAMAGE_CLOUDFRONT_KEY_PAIR_ID and "
                "DAMAGE_CLOUDFRONT_PRIVATE_KEY"
            )
        return self

    @property
    def queue_name(self) -> str:
        """The last part of the queue's URL, which is the queue's name."""
        return self.require("queue_url").rstrip("/").rsplit("/", 1)[1]

    @property
    def region(self) -> str | None:
        """The AWS region: boto3's variables, else what the queue's URL says."""
        named = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        if named or not self.queue_url:
            return named
        host = self.queue_url.split("/")[2]
        parts = host.split(".")
        return parts[1] if parts[0] == "sqs" and len(parts) >= 4 else None

    def require(self, field: str) -> str:
        """The setting ``field``, or `SettingsError` that says how to give it."""
        value = getattr(self, field)
        if value is None:
            raise SettingsError(_message(field, "is not set"))
        return str(value)


@cache
def get_settings() -> Settings:
    """The settings of this process; raises `SettingsError` naming the variable."""
    _refuse_unknown_variables()
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        problem = first["msg"].removeprefix("Value error, ")
        if not first["loc"]:
            raise SettingsError(problem) from None
        # The value itself is not shown: it may be a secret.
        raise SettingsError(_message(str(first["loc"][0]), problem)) from None


def _refuse_unknown_variables() -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    for variable in sorted(os.environ):
        if variable.startswith(PREFIX) and variable not in known:
            close = difflib.get_close_matches(variable, known, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise SettingsError(f"{variable} is not a setting{hint}")


def _message(field: str, problem: str) -> str:
    field = field.lower().removeprefix(PREFIX.lower())
    info = Settings.model_fields[field]
    example = f" Example: {PREFIX}{field.upper()}={info.examples[0]}" if info.examples else ""
    return f"{PREFIX}{field.upper()}: {problem[0].lower()}{problem[1:]}.{example}"
