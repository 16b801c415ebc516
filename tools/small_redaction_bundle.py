"""A small redaction bundle for tests: its networks take yellow for plates and blue for faces."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

STRIDE = 4
WIDTH, HEIGHT = 320, 240
PLATE, FACE = (100, 140, 120, 30), (200, 40, 40, 50)  # left, top, width, height
YELLOW, BLUE = (0, 230, 230), (230, 0, 0)  # BGR


def private_photo(quality: int = 95) -> bytes:
    """A grey photo with a yellow `PLATE` with characters, and a blue `FACE`, as JPEG."""
    photo = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    for (left, top, width, height), colour in ((PLATE, YELLOW), (FACE, BLUE)):
        photo[top : top + height, left : left + width] = colour
    left, top, _, height = PLATE
    cv2.putText(photo, "AB 1234", (left + 4, top + height - 6), 0, 0.8, (0, 120, 120), 2)
    return bytes(cv2.imencode(".jpg", photo, [cv2.IMWRITE_JPEG_QUALITY, quality])[1])


def write_redaction_bundle(folder: Path, **changes: Any) -> Path:
    """A bundle with two networks and a golden photo; ``changes`` replace keys of the manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    photo = private_photo()
    (folder / "golden.jpg").write_bytes(photo)
    manifest = {
        "schema": 1,
        "kind": "redaction",
        "name": "tiny-redaction",
        "version": "1.0.0",
        "created": "2026-11-29T12:00:00Z",
        "licence": "none: chosen weights",
        "training_data": "none",
        "weights": {
            # Red minus blue, and the reverse.
            "plates": _write_network(folder / "plates.onnx", (1.0, 0.0, -1.0)),
            "faces": _write_network(folder / "faces.onnx", (-1.0, 0.0, 1.0)),
        },
        "networks": [_network("plate"), _network("face")],
        "golden": [
            {
                "photo": "golden.jpg",
                "sha256": hashlib.sha256(photo).hexdigest(),
                "areas": {"plate": _share(PLATE), "face": _share(FACE)},
                "area_tolerance": 0.03,
            }
        ],
        **changes,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def _network(subject: str) -> dict[str, Any]:
    return {
        "name": f"{subject}s",
        "role": "redact",
        "subject": subject,
        "weights": f"{subject}s",
        "threshold": 0.5,
        "margin": 0.1,
    }


def _share(box: tuple[int, int, int, int]) -> float:
    return box[2] * box[3] / (WIDTH * HEIGHT)


def _write_network(path: Path, colour: tuple[float, float, float]) -> dict[str, Any]:
    """Write a network whose logit is 20 (r R + g G + b B) - 8; returns its manifest entry."""
    weight = np.zeros((1, 3, STRIDE, STRIDE), np.float32)
    weight[0] = np.array(colour, np.float32)[:, None, None] * 20 / STRIDE**2
    path.write_bytes(_convolution(weight, -8.0))
    return {
        "file": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "bytes": path.stat().st_size,
        "format": "onnx",
        "input": {"long_side": 320, "mean": [0, 0, 0], "std": [1, 1, 1]},
    }


# https://github.com/onnx/onnx/blob/main/onnx/onnx.proto has the numbers of the fields.
def _convolution(weight: NDArray[np.float32], bias: float) -> bytes:
    """An ONNX model with one convolution of stride `STRIDE`, for photos of 32 x 32 pixels."""
    strides = _text(1, "strides") + _number(20, 7) + _number(8, STRIDE) * 2
    node = _text(1, "photo") + _text(1, "weight") + _text(1, "bias") + _text(2, "mask")
    node += _text(4, "Conv") + _bytes(5, strides)
    graph = _bytes(1, node) + _text(2, "graph")
    graph += _bytes(5, _tensor("weight", weight))
    graph += _bytes(5, _tensor("bias", np.array([bias], np.float32)))
    graph += _bytes(11, _value("photo", (1, 3, 32, 32)))
    graph += _bytes(12, _value("mask", (1, 1, 8, 8)))
    opset = _text(1, "") + _number(2, 13)
    return _number(1, 8) + _bytes(8, opset) + _bytes(7, graph)


def _tensor(name: str, values: NDArray[np.float32]) -> bytes:
    shape = b"".join(_number(1, size) for size in values.shape)
    return shape + _number(2, 1) + _text(8, name) + _bytes(9, values.tobytes())


def _value(name: str, shape: tuple[int, ...]) -> bytes:
    sizes = b"".join(_bytes(1, _number(1, size)) for size in shape)
    tensor = _number(1, 1) + _bytes(2, sizes)
    return _text(1, name) + _bytes(2, _bytes(1, tensor))


def _text(field: int, text: str) -> bytes:
    return _bytes(field, text.encode())


def _bytes(field: int, data: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _varint(value: int) -> bytes:
    encoded = b""
    while value > 0x7F:
        encoded += struct.pack("B", value & 0x7F | 0x80)
        value >>= 7
    return encoded + struct.pack("B", value)
