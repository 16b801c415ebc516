"""LitServe: ``python -m benchmarks.peers.litserve_service PORT``."""

from __future__ import annotations

import os
import sys
from typing import Any

import litserve

from benchmarks.peers.single_inspection import Inspect

WORKERS = int(os.environ.get("BENCH_WORKERS", "1"))


class Damage(litserve.LitAPI):
    """POST /inspect {"url": ...}."""

    def setup(self, device: str) -> None:
        """Load the networks."""
        self.inspect_photo = Inspect()

    def decode_request(self, request: dict[str, str]) -> str:
        """The photo's address."""
        return request["url"]

    def predict(self, x: str) -> dict[str, Any]:
        """The verdict of one photo."""
        return self.inspect_photo(x)

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        """The verdict, unchanged."""
        return output


if __name__ == "__main__":
    server = litserve.LitServer(
        Damage(api_path="/inspect"), accelerator="cpu", workers_per_device=WORKERS, timeout=120
    )
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False)
