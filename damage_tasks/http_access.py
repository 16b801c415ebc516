"""Who may reach our web pages: checks of addresses and of browsers' headers."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach ``address``; an empty one means every address."""
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def is_from_other_site(headers: Mapping[str, str], host: str) -> bool:
    """Whether a browser sent this request for another site's page; ``host`` includes the port."""
    site = headers.get("Sec-Fetch-Site", "none")
    origin = urlsplit(headers.get("Origin", "")).netloc
    return site not in ("same-origin", "none") or origin not in ("", host)
