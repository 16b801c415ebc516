"""Photo quality: sharpness and exposure."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from damage_tasks.inspection import Quality
from damage_tasks.resize import fitting, shrink

# Pixels.  Blur depends on scale, so it is measured at a scale that small photos have too: at
# this scale a sharp photo that was enlarged is as sharp as any other.
MEASURED_LONG_SIDE_PX = 256
# Of real car photos, 99 % score at least 300, and at least 180 if enlarged from 250 pixels.
# Blurred with a radius of 1 % of their width, 99 % score at most 17.
MIN_SHARPNESS = 50.0
# Median of those photos.  Half the light means half the contrast and a quarter of the variance.
USUAL_BRIGHTNESS = 0.45
# 99 % of real car photos have at least 0.24.
MIN_BRIGHTNESS = 0.12
# Studio photos on a white background reach one half.
OVEREXPOSED_VALUE = 250
OVEREXPOSED_AREA_RATIO = 0.6


def judge_quality(pixels: NDArray[np.uint8]) -> Quality:
    """The quality of a photo (H x W x 3 uint8, BGR).

    Blur is the variance of the Laplacian (Pech-Pacheco et al., ICPR 2000) of the
    grey picture at 256 px; brightness is its mean luma, 0 to 1.
    """
    small = shrink(pixels, fitting(pixels, MEASURED_LONG_SIDE_PX), smooth=True)
    grey = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)
    blur = float(cv2.Laplacian(grey, cv2.CV_32F).var())
    brightness = float(grey.mean()) / 255
    reasons = []
    if blur < MIN_SHARPNESS * min(1.0, brightness / USUAL_BRIGHTNESS) ** 2:
        reasons.append("blurred")
    if brightness < MIN_BRIGHTNESS:
        reasons.append("too_dark")
    if float((grey >= OVEREXPOSED_VALUE).mean()) > OVEREXPOSED_AREA_RATIO:
        reasons.append("overexposed")
    verdict = "poor" if reasons else "good"
    return Quality(round(blur, 1), round(brightness, 3), verdict, tuple(reasons))
