"""Options that several commands share."""

from __future__ import annotations

import argparse
import math
import os

from splade_lucene.core.ids import is_usable
from splade_lucene.encoding.defaults import DEFAULT_MODEL, MAX_BITS, TINY
from splade_lucene.lucene.jvm import DEFAULT_HEAP


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


def bits(text: str) -> int:
    """A width in bits that Lucene's scores can hold, for argparse."""
    value = int(text)
    if not 1 <= value <= MAX_BITS:
        raise argparse.ArgumentTypeError(f"{text} is not from 1 to {MAX_BITS}")
    return value


def part(text: str) -> tuple[int, int]:
    """``I/N`` with I from 1 to N, for argparse."""
    number, slash, of = text.partition("/")
    if not (slash and number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
        raise argparse.ArgumentTypeError(f"{text!r} is not I/N with I from 1 to N")
    return int(number), int(of)


def _most_bad(text: str) -> int | None:
    return None if text == "all" else positive(text)


def add_skip_bad(parser: argparse.ArgumentParser) -> None:
    """``--skip-bad``."""
    parser.add_argument(
        "--skip-bad",
        type=_most_bad,
        default=0,
        metavar="N|all",
        help="leave out up to N bad lines, or all, and list them in rejected.jsonl (default: stop at the first)",
    )


def run_tag(text: str) -> str:
    """The sixth column of a run, for argparse."""
    if not is_usable(text):
        raise argparse.ArgumentTypeError(f"{text!r} would be more than one column of the run, or none; leave white space out")
    return text


def add_model(parser: argparse.ArgumentParser) -> None:
    """``--model`` and where to get it."""
    parser.add_argument(
        "--model",
        default=DEFAULT_MODEL,
        metavar="ID|DIR|tiny",
        help=f"hub id, local folder, or {TINY} for the small model that works offline (default: %(default)s)",
    )
    parser.add_argument("--revision", help="branch, tag or commit on the hub")


def add_device(parser: argparse.ArgumentParser) -> None:
    """``--device`` and ``--precision``."""
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps (default: %(default)s)")
    parser.add_argument(
        "--precision",
        default="auto",
        choices=["auto", "fp32", "bf16", "fp16"],
        help="of the model's arithmetic; auto is fp32 on a CPU and fp16 on a GPU (default: %(default)s)",
    )


def add_threads(parser: argparse.ArgumentParser) -> None:
    """``--threads``, by default all cores."""
    parser.add_argument("--threads", type=positive, default=os.cpu_count() or 1, help="default: one a core, here %(default)s")


def add_ray(parser: argparse.ArgumentParser, what: str) -> None:
    """``--ray``, ``--gpus-per-worker`` and ``--cpus-per-worker``."""
    parser.add_argument(
        "--ray",
        metavar="local|auto|ADDRESS",
        help=f"{what} on a Ray cluster: local starts one on this machine, auto joins the one that this machine belongs to",
    )
    parser.add_argument("--gpus-per-worker", type=weight, metavar="X", help="with --ray: GPUs of each worker (default: none)")
    parser.add_argument("--cpus-per-worker", type=positive, metavar="N", help="with --ray: cores of each worker (default: an even share)")


def add_java_heap(parser: argparse.ArgumentParser) -> None:
    """``--java-heap``."""
    parser.add_argument(
        "--java-heap", metavar="SIZE", default=DEFAULT_HEAP, help="largest heap of the JVM, like 512m or 4g (default: %(default)s)"
    )


def add_overwrite(parser: argparse.ArgumentParser) -> None:
    """``--overwrite``."""
    parser.add_argument("--overwrite", action="store_true", help="replace what is there")
