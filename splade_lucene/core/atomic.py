"""Atomic replacement of files and folders, and removal of what killed processes left behind."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TEMPORARY, OLD = ".tmp", ".old"
# renameat2 on Linux and renamex_np on macOS: swap two names.
_SWAP = 2
_WORKING_FOLDER = -100


def prefix(path: Path) -> str:
    """The prefix of the names of temporary files and folders for ``path``; ``tempfile`` adds eight characters."""
    return f".{path.name}."


def remove_stale_files(path: Path) -> None:
    """Removes the temporary files beside ``path`` that killed processes left; living writers hold a lock on theirs."""
    for file in _leftovers(path, TEMPORARY):
        try:
            handle = os.open(file, os.O_RDWR)
        except (FileNotFoundError, IsADirectoryError):
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.unlink(missing_ok=True)
        except BlockingIOError:
            continue
        finally:
            os.close(handle)


def remove_stale_folders(path: Path) -> None:
    """Removes the temporary folders beside ``path`` that killed processes left; call it with the lock on ``path``.

    Where a process was killed between moving the old folder away and the new one to its place, the old one comes back.
    """
    for old in _leftovers(path, OLD):
        if any(old.iterdir()) and not path.exists():
            old.replace(path)
        else:
            shutil.rmtree(old)
    for folder in _leftovers(path, TEMPORARY):
        if folder.is_dir():
            shutil.rmtree(folder)


def swap(first: Path, second: Path) -> bool:
    """Swaps the names of two folders in one step.

    Returns:
        False, with nothing changed, where the operating or the file system cannot.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    names = os.fsencode(first), os.fsencode(second)
    try:
        if sys.platform == "darwin":
            return bool(libc.renamex_np(*names, _SWAP) == 0)
        return bool(libc.renameat2(_WORKING_FOLDER, names[0], _WORKING_FOLDER, names[1], _SWAP) == 0)
    except AttributeError:
        return False


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Makes errors of the operating system name ``path`` in place of its temporary file, or of nothing."""
    try:
        yield
    except OSError as error:
        if error.errno and (error.filename is None or f"{os.sep}{prefix(path)}" in str(error.filename)):
            error.filename, error.filename2 = str(path), None
        raise


def to_disk(folder: Path) -> None:
    """Flushes all files of a folder to disk, so that they are whole before the folder gets its name."""
    for place, _, files in os.walk(folder):
        for name in [*(Path(place) / file for file in files), Path(place)]:
            handle = os.open(name, os.O_RDONLY)
            try:
                os.fsync(handle)
            except OSError as error:
                if error.errno != errno.EINVAL:  # a file system that cannot flush folders
                    raise
            finally:
                os.close(handle)


def _leftovers(path: Path, suffix: str) -> list[Path]:
    pattern = re.compile(rf"{re.escape(prefix(path))}[a-z0-9_]{{8}}{re.escape(suffix)}")
    with os.scandir(path.parent) as entries:
        return [path.parent / entry.name for entry in entries if pattern.fullmatch(entry.name)]
