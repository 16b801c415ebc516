"""What processes, connections and folders hold is measured and judged."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa

from tools.soak.samples import (
    CONNECTIONS,
    DESCRIPTORS,
    FILES,
    MEMORY,
    TEMPORARY_MEGABYTES,
    THREADS,
    Samples,
    connection_counter,
    measure_files,
    measure_processes,
    totals,
)
from tools.soak.steadiness import FLAT, GROWS

LEAKS = """
import sys
kept = []
print("started", flush=True)
for _ in sys.stdin:
    kept.append((bytearray(b"x" * 500_000), open("/dev/null")))
    print("leaked", flush=True)
"""


@pytest.mark.slow
def test_a_program_that_leaks_memory_and_descriptors_is_found() -> None:
    samples = Samples()
    with subprocess.Popen(
        [sys.executable, "-c", LEAKS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdin and program.stdout
        program.stdout.readline()
        for number in range(36):
            measured = list(measure_processes([psutil.Process(program.pid)]))
            samples.add(number, {}, {"program": measured})
            if number > 11:  # of which nothing is seen in the warm-up
                program.stdin.write("\n")
                program.stdin.flush()
                program.stdout.readline()
        program.stdin.close()
    growth = samples.growth(warm_up_seconds=12)
    assert growth[f"program: {MEMORY}"].verdict == GROWS
    assert growth[f"program: {DESCRIPTORS}"].verdict == GROWS
    assert growth[f"program: {THREADS}"].verdict == FLAT
    assert growth[f"program: {MEMORY}"].trend.per_hour == pytest.approx(0.5 * 3600, rel=0.2)


def test_a_process_that_has_ended_counts_as_nothing() -> None:
    program = subprocess.Popen(["true"])
    process = psutil.Process(program.pid)
    program.wait()
    assert set(totals("program", list(measure_processes([process]))).values()) == {0.0}


def test_files_are_counted_in_all_folders_below(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below/a").write_bytes(bytes(1_500_000))
    (tmp_path / "b").write_bytes(b"")
    assert measure_files([tmp_path]) == {TEMPORARY_MEGABYTES: 1.5, FILES: 2.0}


@pytest.mark.server
def test_connections_of_others_are_counted(postgres_url: str) -> None:
    count = connection_counter(postgres_url)
    before = count()[CONNECTIONS]
    engine = sa.create_engine(postgres_url)
    with engine.connect(), engine.connect():
        assert count()[CONNECTIONS] == before + 2
    engine.dispose()
    end = time.monotonic() + 10
    while count()[CONNECTIONS] != before and time.monotonic() < end:
        time.sleep(0.05)
    assert count()[CONNECTIONS] == before
