"""Bundles of networks: what they are, where they come from, and how they run.

`manifest` describes a bundle, `store` fetches and verifies one, `architectures`
and `engines` execute its networks; `model_training` trains and evaluates them.
"""

import sys

# OpenVINO and NNCF tell a server of every import and conversion, unless this is missing.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
