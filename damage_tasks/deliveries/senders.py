"""Chooses how an event is sent to a target."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from damage_tasks.deliveries.aws_targets import AwsSender
from damage_tasks.deliveries.callbacks import allowed_callback
from damage_tasks.deliveries.sending import Sender, SendingFailed
from damage_tasks.deliveries.webhooks import WebhookSender

if TYPE_CHECKING:
    from damage_tasks.results.delivery import Delivery
    from damage_tasks.settings import Settings


class Senders:
    """The senders that the settings need, made when they are first used."""

    def __init__(self, settings: Settings) -> None:
        """Check the settings; raises `SettingsError` if webhooks cannot be signed."""
        self._settings = settings
        if settings.callback_hosts or any("://" in target for target in settings.event_targets):
            _ = self._webhooks

    def __call__(self, delivery: Delivery) -> Sender:
        """The sender for ``delivery``; raises `SendingFailed` if its target is not allowed.

        The settings may have changed since the event was recorded.
        """
        target = delivery.target
        if target not in self._settings.event_targets and (
            target.startswith("arn:") or allowed_callback(target, self._settings) is None
        ):
            raise SendingFailed(
                "the target is neither in DAMAGE_EVENT_TARGETS nor on a host in "
                "DAMAGE_CALLBACK_HOSTS"
            )
        return self._aws if target.startswith("arn:") else self._webhooks

    @cached_property
    def _aws(self) -> AwsSender:
        return AwsSender()

    @cached_property
    def _webhooks(self) -> WebhookSender:
        return WebhookSender(self._settings)
