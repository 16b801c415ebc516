"""A process reuses one photo's memory for the next."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
from damage_tasks.worker.malloc import keep_freed_memory

if sys.argv[1] == "keep":
    assert keep_freed_memory()
for number in range(30):
    if number == 5:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    pictures = [bytes(b"x") * 5_000_000 for _ in range(5)]
    del pictures
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(how: str) -> int:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, how], check=True, capture_output=True, text=True
    )
    return int(ended.stdout)


@pytest.mark.slow
def test_freed_memory_is_used_again() -> None:
    assert page_faults("keep") < page_faults("leave") / 10
