"""Where events about inspections are sent."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator
from pydantic_settings import NoDecode

from damage_tasks.settings.base import Group, setting
from damage_tasks.settings.event_targets import event_target
from damage_tasks.settings.photo_settings import Hosts

Targets = Annotated[tuple[Annotated[str, AfterValidator(event_target)], ...], NoDecode]


class EventSettings(Group):
    """Where events about inspections are sent."""

    event_targets: Targets = setting(
        (),
        "Where events about inspections are sent, comma-separated: ARNs of SNS topics, SQS queues "
        "and EventBridge buses, and `https://` URLs of webhooks. Workers record the events, and "
        "`damage-tasks deliver` sends them. Empty sends none.",
        "arn:aws:sns:eu-central-1:123456789012:damage-events,https://rental.example/hooks/damage",
    )
    callback_hosts: Hosts = setting(
        (),
        "Hosts to which callers may have the events of their own photos sent (`callback_url`), "
        "comma-separated: `HOST`, `HOST:PORT` or `*.HOST` for all subdomains. Empty allows none.",
        "rental.example,*.partner.example",
    )
