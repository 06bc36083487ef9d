#!/usr/bin/env python
"""Holds what `plan` estimates against real runs of two sizes: the first part of a collection, and all that is asked for.

    .venv/bin/python scripts/bench_plan.py CORPUS [--model tiny] [--sizes 1000 3000] [--max-length 64] [--seconds 20] [--processor-time]

Times need an idle machine. On a busy one `--processor-time` compares the processor time that both estimate and run take of all cores.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from itertools import islice
from pathlib import Path

from splade_lucene.collections.passages import read_passages
from splade_lucene.encoding.model import SpladeModel
from splade_lucene.evaluation.table import markdown_table
from splade_lucene.experiment.plan import plan, sample_collection
from splade_lucene.lucene.card import folder_bytes
from splade_lucene.lucene.indexing import build_impact_index
from splade_lucene.pipeline.encode import EncodingSettings, encode_collection


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 3000])
    parser.add_argument("--max-length", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--processor-time", action="store_true")
    args = parser.parse_args()
    if args.processor_time:
        time.perf_counter = time.process_time  # for this script and what it measures
    model, settings = SpladeModel.load(args.model), EncodingSettings(max_length=args.max_length)
    rows = []
    for size in args.sizes:
        passages = list(islice(read_passages(args.corpus), size))
        found = plan(sample_collection(iter(passages)), model, settings, seconds=args.seconds)
        with tempfile.TemporaryDirectory() as name:
            out, index = Path(name) / "out", Path(name) / "index"
            start = time.perf_counter()
            manifest = encode_collection(passages, out, model, settings=settings)
            encode_seconds, start = time.perf_counter() - start, time.perf_counter()
            build_impact_index(out, index, threads=1)
            index_seconds = time.perf_counter() - start
            vectors = sum(file.stat().st_size for file in (out / "vectors").iterdir())
            real = (manifest.postings / size, encode_seconds, index_seconds, vectors / 1e6, folder_bytes(index) / 1e6)
        estimates = (found.terms, found.encode_seconds, found.index_seconds, found.vector_bytes / 1e6, found.index_bytes / 1e6)
        names = ("terms a passage", "encode s", "index s", "vectors MB", "index MB")
        rows += [
            {"passages": f"{size:,}", "": name, "estimate": f"{estimate:.2f}", "real": f"{each:.2f}", "ratio": f"{estimate / each:.2f}"}
            for name, estimate, each in zip(names, estimates, real, strict=True)
        ]
    print(markdown_table(rows, left=2))


if __name__ == "__main__":
    main()
