from __future__ import annotations

import cv2
import numpy as np
import pytest

from damage_tasks.samples.car_photo import draw_sample
from model_training.data.vehicle_masks import imagenet_classifier, vehicle_mask


@pytest.mark.slow
def test_a_vehicle_mask_does_not_depend_on_what_was_made_before_it() -> None:
    photo = draw_sample(3, size=(320, 240)).photo
    classifier = imagenet_classifier()
    masks = []
    for seed in range(6):
        cv2.setRNGSeed(seed)  # OpenCV's random state belongs to the whole process
        masks.append(vehicle_mask(classifier, photo))
    assert 0.05 < masks[0].mean() < 0.95
    assert all(np.array_equal(mask, masks[0]) for mask in masks)
