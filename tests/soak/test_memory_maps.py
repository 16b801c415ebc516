"""A process that stops sharing memory with its parent has not grown; one that leaks has."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil
import pytest

from tools.soak.memory_maps import mapped_memory, memory_together
from tools.soak.samples import MEMORY, measure_processes

MEGABYTES = 40.0

# The child obeys orders; its parent only keeps the pages that both share.
FORKS = f"""
import os, sys
shared = bytearray(b"p") * {MEGABYTES * 1e6:.0f}
if os.fork():
    os.wait()
else:
    kept = []
    print("ready", flush=True)
    for order in sys.stdin:
        if order.strip() == "write":
            shared[::4096] = bytes(len(range(0, len(shared), 4096)))
        else:
            kept.append(bytearray(b"c") * len(shared))
        print("done", flush=True)
"""


@contextmanager
def parent_and_child() -> Iterator[tuple[list[psutil.Process], Callable[[str], None]]]:
    """Both processes, and a function that orders the child to ``write`` or ``leak``."""
    with subprocess.Popen(
        [sys.executable, "-c", FORKS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdin and program.stdout
        assert program.stdout.readline() == "ready\n"

        def order(what: str) -> None:
            assert program.stdin and program.stdout
            program.stdin.write(f"{what}\n")
            program.stdin.flush()
            assert program.stdout.readline() == "done\n"

        parent = psutil.Process(program.pid)
        yield [parent, *parent.children()], order
        program.stdin.close()


def memory_of(process: psutil.Process) -> float:
    (measured,) = measure_processes([process])
    return measured.figures[MEMORY]


def test_a_page_that_two_processes_share_counts_once_for_both_together() -> None:
    with parent_and_child() as (processes, _):
        each = [memory_of(process) for process in processes]
        assert min(each) > MEGABYTES
        assert memory_together(processes) == pytest.approx(sum(each) - MEGABYTES, abs=15)


def test_a_process_that_writes_to_shared_pages_does_not_grow() -> None:
    with parent_and_child() as (processes, order):
        parent, child = processes
        before, own = memory_of(child), child.memory_full_info().uss
        together = memory_together(processes)
        order("write")
        assert memory_of(child) == pytest.approx(before, abs=2)
        # What the kernel copied is in the sum, and all that a judge of unshared pages would see.
        assert child.memory_full_info().uss - own > 0.9e6 * MEGABYTES
        assert memory_together(processes) == pytest.approx(together + MEGABYTES, abs=2)
        assert memory_of(parent) > MEGABYTES


def test_a_leak_is_growth_of_its_process_and_of_the_sum() -> None:
    with parent_and_child() as (processes, order):
        child = processes[-1]
        before, together = memory_of(child), memory_together(processes)
        order("leak")
        assert memory_of(child) == pytest.approx(before + MEGABYTES, abs=2)
        assert memory_together(processes) == pytest.approx(together + MEGABYTES, abs=2)


def test_a_process_that_has_ended_is_not_measured() -> None:
    program = subprocess.Popen([sys.executable, "-c", ""])
    process = psutil.Process(program.pid)
    # It is gone only when somebody has asked how it ended.
    while process.status() != psutil.STATUS_ZOMBIE:
        pass
    for _ in range(2):
        with pytest.raises(psutil.NoSuchProcess):
            mapped_memory(program.pid)
        assert memory_together([process]) == 0
        program.wait()
