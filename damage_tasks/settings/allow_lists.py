"""Entries of the lists of allowed hosts and buckets: normalised, or rejected if invalid."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path

from damage_tasks.settings.host_names import normalize_host, split_port

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_BUCKET = re.compile(r"(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


def is_bucket_name(name: str) -> bool:
    """Whether S3 allows a bucket with that name."""
    return _BUCKET.fullmatch(name) is not None


def allowed_host(entry: str) -> str:
    """``HOST``, ``HOST:PORT`` or ``*.HOST``, with the host in the form of `normalize_host`.

    Raises `ValueError` if no photo's URL can match ``entry``.
    """
    if entry == "*":
        raise ValueError('"*" matches nothing; leave the list empty to allow every public host')
    wildcard, bare = ("*.", entry[2:]) if entry.startswith("*.") else ("", entry)
    try:
        host, port = split_port(f"[{bare}]" if _is_ipv6(bare) else bare)
        host = normalize_host(host)
    except ValueError as error:
        raise ValueError(_never(entry, error, "HOST, HOST:PORT or *.HOST")) from None
    if wildcard and _is_address(host):
        raise ValueError(_never(entry, "addresses have no subdomains", "the address alone"))
    return f"{wildcard}{host}" + ("" if port is None else f":{port}")


def signed_host(entry: str) -> str:
    """A host whose URLs are signed, in the form of `normalize_host`; `ValueError` if invalid."""
    try:
        return normalize_host(entry)
    except ValueError as error:
        raise ValueError(_never(entry, error, "HOST, without scheme and port")) from None


def allowed_bucket(entry: str) -> str:
    """``entry`` if a bucket can have that name; else `ValueError`."""
    if not is_bucket_name(entry):
        raise ValueError(_never(entry, "it is not a bucket name", "BUCKET, in lower case"))
    return entry


def allowed_folder(entry: str) -> str:
    """A folder's path with ``~`` expanded; raises `ValueError` for a URL."""
    if "://" in entry:
        raise ValueError(_never(entry, "it is not a path", "/FOLDER"))
    return str(Path(entry).expanduser())


def _never(entry: str, why: object, expected: str) -> str:
    # There may be a password before "@".
    shown = entry.rpartition("@")[2]
    return f'"{shown}" can never match a photo URL: {why}; expected {expected}'


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def _is_address(host: str) -> bool:
    return host.startswith("[") or host.replace(".", "").isdigit()
