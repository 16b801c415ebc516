"""Loads batches in order, in this process or ahead of time in others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch.utils.data import DataLoader, Dataset

from model_training.data.targets import Batch
from model_training.fitting.forking import prepare_to_fork, use_one_thread
from model_training.fitting.sampling import Samples

BATCH_TIMEOUT_SECONDS = 300  # a worker that takes longer for a batch is stuck


def batches(
    samples: Samples, numbers: Sequence[int], workers: int = 0, *, pinned: bool = False
) -> Iterator[Batch]:
    """The batches ``numbers`` of ``samples``, in order.

    ``workers``: processes that make them ahead, forked by this call, after which this
    process has one thread; they see priorities of photos that are a few steps old.
    ``pinned``: in memory from which a GPU copies while it computes.
    """
    if not workers:
        return (samples.at(number) for number in numbers)
    prepare_to_fork()
    loader = DataLoader(
        _ByNumber(samples),
        batch_size=None,
        sampler=numbers,
        num_workers=workers,
        pin_memory=pinned,
        timeout=BATCH_TIMEOUT_SECONDS,
        worker_init_fn=use_one_thread,
        multiprocessing_context="fork",  # the photos are not copied
    )
    return iter(loader)


class _ByNumber(Dataset[Batch]):
    def __init__(self, samples: Samples) -> None:
        self.samples = samples

    def __getitem__(self, number: int) -> Batch:
        return self.samples.at(number)
