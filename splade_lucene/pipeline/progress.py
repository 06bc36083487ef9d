"""Progress of long work: a bar on a terminal, a line now and then elsewhere; always on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

# Seconds between two lines where there is no terminal.
_LINE_EVERY = 30.0

Advance = Callable[[int], None]
"""Called with the number of units finished since the last call."""


@contextmanager
def progress(description: str, unit: str, total: int | None = None) -> Iterator[Advance]:
    """Shows the progress of the block.

    Args:
        description: what is being done.
        unit: what is counted, in the plural.
        total: how many there will be, if known.

    Yields:
        The function to call with the number of units just finished.
    """
    if sys.stderr.isatty():
        with tqdm(desc=description, unit=f" {unit}", total=total, file=sys.stderr, dynamic_ncols=True) as bar:
            yield lambda count: (bar.update(count), None)[1]
        return
    lines = _Lines(description, unit, total)
    yield lines.advance
    lines.say()


class _Lines:
    def __init__(self, description: str, unit: str, total: int | None) -> None:
        self._description, self._unit, self._total = description, unit, total
        self._done = 0
        self._start = self._said = time.monotonic()

    def advance(self, count: int) -> None:
        self._done += count
        if time.monotonic() - self._said >= _LINE_EVERY:
            self.say()

    def say(self) -> None:
        self._said = time.monotonic()
        seconds = self._said - self._start
        rate = self._done / seconds if seconds else 0.0
        text = f"{self._description}: {self._done:,} {self._unit} in {seconds:.1f} s, {rate:,.1f}/s"
        if self._total and self._done < self._total and rate:
            text += f", about {(self._total - self._done) / rate:.0f} s left"
        print(text, file=sys.stderr, flush=True)
