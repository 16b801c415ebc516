"""What operators see: logs, event bus, heartbeat, metrics, Sentry, Slack."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import SecretStr

from damage_tasks.settings.base import Group, setting


class MonitoringSettings(Group):
    """What operators see: logs, event bus, heartbeat, metrics, Sentry, Slack."""

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
    dead_letter_alerts: Literal["auto", "flower", "worker"] = setting(
        "auto",
        "Who tells Slack of new dead letters: Flower, which is there once, or every worker. "
        "`auto` is Flower where there is an event bus, otherwise the workers.",
        "worker",
    )
    flower_url: str | None = setting(
        None, "Where operators reach Flower; alerts link to it.", "https://flower.acme.example"
    )
