"""Monitoring: logs, event bus, heartbeat, metrics, Sentry and Slack."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import SecretStr

from damage_tasks.settings.base import Group, setting


class MonitoringSettings(Group):
    """Monitoring: logs, event bus, heartbeat, metrics, Sentry and Slack."""

    log_level: str = setting(
        "INFO",
        "Minimum level of log records: DEBUG, INFO, WARNING or ERROR. Audit lines are always "
        "written.",
        "INFO",
        pattern="^(DEBUG|INFO|WARNING|ERROR)$",
    )
    log_format: str = setting(
        "auto",
        "`json` for one object per line, `text` for readable columns, `auto` for columns on a "
        "terminal and JSON elsewhere.",
        "json",
        pattern="^(auto|json|text)$",
    )

    event_bus_url: str | None = setting(
        None,
        "URL of the event bus for Flower and remote control: Redis, Valkey or any other kombu "
        "transport with fanout. Tasks stay on SQS. Without it, the worker has no remote control.",
        "rediss://:secret@bus.internal:6379/0",
    )
    heartbeat_file: Path = setting(
        Path("/tmp/damage-tasks/heartbeat"),  # noqa: S108 - a folder that only we can write to
        "File that the worker touches after it has polled SQS, or while it is busy with photos "
        "within their time limit. `damage-probe live` and `ready` read it.",
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
        0, "Port on which Prometheus scrapes this worker; 0 disables it.", "9808", ge=0, le=65535
    )
    environment: str = setting(
        "development",
        "Environment name shown in Sentry and Slack, for example stage or production.",
        "production",
    )
    sentry_dsn: str | None = setting(
        None, "DSN to which errors and traces are sent.", "https://key@o1.ingest.sentry.io/2"
    )
    sentry_traces_rate: float = setting(
        0.01, "Share of photos whose trace is sent to Sentry.", "0.01", ge=0, le=1
    )
    sentry_url: str | None = setting(
        None, "URL of Sentry for operators; alerts link to it.", "https://acme.sentry.io"
    )
    slack_webhook_url: SecretStr | None = setting(
        None,
        "Incoming webhook of Slack to which alerts are posted, and what `damage-tasks report "
        "--slack` finds.",
        "https://hooks.slack.com/services/T0/B0/secret",
    )
    slack_window: float = setting(
        300,
        "Seconds during which further alerts with the same cause are counted instead of posted.",
        "300",
        gt=0,
        le=86400,
    )
    dead_letter_alerts: Literal["auto", "flower", "worker"] = setting(
        "auto",
        "What reports new dead letters to Slack: `flower`, which runs once, or every `worker`. "
        "`auto` selects Flower if there is an event bus, otherwise the workers.",
        "worker",
    )
    flower_url: str | None = setting(
        None, "URL of Flower for operators; alerts link to it.", "https://flower.acme.example"
    )
