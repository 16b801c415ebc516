"""Each check that `make checkov` skips has a reason."""

from __future__ import annotations

import re

import yaml

from tests.platform.template import ROOT

TEXT = (ROOT / ".checkov.yaml").read_text()


def test_every_check_that_is_skipped_has_a_reason() -> None:
    skipped = TEXT.partition("skip-check:\n")[2].splitlines()
    names = [line for line in skipped if line.startswith("  - ")]
    assert all(re.fullmatch(r"  - CKV_[A-Z0-9]+_\d+", line) for line in names)
    for number, line in enumerate(skipped):
        if line in names:
            above = next(each for each in reversed(skipped[:number]) if each not in names)
            assert re.match(r"  # (?!---)", above), line


def test_nothing_is_skipped_twice_and_no_check_only_warns() -> None:
    settings = yaml.safe_load(TEXT)
    assert len(settings["skip-check"]) == len(set(settings["skip-check"]))
    assert "soft-fail" not in settings
