"""Progress of long work: a bar on a terminal, a line now and then elsewhere; always on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn, Protocol

from tqdm import tqdm

# Seconds between two lines where there is no terminal.
_LINE_EVERY = 30.0
# Seconds from which a duration is told in minutes, and in hours.
_MINUTES_FROM, _HOURS_FROM = 120, 2 * 3600

Advance = Callable[[int], None]
"""Called with the number of units finished since the last call."""


class Progress(Protocol):
    """Reports the progress of long work; an ``Advance`` that also knows what was done before."""

    def __call__(self, count: int) -> None:
        """Adds ``count`` finished units."""

    def skip(self, count: int) -> None:
        """Adds ``count`` units that an earlier run finished; they count, but not for the speed."""


def say(subject: str, what: str) -> None:
    """Says what was done for something."""
    print(f"{subject}: {what}", file=sys.stderr, flush=True)


@contextmanager
def progress(description: str, unit: str, total: int | None = None) -> Iterator[Progress]:
    """Shows the progress of the block.

    Args:
        description: what is being done.
        unit: what is counted, in the plural.
        total: how many there will be, if known, at least roughly.

    Yields:
        What to call with the number of units just finished.
    """
    if sys.stderr.isatty():
        with tqdm(desc=description, unit=f" {unit}", total=total, file=sys.stderr, dynamic_ncols=True) as bar:
            yield _Bar(bar)
        return
    lines = _Lines(description, unit, total)
    yield lines
    lines.say()


class _Bar:
    def __init__(self, bar: tqdm[NoReturn]) -> None:
        self._bar = bar

    def __call__(self, count: int) -> None:
        self._bar.update(count)

    def skip(self, count: int) -> None:
        # As if the bar had started there: tqdm takes the speed from what comes after.
        self._bar.initial += count
        self._bar.last_print_n += count
        self._bar.n += count
        self._bar.refresh()


class _Lines:
    def __init__(self, description: str, unit: str, total: int | None) -> None:
        self._description, self._unit, self._total = description, unit, total
        self._done = self._skipped = 0
        self._start = self._said = time.monotonic()

    def __call__(self, count: int) -> None:
        self._done += count
        if time.monotonic() - self._said >= _LINE_EVERY:
            self.say()

    def skip(self, count: int) -> None:
        self._skipped += count
        self(count)

    def say(self) -> None:
        self._said = time.monotonic()
        seconds = self._said - self._start
        rate = (self._done - self._skipped) / seconds if seconds else 0.0
        before = f" ({self._skipped:,} by an earlier run)" if self._skipped else ""
        text = f"{self._description}: {self._done:,} {self._unit}{before} in {seconds:.1f} s, {rate:,.1f}/s"
        if self._total and self._done < self._total and rate:
            text += f", about {_duration((self._total - self._done) / rate)} left"
        print(text, file=sys.stderr, flush=True)


def _duration(seconds: float) -> str:
    """Like ``40 s``, ``12 min`` or ``3.5 h``."""
    if seconds < _MINUTES_FROM:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < _HOURS_FROM else f"{seconds / 3600:.1f} h"
