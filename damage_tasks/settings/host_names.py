"""Host names as curl and browsers read them (UTS 46), and IP addresses in every spelling."""

from __future__ import annotations

import ipaddress
import re
import socket

_LABEL = "[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"(?=.{{1,253}}$)({_LABEL}\.)*{_LABEL}")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_JOINERS = "\u200c\u200d"
_HOST_AND_PORT = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]]*)(?::([0-9]{0,5}))?")


def split_port(text: str) -> tuple[str, int | None]:
    """Host and port of ``HOST`` or ``HOST:PORT``; raises `ValueError` for anything else."""
    found = _HOST_AND_PORT.fullmatch(text)
    if found is None:
        raise ValueError("the host or port is malformed")
    port = int(found[2]) if found[2] else None
    if port is not None and not 0 < port < 65536:
        raise ValueError(f"{port} is not a valid port")
    return found[1], port


def normalize_host(name: str) -> str:
    """``name`` in the normal form used to compare and request hosts.

    ASCII, lower case, no trailing dot; IPv4 addresses as four decimal numbers, IPv6
    addresses in brackets.  Raises `ValueError` if ``name`` is not a host.
    """
    if name.startswith("[") and name.endswith("]"):
        return f"[{ipaddress.IPv6Address(name[1:-1])}]"
    host = (name if name.isascii() else _to_ascii(name)).lower().removesuffix(".")
    if not _HOST.fullmatch(host):
        raise ValueError("it is not a host name")
    # https://url.spec.whatwg.org/#ends-in-a-number-checker
    if _NUMBER.fullmatch(host.rpartition(".")[2]):
        try:
            return str(ipaddress.IPv4Address(socket.inet_aton(host)))
        except OSError:
            raise ValueError("it is not an IPv4 address") from None
    return host


def _to_ascii(name: str) -> str:
    # Imported here because most names do not need it and its tables are large.
    import idna

    mapped = idna.uts46_remap(name, std3_rules=False, transitional=False)
    return ".".join(_label_to_ascii(label) for label in mapped.split("."))


def _label_to_ascii(label: str) -> str:
    import idna

    if label.isascii():
        return label
    # `idna.alabel` follows IDNA 2008, which refuses symbols, underscores, hyphens and middle dots
    # that UTS 46 allows with the options of https://url.spec.whatwg.org/#concept-domain-to-ascii.
    if label.startswith("xn--"):
        raise ValueError("it begins with xn-- but is not ASCII")
    idna.check_initial_combiner(label)
    idna.check_bidi(label)
    for position, character in enumerate(label):
        if character in _JOINERS and not idna.valid_contextj(label, position):
            raise ValueError("a joiner is misplaced")
    return "xn--" + label.encode("punycode").decode()
