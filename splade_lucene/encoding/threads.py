"""Threads that encode: each computes whole batches by itself, so none ever waits for another in the middle of one.

torch's own threads share each product, thousands of them a second, and wait for each other at the end of each: beside other work on
the machine, which takes one of them off its processor, the others wait for it again and again. Threads with batches of their own are as
fast when nothing else runs, and several times faster when something does.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch

from splade_lucene.core.processors import usable_processors

_executors: dict[tuple[int, int], ThreadPoolExecutor] = {}
_lock = threading.Lock()


def encoding_threads() -> int:
    """The number of threads that encode for a call: those that torch may use in the calling thread, at most one per processor.

    ``OMP_NUM_THREADS`` and ``torch.set_num_threads`` lower it, as does a CPU quota.
    """
    return min(torch.get_num_threads(), usable_processors())


def encoding_executor(threads: int) -> ThreadPoolExecutor:
    """Threads in which torch computes without threads of its own; they are kept for the next call."""
    key = os.getpid(), threads  # a forked process has none of its parent's threads
    with _lock:
        if key not in _executors:
            _executors[key] = _start(threads)
        return _executors[key]


@contextmanager
def one_thread() -> Iterator[None]:
    """Lets torch compute without threads of its own in a block of the calling thread."""
    every = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(every)


def _start(threads: int) -> ThreadPoolExecutor:
    every, started = torch.get_num_threads(), threading.Barrier(threads + 1)

    def begin() -> None:
        # The number holds for the thread that sets it and for threads that start later; a thread takes its own from there when it first
        # asks, so it is asked in between.
        torch.set_num_threads(1)
        torch.get_num_threads()
        torch.set_num_threads(1)
        started.wait()

    executor = ThreadPoolExecutor(threads, thread_name_prefix="encode", initializer=begin)
    for _ in range(threads):
        executor.submit(int)  # each starts a thread, as the ones before are not yet ready for it
    started.wait()
    torch.set_num_threads(every)
    return executor
