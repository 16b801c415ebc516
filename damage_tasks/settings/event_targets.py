"""Targets of events: ARNs of SNS, SQS and EventBridge, and URLs of webhooks."""

from __future__ import annotations

import base64
import re
from urllib.parse import urlsplit

from pydantic import SecretStr

from damage_tasks.settings.host_names import normalize_host, split_port

MAX_TARGET_CHARACTERS = 2048

_ARN = re.compile(
    r"arn:[a-z-]+:(?P<service>sns|sqs|events):(?P<region>[a-z0-9-]+):(?P<account>\d{12})"
    r":(?P<name>[A-Za-z0-9_./-]+)"
)
_DEFAULT_PORTS = {"https": 443, "http": 80}


def event_target(entry: str) -> str:
    """``entry`` if events can be sent there, a webhook's URL with its host in normal form.

    Raises `ValueError` for anything but the ARN of a topic, queue or event bus, and a URL.
    """
    if entry.startswith("arn:"):
        arn = _ARN.fullmatch(entry)
        if arn is None or (arn["service"] == "events") != arn["name"].startswith("event-bus/"):
            raise ValueError(
                f"{entry} is not the ARN of an SNS topic, an SQS queue or an EventBridge bus"
            )
        return entry
    return webhook_url(entry)


def webhook_url(text: str) -> str:
    """The URL ``text`` with its host in the form of `normalize_host`; `ValueError` if invalid."""
    if len(text) > MAX_TARGET_CHARACTERS or re.search(r"[^!-~]|\\", text):
        raise ValueError(
            "a webhook's URL must have at most 2048 printable ASCII characters and no spaces"
        )
    parts = urlsplit(text)
    if parts.scheme not in _DEFAULT_PORTS or "@" in parts.netloc or parts.fragment:
        raise ValueError("a webhook's URL has the form https://HOST/PATH, without user or fragment")
    name, port = split_port(parts.netloc)
    host = normalize_host(name)
    suffix = "" if port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{port}"
    return parts._replace(netloc=host + suffix, path=parts.path or "/").geturl()


def signing_secret(secret: SecretStr) -> SecretStr:
    """``secret`` if webhooks can be signed with it; the error does not contain it."""
    text = secret.get_secret_value()
    try:
        key = base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except ValueError:
        key = b""
    if not text.startswith("whsec_") or not 24 <= len(key) <= 64:
        raise ValueError(
            "a secret is whsec_ and 24 to 64 bytes in base64 (openssl rand -base64 32)"
        )
    return secret


def destination_of(target: str) -> str:
    """What can fail as a whole: an ARN, or the scheme, host and port of a webhook."""
    if target.startswith("arn:"):
        return target
    parts = urlsplit(target)
    return f"{parts.scheme}://{parts.netloc}"


def host_and_port(url: str) -> tuple[str, int]:
    """The host, with brackets if it is an IPv6 address, and port of a URL of `webhook_url`."""
    parts = urlsplit(url)
    name, port = split_port(parts.netloc)
    return name, port or _DEFAULT_PORTS[parts.scheme]
