"""Processes share the weights that their parent has read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("openvino")

# In its own process, because a process in which OpenVINO has run must not fork.
FORKED = """
import json, os, sys
from pathlib import Path
import numpy as np
from model_store.bundle import open_bundle
from model_store.engines import import_engine, load_engine, share_models

bundle = open_bundle(Path(sys.argv[1]))
(name,) = bundle.manifest.weights
if sys.argv[2] == "shared":
    share_models(bundle, "openvino")
else:
    import_engine(bundle.manifest, "openvino")

def private_kibibytes():
    rows = Path("/proc/self/smaps_rollup").read_text().splitlines()[1:]
    return int(dict(row.split(":", 1) for row in rows)["Private_Dirty"].split()[0])

threads = len(os.listdir("/proc/self/task"))
ours, childs = os.pipe()
if os.fork() == 0:
    before = private_kibibytes()
    engine = load_engine(bundle, name, engine="openvino")
    grown = private_kibibytes() - before
    photo = np.linspace(0, 1, 3 * 64 * 96, dtype=np.float32).reshape(3, 64, 96)
    state, scores = engine.encode(photo)
    outcome = [float(scores.sum()), float(engine.decode(state).sum())]
    os.write(childs, json.dumps({"grown": grown, "outcome": outcome, "threads": threads}).encode())
    os._exit(0)
os.wait()
print(os.read(ours, 10_000).decode())
"""


def forked(bundle: Path, weights: str) -> dict[str, object]:
    answer = subprocess.run(
        [sys.executable, "-c", FORKED, str(bundle), weights],
        # As a worker sets it: NumPy would start threads of its own.
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return dict(json.loads(answer.stdout))


@pytest.mark.slow
def test_a_forked_process_has_no_copy_of_the_weights() -> None:
    default = Path(__file__).parents[3] / "model_store/default"
    own, shared = (forked(default, weights) for weights in ("own", "shared"))
    assert shared["outcome"] == own["outcome"]
    assert shared["threads"] == 1
    weights = 2 * (default / "weights/damage.safetensors").stat().st_size / 1024  # as fp32
    assert float(str(own["grown"])) - float(str(shared["grown"])) > weights * 0.9
