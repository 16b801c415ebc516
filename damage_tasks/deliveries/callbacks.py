"""Which callback URLs of callers may receive events."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from damage_tasks.photos.url_policy import is_listed
from damage_tasks.settings.event_targets import host_and_port, webhook_url
from damage_tasks.telemetry import redact

if TYPE_CHECKING:
    from damage_tasks.settings import Settings

logger = logging.getLogger(__name__)


def allowed_callback(url: Any, settings: Settings) -> str | None:
    """``url`` in normal form if the settings allow events to be sent there, else None.

    A callback that is not allowed only causes a warning, so that the photo is examined anyway.
    """
    if url is None:
        return None
    try:
        normal = webhook_url(url) if isinstance(url, str) else ""
    except ValueError:
        normal = ""
    if not normal:
        problem = "it is not a URL"
    elif normal.startswith("http://") and not settings.allow_http:
        problem = "http:// is not allowed (DAMAGE_ALLOW_HTTP)"
    elif not is_listed(*host_and_port(normal), settings.callback_hosts):
        problem = "its host is not in DAMAGE_CALLBACK_HOSTS"
    else:
        return normal
    logger.warning("no event is sent to the callback URL %s: %s", redact(str(url)[:200]), problem)
    return None
