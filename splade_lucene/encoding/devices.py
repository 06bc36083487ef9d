"""What each of several workers on one machine gets: a device for processes, a share of the cores for threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from splade_lucene.encoding.threads import encoding_threads


def worker_device(device: str, number: int) -> str:
    """The device of a worker: where there are several GPUs and none is named, each worker in turn gets one.

    Args:
        device: as for :meth:`SpladeModel.load`.
        number: of the worker, from 0.

    Returns:
        A device for :meth:`SpladeModel.load`.
    """
    if device in {"auto", "cuda"} and torch.cuda.device_count() > 1:
        return f"cuda:{number % torch.cuda.device_count()}"
    return device


@contextmanager
def cores_among(threads: int) -> Iterator[None]:
    """Deals the processors out to the threads that are started in a block: else torch would take all of them in each, and wait for itself.

    Args:
        threads: how many will be started.
    """
    every = torch.get_num_threads()
    torch.set_num_threads(max(1, encoding_threads() // threads))
    try:
        yield
    finally:
        torch.set_num_threads(every)
