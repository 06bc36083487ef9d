"""Estimate what encoding, indexing and searching a collection will cost, from measurements on a sample, on machines like this one."""

from __future__ import annotations

import argparse
from itertools import cycle, islice
from typing import TYPE_CHECKING

from splade_lucene.cli.argument_types import bits, place, positive, weight
from splade_lucene.cli.encoding_options import add_shares, encoding_settings
from splade_lucene.cli.model_options import add_device, add_model, model_spec
from splade_lucene.cli.options import CORPUS_HELP, add_java_heap
from splade_lucene.encoding.defaults import DEFAULT_SCALE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from splade_lucene.experiment.plan import Plan, SampledCollection
    from splade_lucene.records import Passage

HELP = "estimate what a collection will cost"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("corpus", nargs="?", type=place, help=f"{CORPUS_HELP}; left out, --documents and --words describe it")
    parser.add_argument("--documents", type=positive, metavar="N", help="number of passages (default: counted or estimated)")
    parser.add_argument(
        "--words", type=positive, metavar="N", help="without a corpus: words per passage, taken from Python's documentation"
    )
    parser.add_argument(
        "--workers", type=positive, default=1, metavar="N", help="machines like this one, or GPUs, that encode (default: 1)"
    )
    parser.add_argument("--parts", type=positive, default=1, metavar="N", help="parts of the index, on as many machines (default: 1)")
    parser.add_argument("--seconds", type=positive, default=30, help="for encoding the sample, roughly (default: %(default)s)")
    add_model(parser)
    parser.add_argument("--max-length", type=positive, help="as for `encode`, and so the next ones")
    parser.add_argument("--scale", type=positive, default=DEFAULT_SCALE, help="default: %(default)s")
    parser.add_argument("--top-k", type=positive, metavar="K")
    parser.add_argument("--min-weight", type=weight, metavar="X")
    add_shares(parser)
    parser.add_argument("--bits", type=bits, metavar="N")
    parser.add_argument("--store-contents", action="store_true")
    add_device(parser)
    add_java_heap(parser)


def run(args: argparse.Namespace) -> None:
    """Runs the command."""
    if (args.corpus is None) == (args.words is None):
        args.usage_error("give a CORPUS, or --documents N --words M")
    if args.words is not None and args.documents is None:
        args.usage_error("--words needs --documents")
    from splade_lucene.encoding.model import SpladeModel
    from splade_lucene.evaluation.table import markdown_table
    from splade_lucene.experiment.environment import machine
    from splade_lucene.experiment.plan import plan
    from splade_lucene.lucene import jvm

    model = SpladeModel.load(**model_spec(args)._asdict())
    jvm.start(heap=args.java_heap)
    collection = _collection(args)
    found = plan(collection, model, encoding_settings(args), seconds=args.seconds)
    here = machine()
    print(f"{found.documents:,} passages, {found.terms:.1f} terms each, model {model.name}; on {here['cpu']}, {here['cores']} cores")
    print(markdown_table(_rows(found, args.workers, args.parts), left=1))


def _collection(args: argparse.Namespace) -> SampledCollection:
    from splade_lucene.collections.passages import estimate_passages, read_passages
    from splade_lucene.experiment.plan import sample_collection

    if args.corpus is None:
        return sample_collection(_made_of_documentation(args.words))._replace(documents=args.documents)
    collection = sample_collection(read_passages(args.corpus), estimate_passages(args.corpus))
    return collection if args.documents is None else collection._replace(documents=args.documents)


def _made_of_documentation(words: int) -> Iterator[Passage]:
    """Passages of a given length from the built-in collection, a few thousand."""
    from splade_lucene.collections import pydocs
    from splade_lucene.records import Passage

    text = (word for passage in pydocs.passages() for word in passage.contents.split())
    endless = cycle(list(text))
    return (Passage(f"p{number}", " ".join(islice(endless, words))) for number in range(5_000))


def _rows(plan: Plan, workers: int, parts: int) -> list[dict[str, str]]:
    kind = "GPU-hours" if plan.cores == 0 else "core-hours"
    machine_hours = plan.encode_seconds / 3600
    hours = machine_hours * max(1, plan.cores)
    encoded, rate = f"{plan.encoded:,} passages encoded", plan.documents / plan.encode_seconds
    copies = f"an index of {plan.indexed:,} copies"
    return [
        _row("read", _time(plan.read_seconds), "read here; one process does it"),
        _row("encode", _time(plan.encode_seconds / workers), f"{encoded}, {rate:,.1f}/s; {workers} worker(s)"),
        _row("encode", f"{hours:,.2f} {kind}", "the same"),
        _row("memory while encoding", _bytes(plan.peak_bytes), "the peak here, per worker"),
        _row("vectors on disk", _bytes(plan.vector_bytes), encoded),
        _row("index", _time(plan.index_seconds / parts), f"{copies}, one thread; {parts} part(s) at the same time"),
        _row("index on disk", _bytes(plan.index_bytes), copies),
        _row("index in memory", f"{_bytes(plan.memory_bytes / parts)} a part", f"{copies}; of Java's heap, if it is searched in memory"),
        _row(
            "search",
            f"{plan.search_ms / parts:,.1f} ms",
            f"{copies} and one a quarter as large; 1,000 hits, 8 words, in memory",
        ),
    ]


def _row(what: str, estimate: str, how: str) -> dict[str, str]:
    return {"": what, "estimate": estimate, "measured on": how}


def _time(seconds: float) -> str:
    for unit, size in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds:,.1f} seconds"


def _bytes(count: float) -> str:
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count / 1e3:,.1f} kB"
