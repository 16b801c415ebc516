"""The name of the person at the command line."""

from __future__ import annotations

import getpass


def login_name() -> str:
    """The login name; ``unknown`` in a container whose user has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
