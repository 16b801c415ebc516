"""Compiles ``inspection_request.proto``; a test checks that the result is up to date."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from damage_tasks.sqs.compact_message import DESCRIPTORS

PROTO = DESCRIPTORS.with_suffix(".proto")


def compiled() -> bytes:
    """The descriptors of the .proto file and its imports, as protoc writes them."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        subprocess.run(
            [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTO.parent}", "--include_imports",
             f"--descriptor_set_out={out}", PROTO.name],
            check=True,
        )  # fmt: skip
        return out.read_bytes()


if __name__ == "__main__":
    DESCRIPTORS.write_bytes(compiled())
