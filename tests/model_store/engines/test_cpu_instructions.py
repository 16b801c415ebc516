"""Which number formats a CPU computes fast."""

from __future__ import annotations

from pathlib import Path

import pytest

from model_store.engines.cpu_instructions import multiplies_bf16_fast, multiplies_int8


@pytest.mark.parametrize(
    ("words", "int8", "bf16"),
    [
        ("GenuineIntel avx2", False, False),
        ("GenuineIntel avx512_vnni", True, False),
        ("GenuineIntel avx512_vnni avx512_bf16", True, False),  # AMX hidden, or Cooper Lake
        ("GenuineIntel avx512_vnni avx512_bf16 amx_bf16 amx_int8", True, True),
        ("AuthenticAMD avx512_vnni avx512_bf16", True, True),
        ("AuthenticAMD avx2", False, False),
        ("asimd i8mm bf16", True, True),  # Graviton 3
        ("asimd", False, False),
    ],
)
def test_a_format_is_used_where_it_is_faster(
    words: str, int8: bool, bf16: bool, tmp_path: Path
) -> None:
    cpu_info = tmp_path / "cpuinfo"
    cpu_info.write_text(f"flags : {words}\n")
    assert (multiplies_int8(cpu_info), multiplies_bf16_fast(cpu_info)) == (int8, bf16)


def test_a_system_that_does_not_describe_its_cpu_computes_in_fp32(tmp_path: Path) -> None:
    assert not multiplies_int8(tmp_path / "none")
    assert not multiplies_bf16_fast(tmp_path / "none")
