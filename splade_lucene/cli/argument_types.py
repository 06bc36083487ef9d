"""What the text of an argument must be: the types that commands give argparse."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from splade_lucene.core.ids import is_usable
from splade_lucene.core.streams import AnyPath, as_path
from splade_lucene.encoding.defaults import MAX_BITS, MAX_SCALE
from splade_lucene.errors import EngineError
from splade_lucene.integrations.engines.address import EngineAddress, parse_address

if TYPE_CHECKING:
    from splade_lucene.vectors.parts import Part


def positive(text: str) -> int:
    """An integer from 1, for argparse."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return value


def weight(text: str) -> float:
    """A finite number above 0, for argparse."""
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return value


def from_0(text: str) -> float:
    """A finite number from 0, for argparse."""
    value = float(text)
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 0")
    return value


def fraction(text: str) -> float:
    """A number from 0 to 1, for argparse."""
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not from 0 to 1")
    return value


def share(text: str) -> float:
    """A number above 0 and at most 1, for argparse."""
    value = float(text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not above 0 and at most 1")
    return value


def scale(text: str) -> float:
    """A factor of weights whose impacts Lucene's scores can hold, for argparse."""
    value = float(text)
    if not 1 <= value <= MAX_SCALE:
        raise argparse.ArgumentTypeError(f"{text} is not from 1 to {MAX_SCALE:,}; impacts from 2^24 on are not exact in Lucene's scores")
    return int(value) if value.is_integer() else value


def bits(text: str) -> int:
    """A width in bits that Lucene's scores can hold, for argparse."""
    value = int(text)
    if not 1 <= value <= MAX_BITS:
        raise argparse.ArgumentTypeError(f"{text} is not from 1 to {MAX_BITS}")
    return value


def part(text: str) -> Part:
    """``I/N`` with I from 1 to N, for argparse."""
    from splade_lucene.vectors.parts import Part

    number, slash, of = text.partition("/")
    if not (slash and number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
        raise argparse.ArgumentTypeError(f"{text!r} is not I/N with I from 1 to N")
    return Part(int(number), int(of))


def most_bad(text: str) -> int | None:
    """How many bad lines may be left out, None for ``all``, for argparse."""
    return None if text == "all" else positive(text)


def engine_address(text: str) -> EngineAddress:
    """An index of another engine, for argparse."""
    try:
        return parse_address(text)
    except EngineError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def run_tag(text: str) -> str:
    """The sixth column of a run, for argparse."""
    if not is_usable(text):
        raise argparse.ArgumentTypeError(f"{text!r} would be more than one column of the run, or none; leave white space out")
    return text


def folder(text: str) -> Path:
    """The name of a folder, for argparse."""
    if text == "-":
        raise argparse.ArgumentTypeError("expected a folder, not standard input or output; give its name")
    return _here(text)


def output_file(text: str) -> Path:
    """The name of a file to write, or ``-``, for argparse."""
    return _here(text)


def place(text: str) -> AnyPath:
    """What a file or folder to read is called, or its URL, for argparse."""
    return as_path(text)


def names(separator: str) -> Callable[[str], tuple[str, ...]]:
    """Names with a separator between them, for argparse."""

    def split(text: str) -> tuple[str, ...]:
        found = tuple(name.strip() for name in text.split(separator))
        if not all(found):
            raise argparse.ArgumentTypeError(f"{text!r} has an empty name between two {separator!r}")
        return found

    return split


def _here(text: str) -> Path:
    found = as_path(text)
    if not isinstance(found, Path):
        raise argparse.ArgumentTypeError(
            f"{found} is a URL, where only passages, queries and judgments are read; give a name on this machine"
        )
    return found
