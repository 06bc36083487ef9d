"""Keeps Ray from taking the JVM's signals away.

The JVM handles SIGSEGV itself: compiled code reads through null pointers on purpose. ``ray.init`` puts handlers of its own in their
place, and ``ray.shutdown`` leaves none, after which the next such read ends the process.
"""

from __future__ import annotations

import ctypes
import signal
from collections.abc import Iterator
from contextlib import contextmanager

_SIGNALS = (signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL)
# More bytes than struct sigaction has on any system.
_SIZE = 1024


@contextmanager
def keep_signal_handlers() -> Iterator[None]:
    """After the block, fatal signals have the handlers that they had before it."""
    libc = ctypes.CDLL(None)
    handlers = {number: ctypes.create_string_buffer(_SIZE) for number in _SIGNALS}
    for number, handler in handlers.items():
        libc.sigaction(int(number), None, handler)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            libc.sigaction(int(number), handler, None)
