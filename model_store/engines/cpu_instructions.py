"""Which number formats this CPU computes fast."""

from __future__ import annotations

from pathlib import Path

_CPU_INFO = Path("/proc/cpuinfo")


def multiplies_int8(cpu_info: Path = _CPU_INFO) -> bool:
    """Whether the CPU has int8 instructions (VNNI, AMX or Arm's i8mm).

    Without them, int8 networks whose first layers stay in fp32 are no faster than fp32.
    """
    return not _words(cpu_info).isdisjoint({"avx512_vnni", "avx_vnni", "amx_int8", "i8mm"})


def multiplies_bf16_fast(cpu_info: Path = _CPU_INFO) -> bool:
    """Whether OpenVINO is faster in bf16 than in fp32.

    AMX and AMD's AVX-512 are (twice as fast on Zen 4). Intel's AVX-512 without AMX, which
    virtual machines may hide, is not: the default bundle takes 1.6 times as long as in fp32.
    """
    words = _words(cpu_info)
    return "amx_bf16" in words or {"avx512_bf16", "AuthenticAMD"} <= words or "bf16" in words


def _words(cpu_info: Path) -> set[str]:
    try:
        return set(cpu_info.read_text().split())
    except OSError:
        return set()
