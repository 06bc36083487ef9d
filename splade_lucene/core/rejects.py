"""What readers do with a bad line: stop, or record it and continue."""

from __future__ import annotations

from typing import NamedTuple

from splade_lucene.errors import InputError


class Rejected(NamedTuple):
    """A line that was left out.

    Attributes:
        file: the file, as the user named it.
        line: the number of the line, counted from 1.
        reason: what is wrong with it.
    """

    file: str
    line: int | None
    reason: str


class RejectPolicy:
    """Stops at a bad line, or records it and continues. Use one object for each reading of a collection.

    Args:
        most: the number of bad lines that may be left out; reading stops at the next. None for any number.

    Attributes:
        rejected: those that were left out, in the order of reading.
    """

    def __init__(self, most: int | None = 0) -> None:
        self._most = most
        self.rejected: list[Rejected] = []

    def handle(self, error: InputError) -> None:
        """Deals with a bad line.

        Raises:
            InputError: ``error``, unless the line may be left out.
        """
        if self._most is None or len(self.rejected) < self._most:
            self.rejected.append(Rejected(str(error.path), error.line, error.problem))
        elif self._most == 0:
            raise error from None
        else:
            problem = f"{error.problem} ({self._most} bad lines were left out before, the most that --skip-bad allows)"
            raise InputError(error.path, problem, error.line) from None
