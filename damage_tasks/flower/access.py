"""Access to Flower: beyond loopback only with a password, and never by other sites' pages."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from damage_tasks.errors import FlowerDatabaseInUse, FlowerOpen
from damage_tasks.http_access import is_loopback


def refuse_open_access(options: Any) -> None:
    """Raise `FlowerOpen` unless Flower is on loopback or a socket, or requires authentication."""
    given = options.basic_auth or []
    if any(given):
        if not all(user and password for user, _, password in (g.partition(":") for g in given)):
            raise FlowerOpen("FLOWER_BASIC_AUTH must be user:password; neither may be empty")
        return
    if options.auth:
        if not options.auth_provider:
            raise FlowerOpen("FLOWER_AUTH needs FLOWER_AUTH_PROVIDER; otherwise nobody can log in")
        return
    if options.unix_socket or is_loopback(options.address):
        options.basic_auth = []
        # Local users may use Flower's buttons; pages of other sites may not.
        os.environ.setdefault("FLOWER_UNAUTHENTICATED_API", "true")
        return
    raise FlowerOpen(
        f"Flower would listen on {options.address or 'every address'} without authentication; "
        "set FLOWER_BASIC_AUTH=user:password, or FLOWER_AUTH and an OAuth provider"
    )


def is_own_host(host: str, options: Any, public_url: str | None) -> bool:
    """Whether a request with ``host`` (without a port) in its Host header is meant for this Flower.

    Without authentication, a web site could point its own name to a loopback address, so that
    its pages could read Flower's responses and use its buttons (DNS rebinding).  ``public_url`` is
    Flower's address for operators (DAMAGE_FLOWER_URL).
    """
    if options.basic_auth or options.auth or options.unix_socket:
        return True
    own = {options.address, urlsplit(public_url or "").hostname}
    return host in own or is_loopback(host.strip("[]"))


def claim_database(database: Path) -> IO[str]:
    """A lock on Flower's ``database``, which ends with the process or when closed.

    Raises `FlowerDatabaseInUse` while another Flower holds it: the last one to stop would
    overwrite the other's history.
    """
    database = database.resolve()  # another path may lead to the same file
    database.parent.mkdir(parents=True, exist_ok=True)
    lock = database.with_name(database.name + ".lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise FlowerDatabaseInUse(
            f"another Flower stores its history in {database}; stop it, or give this one its "
            "own database (--db or FLOWER_DB)"
        ) from None
    return lock
