"""One process at a time writes an output."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from splade_lucene.errors import InputError


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keeps other processes, and other threads of this one, from writing ``path`` while the block runs.

    The lock is the operating system's on a file ``.NAME.lock`` beside it, so it ends with the process, however that ends; the file
    may then stay, and means nothing.

    Args:
        path: the file or folder that will be written; it need not exist.

    Raises:
        InputError: another process is writing it.
        OSError: the folder that it is in cannot be written.
    """
    path = path.resolve()
    file = path.with_name(f".{path.name}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = _take(file, path)
    except OSError as error:
        error.filename = str(path)
        raise
    try:
        yield
    finally:
        file.unlink(missing_ok=True)  # before it is let go: afterwards it may be another's
        os.close(handle)


def _take(file: Path, path: Path) -> int:
    while True:
        handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_there(handle, file):
                os.ftruncate(handle, 0)
                os.pwrite(handle, str(os.getpid()).encode(), 0)
                return handle
            os.close(handle)  # the one before removed it between our two calls
        except BlockingIOError:
            holder = os.pread(handle, 32, 0).decode() or "unknown"
            os.close(handle)
            raise InputError(
                path, f"is being written by another process (number {holder}); wait until it is done or give another name"
            ) from None


def _is_there(handle: int, file: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), file.stat())
    except FileNotFoundError:
        return False
