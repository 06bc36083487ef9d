"""What can go wrong and is not a bug: each message is one sentence that says what, where, and what to do."""

from __future__ import annotations

import errno
import re

_REMEDIES = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "free disk space and run the same command again"),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "change its permissions or give another place"),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), "allow more open files with ulimit -n"),
}


class SpladeLuceneError(Exception):
    """Base of all expected failures; the command line prints the message and exits with 1."""


class InputError(SpladeLuceneError):
    """A file or folder that the user gave cannot be used.

    Args:
        path: the file or folder, or what names it.
        problem: what is wrong and what to do, without the place.
        line: the line number, counted from 1.
    """

    def __init__(self, path: object, problem: str, line: int | None = None) -> None:
        self.path, self.problem, self.line = path, problem, line
        place = f"{path}" if line is None else f"{path}, line {line}"
        super().__init__(f"{place}: {problem}")


class ModelError(SpladeLuceneError):
    """A model cannot be loaded, or is not a sparse encoder."""


class IndexMismatchError(SpladeLuceneError):
    """An index does not fit what is asked of it: no index, the other kind, or another encoder."""


class JavaError(SpladeLuceneError):
    """Java, the Anserini jar, or a run inside the JVM failed."""


class EngineError(SpladeLuceneError):
    """Another engine, or the package that speaks to it, is missing or failed."""


def os_sentence(error: OSError) -> str:
    """What the operating system refused, with the file where it is known, and what to do."""
    place = f"{error.filename}: " if error.filename else ""
    return f"{place}{error.strerror or error}; {_REMEDIES.get(error.errno or 0, 'check the name and the disk')}"


def first_sentence(error: Exception) -> str:
    """The first sentence of another library's message, or the name of the exception if it has none."""
    return re.split(r"[.!?]\s|\n", str(error).strip())[0] or type(error).__name__
