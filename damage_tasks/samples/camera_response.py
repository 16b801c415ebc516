"""From linear light to a photo: exposure, tone, lens and sensor."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from damage_tasks.samples.surroundings import Linear

_STEPS = 4096
_WHITEST = 4.0


def develop(
    light: Linear, rng: np.random.Generator, *, stops: float = 0.0, blur: float = 0.0
) -> NDArray[np.uint8]:
    """A uint8 BGR photo of ``light`` (H x W x 3, linear).

    ``stops`` darkens (negative) or brightens it relative to a camera's own exposure;
    ``blur`` is the standard deviation of camera shake or defocus in pixels.
    """
    height, width = light.shape[:2]
    # A camera's exposure only approaches middle grey, so black cars stay dark.
    middle = max(1e-3, float(np.median(light[::8, ::8].mean(axis=2))))
    gain = (0.21 / middle) ** 0.55 * 2**stops
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    vignette = gain * (1 - 0.11 * (x * x + y * y))
    balance = rng.uniform(0.96, 1.04, 3).astype(np.float32)
    exposed = light * vignette[..., None] * balance
    exposed = cv2.GaussianBlur(exposed, (0, 0), 0.0006 * width + blur)
    table = _tone_curve()
    index = np.clip(exposed * ((_STEPS - 1) / _WHITEST), 0, _STEPS - 1).astype(np.uint16)
    photo = table[index]
    noise = _grain(rng, height, width, 1.5 + 2.5 * max(0.0, -stops))
    return np.clip(photo + noise, 0, 255).astype(np.uint8)


def _tone_curve() -> NDArray[np.float32]:
    """Display value (0 to 255) for each level of light: a soft shoulder, then sRGB."""
    value = np.linspace(0, _WHITEST, _STEPS)
    value = 1 - np.exp(-1.35 * value)
    value /= value[-1]
    srgb = np.where(value < 0.0031308, 12.92 * value, 1.055 * value ** (1 / 2.4) - 0.055)
    contrast = srgb - 0.06 * np.sin(2 * np.pi * srgb)
    return (255 * contrast).astype(np.float32)


def _grain(rng: np.random.Generator, height: int, width: int, strength: float) -> Linear:
    """Sensor noise after demosaicing: soft, mostly grey, a little coloured."""
    tile = rng.standard_normal((397, 401, 3), dtype=np.float32)
    tile = 0.6 * tile + 0.8 * rng.standard_normal((397, 401, 1), dtype=np.float32)
    tile = cv2.GaussianBlur(tile, (0, 0), 0.7)
    tile *= strength / float(tile.std())
    return np.tile(tile, (height // 397 + 1, width // 401 + 1, 1))[:height, :width]
