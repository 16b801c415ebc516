"""Host names have one normal form, following the rules of curl and browsers."""

from __future__ import annotations

import pytest

from damage_tasks.settings.host_names import normalize_host, split_port


@pytest.mark.parametrize(
    ("name", "host"),
    [
        ("Photos.ACME.example", "photos.acme.example"),
        ("photos.acme.example.", "photos.acme.example"),
        ("a_b.r3---sn.example", "a_b.r3---sn.example"),
        # IDNA 2003 would map these to other hosts: strasse, fass.
        ("straße.example", "xn--strae-oqa.example"),
        ("STRAẞE.example", "xn--strae-oqa.example"),
        ("faß.de", "xn--fa-hia.de"),
        ("ς.example", "xn--3xa.example"),
        ("XN--STRAE-OQA.example", "xn--strae-oqa.example"),
        ("sch\u00e4den.example", "xn--schden-dua.example"),
        ("scha\u0308den.example", "xn--schden-dua.example"),
        ("\uff21\uff22\uff23\u3002example", "abc.example"),
        ("ab\u00adc.example", "abc.example"),
        ("a\u200bb.example", "ab.example"),
        ("㎏.example", "kg.example"),
        ("☕.example", "xn--53h.example"),
        # What IDNA 2008 refuses and browsers request.
        ("a・b.example", "xn--ab-3n4a.example"),
        ("ab--é.example", "xn--ab---epa.example"),
        ("-é.example", "xn----bga.example"),
    ],
)
def test_a_name_is_mapped_by_uts_46(name: str, host: str) -> None:
    assert normalize_host(name) == host


@pytest.mark.parametrize(
    ("name", "host"),
    [
        ("127.0.0.1.", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("0x7f.0.0.1", "127.0.0.1"),
        ("0177.0.0.1", "127.0.0.1"),
        ("2852039166", "169.254.169.254"),
        ("\uff11\uff12\uff17.0.0.1", "127.0.0.1"),
        ("[2606:4700:0:0::1]", "[2606:4700::1]"),
        ("[2606:4700::6810:85E5]", "[2606:4700::6810:85e5]"),
    ],
)
def test_an_address_has_one_spelling(name: str, host: str) -> None:
    assert normalize_host(name) == host


@pytest.mark.parametrize(
    "name",
    ["", ".", "a..example", "-a.example", "a b.example", "a.example..", "\u00ad.example",
     "a" * 64 + ".example", "a." * 127 + "example", "ex℀mple", "\u0301a.example",
     "a\u200d.example", "a\ufffd.example", "xn--é.example", "\u0660.example", "é" * 70,
     "a%2eexample", "a.*",
     "1.2.3.4.5", "127.0.0.256", "08.1", "a.0x4", "[::1", "[v1.fe]", "::1"],
)  # fmt: skip
def test_an_invalid_host_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="."):
        normalize_host(name)


def test_a_normalised_host_stays_as_it_is() -> None:
    for name in ("straße.example", "☕.example", "127.1", "[2606:4700:0::1]"):
        host = normalize_host(name)
        assert normalize_host(host) == host


def test_a_port_is_split_off() -> None:
    assert split_port("acme.example:8443") == ("acme.example", 8443)
    assert split_port("acme.example:") == ("acme.example", None)
    assert split_port("[::1]:80") == ("[::1]", 80)
    for text in ("acme.example:0", "acme.example:65536", "a:1:2", "a:x", "[::1]x"):
        with pytest.raises(ValueError, match="."):
            split_port(text)
