from __future__ import annotations

import pytest
import torch

from model_training.data.labelled_photos import LabelledPhoto
from model_training.data.photo_pool import PhotoPool
from model_training.fitting.loader import batches
from model_training.fitting.sampling import Samples
from tests.model_training.fitting.test_training_loop import SETTINGS


@pytest.fixture
def samples(photos: list[LabelledPhoto]) -> Samples:
    return Samples(PhotoPool.read(photos), 2, 0, SETTINGS.mix, SETTINGS.views)


def test_workers_make_the_same_batches_in_the_same_order(samples: Samples) -> None:
    numbers = range(3, 11, 2)
    alone, together = (list(batches(samples, numbers, workers)) for workers in (0, 2))
    assert len(alone) == len(together) == 4
    for one, other in zip(alone, together, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_workers_see_the_priorities_that_the_training_sets(samples: Samples) -> None:
    pool = samples.pool
    pool.priority.zero_()
    pool.priority[pool.damaged[0]] = pool.priority[pool.clean[1]] = 1.0
    drawn = {int(index) for batch in batches(samples, range(6), 1) for index in batch.photos}
    assert drawn <= {pool.damaged[0], pool.clean[1]}
