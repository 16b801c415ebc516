"""Checks which addresses photos may come from.

A URL is parsed once, strictly, and rebuilt from its parts, so that no two
parsers can disagree about it.  The IP address is checked when the connection is
made, so a name cannot be redirected in between (DNS rebinding).
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, quote, unquote, unquote_to_bytes, urlsplit

from damage_tasks.errors import UrlInvalid, UrlNotAllowed
from damage_tasks.settings.allow_lists import is_bucket_name
from damage_tasks.settings.host_names import normalize_host, split_port

if TYPE_CHECKING:
    from damage_tasks.settings import Settings

MAX_URL_CHARACTERS = 8192
DEFAULT_PORTS = {"https": 443, "http": 80}

_ALLOWED_HOST = re.compile(r"(?P<name>.*?)(:(?P<port>\d+))?")

_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address
# Addresses that some releases of `ipaddress` call global, or that clouds serve internally:
# 192.0.0.192 is Oracle's metadata service, 168.63.129.16 Azure's.
_NOT_PUBLIC = tuple(
    ipaddress.ip_network(text)
    for text in ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32", "3fff::/20", "2001::/23")
)
_6TO4 = ipaddress.IPv6Network("2002::/16")


@dataclass(frozen=True, slots=True)
class HttpUrl:
    """An address on a web server; ``text`` is the URL exactly as it will be requested."""

    text: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class S3Url:
    """An object in a bucket."""

    bucket: str
    key: str


@dataclass(frozen=True, slots=True)
class FileUrl:
    """A file inside an allowed folder, with symbolic links resolved."""

    path: Path


def parse_url(url: object, settings: Settings) -> HttpUrl | S3Url | FileUrl:
    """The location that ``url`` refers to.

    Raises `UrlInvalid` when it cannot be parsed, `UrlNotAllowed` when the
    settings do not allow it.
    """
    url = _checked_text(url)
    try:
        url.encode()
        parts = urlsplit(url)
    except ValueError:
        # Python's message would quote the host part, which may contain a password.
        raise UrlInvalid("the URL's host is malformed") from None
    match parts.scheme:
        case "https" | "http":
            return _http_url(parts, settings)
        case "s3":
            return _s3_url(url, settings)
        case "file":
            return _file_url(parts, settings)
        case "":
            raise UrlInvalid("a photo's URL must begin with https:// or s3://")
    raise UrlNotAllowed(f"{parts.scheme}:// is not allowed; use https:// or s3://")


def _checked_text(url: object) -> str:
    if not isinstance(url, str):
        raise UrlInvalid(f"a photo's URL must be a string, not {type(url).__name__}")
    if not url or len(url) > MAX_URL_CHARACTERS:
        raise UrlInvalid(
            f"a photo's URL must have 1 to {MAX_URL_CHARACTERS} characters, not {len(url)}"
        )
    if "\\" in url or any(character.isspace() or ord(character) < 32 for character in url):
        raise UrlInvalid("a photo's URL must not contain spaces, control characters or backslashes")
    return url


def _http_url(parts: SplitResult, settings: Settings) -> HttpUrl:
    if parts.scheme == "http" and not settings.allow_http:
        raise UrlNotAllowed("http:// is not allowed (DAMAGE_ALLOW_HTTP); use https://")
    if "@" in parts.netloc:
        raise UrlNotAllowed("credentials in a photo's URL are not allowed")
    try:
        name, port = split_port(parts.netloc)
        host = normalize_host(name)
    except ValueError as error:
        raise UrlInvalid(f"the URL has no valid host: {error}") from None
    port = port or DEFAULT_PORTS[parts.scheme]
    _check_host(host, port, parts.scheme, settings)
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    query = "?" + quote(parts.query, safe="/%:@!$&'()*+,;=~-._?[]") if parts.query else ""
    suffix = "" if port == DEFAULT_PORTS[parts.scheme] else f":{port}"
    return HttpUrl(f"{parts.scheme}://{host}{suffix}{path}{query}", host.strip("[]"), port)


def _check_host(host: str, port: int, scheme: str, settings: Settings) -> None:
    default = DEFAULT_PORTS[scheme]
    if settings.allowed_hosts:
        if not is_listed(host, port, settings.allowed_hosts, default):
            raise UrlNotAllowed(f"host {host}:{port} is not in DAMAGE_ALLOWED_HOSTS")
    elif port != default and not settings.allow_private_addresses:
        raise UrlNotAllowed(
            f"port {port} is not allowed; add the host with its port to DAMAGE_ALLOWED_HOSTS"
        )


def is_listed(host: str, port: int, entries: Iterable[str], default: int = 443) -> bool:
    """Whether one of ``entries`` (`allowed_host`), by default with port ``default``, matches."""
    return any(_matches(host, port, entry, default) for entry in entries)


def _matches(host: str, port: int, entry: str, default: int) -> bool:
    parts = _ALLOWED_HOST.fullmatch(entry)
    assert parts is not None  # it matches any text
    if port != int(parts["port"] or default):
        return False
    name = parts["name"]
    return host.endswith(name[1:]) if name.startswith("*.") else host == name


def _s3_url(url: str, settings: Settings) -> S3Url:
    # "?" and "#" are part of the key.
    bucket, _, quoted = url.partition("://")[2].partition("/")
    if not is_bucket_name(bucket):
        raise UrlInvalid("an s3:// URL must have the form s3://BUCKET/KEY")
    try:
        key = unquote(quoted, errors="strict")
    except UnicodeDecodeError:
        raise UrlInvalid("an S3 key must be UTF-8, percent-encoded where needed") from None
    if not key or len(key.encode()) > 1024:
        raise UrlInvalid("an S3 key must have 1 to 1024 bytes")
    # If buckets are folders of one host, ".." could lead to a bucket that is not allowed.
    if not {".", ".."}.isdisjoint(key.split("/")):
        raise UrlInvalid('an S3 key must not have parts named "." or ".."')
    if settings.allowed_buckets and bucket not in settings.allowed_buckets:
        raise UrlNotAllowed(f"bucket {bucket} is not in DAMAGE_ALLOWED_BUCKETS")
    return S3Url(bucket, key)


def _file_url(parts: SplitResult, settings: Settings) -> FileUrl:
    if not settings.file_roots:
        raise UrlNotAllowed("file:// is not allowed (DAMAGE_FILE_ROOTS)")
    if parts.netloc not in ("", "localhost"):
        raise UrlInvalid("a file:// URL must not name a host: file:///path")
    name = os.fsdecode(unquote_to_bytes(parts.path))
    if not name.startswith("/"):
        raise UrlInvalid("a file:// URL must have the form file:///path")
    try:
        path = Path(name).resolve()
        allowed = any(path.is_relative_to(Path(root).resolve()) for root in settings.file_roots)
    except (OSError, RuntimeError, ValueError) as error:  # too long, a loop of links, a NUL
        raise UrlInvalid(f"not a valid file path: {type(error).__name__}") from None
    if not allowed:
        raise UrlNotAllowed("the file is outside DAMAGE_FILE_ROOTS")
    return FileUrl(path)


def is_public(address: str) -> bool:
    """Whether photos of any caller may be fetched from an IP address.

    Private, loopback, link-local (the cloud's metadata service), shared, reserved
    and multicast addresses are not public, nor are IPv6 addresses that embed one of them or
    addresses that only answer inside clouds.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        elif ip in _NAT64:
            ip = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        elif ip not in _GLOBAL_UNICAST or ip in _6TO4:
            return False
    if any(ip in network for network in _NOT_PUBLIC if network.version == ip.version):
        return False
    return ip.is_global and not ip.is_multicast
