"""Which device each of several processes on one machine uses."""

from __future__ import annotations

import torch


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
