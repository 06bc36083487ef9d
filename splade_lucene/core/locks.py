"""One process at a time writes an output."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from splade_lucene.core.remote import refuse_url
from splade_lucene.errors import InputError


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keeps other processes, and other threads of this one, from writing ``path`` while the block runs.

    The lock is the operating system's on a file ``.NAME.lock`` beside it, so it ends with the process, however that ends; the file
    may then stay, and means nothing.

    Args:
        path: the file or folder that will be written; it need not exist.

    Raises:
        InputError: another process is writing it, or it is a URL.
        OSError: the folder that it is in cannot be written.
    """
    from filelock import FileLock, Timeout  # takes long to import for those who only read

    refuse_url(path)
    path = path.resolve()
    file = path.with_name(f".{path.name}.lock")
    lock = FileLock(file, mode=0o600, blocking=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise InputError(
            path, f"is being written by another process (PID {_holder(file)}); wait until it is done or give another name"
        ) from None
    except OSError as error:
        error.filename = str(path)
        raise
    try:
        file.write_text(str(os.getpid()), encoding="ascii")
        yield
    finally:
        file.unlink(missing_ok=True)  # before it is released: afterwards it may be another's
        lock.release()


def _holder(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii") or "unknown"
    except FileNotFoundError:  # it has just ended
        return "unknown"
