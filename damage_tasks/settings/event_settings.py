"""Where events about inspections are sent."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from damage_tasks.settings.base import CommaSeparated, Group, setting
from damage_tasks.settings.event_targets import event_target, signing_secret
from damage_tasks.settings.photo_settings import Hosts

Secrets = CommaSeparated[Annotated[SecretStr, AfterValidator(signing_secret)]]
Delays = CommaSeparated[Annotated[int, Field(ge=1, le=604800)]]
Targets = CommaSeparated[Annotated[str, AfterValidator(event_target)]]


class EventSettings(Group):
    """Where events about inspections are sent."""

    event_targets: Targets = setting(
        (),
        "Where events about inspections are sent, comma-separated: ARNs of SNS topics, SQS queues "
        "and EventBridge buses, and `https://` URLs of webhooks. Workers and the inspectors' page "
        "record the events, and `damage-tasks deliver` sends them. Empty sends none.",
        "arn:aws:sns:eu-central-1:123456789012:damage-events,https://rental.example/hooks/damage",
    )
    callback_hosts: Hosts = setting(
        (),
        "Hosts to which callers may have the events of their own photos sent (`callback_url`), "
        "comma-separated: `HOST`, `HOST:PORT` or `*.HOST` for all subdomains. Empty allows none.",
        "rental.example,*.partner.example",
    )
    webhook_secrets: Secrets = setting(
        (),
        "Secrets that sign webhooks (Standard Webhooks), comma-separated: `whsec_` and 24 to 64 "
        "random bytes in base64. Every webhook is signed with each of them, so that receivers can "
        "change from one to the next. Required by `damage-tasks deliver` if there are webhooks.",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    )
    webhook_timeout: float = setting(
        20.0, "Maximum seconds for one request to a webhook.", "20", ge=15, le=30
    )
    internal_webhook_hosts: Hosts = setting(
        (),
        "Hosts of webhooks that may have private addresses, comma-separated: `HOST`, `HOST:PORT` "
        "or `*.HOST`. All others need public addresses.",
        "hooks.internal:8443",
    )
    delivery_delays: Delays = setting(
        (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400),
        "Seconds before each further attempt to deliver an event, comma-separated; each is "
        "lengthened by up to a tenth at random. When the last attempt has failed, the delivery has "
        "failed.",
        "5,300,1800,7200",
    )
    delivery_days: int = setting(7, "Number of days to keep delivered events.", "7", ge=1, le=365)
