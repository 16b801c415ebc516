"""Imports OpenVINO without its telemetry.

OpenVINO and NNCF send every import and conversion to a server, unless the package
``openvino_telemetry`` appears to be missing.  Import OpenVINO from here, before NNCF.
"""

import sys

sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

import openvino  # noqa: E402

__all__ = ["openvino"]
