#!/usr/bin/env python
"""Searching, side by side in one process: our searcher, stock Pyserini's LuceneImpactSearcher, numpy over all postings, other engines.

    .venv/bin/python scripts/bench_search.py ENCODED INDEX QUERIES [--count 500] [--threads 2] [--rounds 3]

Single queries: one thread, encoding excluded (all systems get the same encoded queries), after a round to warm up; the order of the
systems alternates from query to query, so that other work on the machine hits all alike. Ratios are of processor time of the searching
thread, which other work disturbs least. Batch: end to end, encoding included, each
system in its own way. Every system's top k is compared with ours, which equals numpy's. Other engines take part where they are
installed (pip install pyseismic-lsr bmp impact-index splade-index numba); Seismic trades recall for speed, and bmp holds no impact
above 255.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any, cast

import numpy as np
from search_peers import Exhaustive, Impacts, installed, recall, settle

from splade_lucene.collections.queries import read_queries
from splade_lucene.encoding.model import SpladeModel
from splade_lucene.evaluation.cost import latency
from splade_lucene.evaluation.table import markdown_table
from splade_lucene.lucene import jvm
from splade_lucene.lucene.docids import docids_of
from splade_lucene.lucene.java import lucene_version
from splade_lucene.lucene.memory import InMemory
from splade_lucene.pipeline.search import ImpactSearcher
from splade_lucene.records import Hit, Query


def main() -> None:
    """Measures and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("encoded", type=Path)
    parser.add_argument("index", type=Path)
    parser.add_argument("queries", type=Path)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--every", type=int, default=10, help="the filtered search finds one document in this number")
    parser.add_argument("--single", action="store_true", help="single queries only")
    parser.add_argument("--lucene", action="store_true", help="ours and LuceneImpactSearcher only")
    args = parser.parse_args()
    jvm.start()
    os.environ.setdefault("OPENAI_API_KEY", "pyserini.search wants one to be imported")
    from pyserini.search.lucene import LuceneImpactSearcher

    queries = read_queries(args.queries)[: args.count]
    ours, disk = ImpactSearcher(args.index, in_memory=True), ImpactSearcher(args.index, in_memory=False)
    scorer = ImpactSearcher(args.index, in_memory=cast("InMemory", None))  # as where sums could reach 2^24
    ours.load()
    some = ours.filter(docids_of(ours._reader)[:: args.every])
    model = SpladeModel.load(ours.encoder_record.document.model)
    bound = {"max_length": ours.query_max_length, "scale": ours.encoder_record.scale}
    encoded = dict(zip([query.text for query in queries], model.encode_queries([query.text for query in queries], **bound), strict=True))

    class Cached:
        def encode(self, text: str) -> Impacts:
            return encoded[text]

    stock = LuceneImpactSearcher(str(args.index), Cached())
    others: dict[str, Any] = {}
    if not args.lucene:
        others = {"numpy, exhaustive": Exhaustive(args.encoded), **installed(args.encoded)}
    systems: dict[str, Callable[[str, int], list[Hit]]] = {
        "splade_lucene": lambda text, k: ours.search_impacts(encoded[text], k),
        "splade_lucene, from disk": lambda text, k: disk.search_impacts(encoded[text], k),
        "splade_lucene, Lucene's scorer": lambda text, k: scorer.search_impacts(encoded[text], k),
        f"splade_lucene, within 1 of {args.every} documents": lambda text, k: ours.search_impacts(encoded[text], k, within=some),
        "LuceneImpactSearcher": lambda text, k: [Hit(hit.docid, round(hit.score)) for hit in stock.search(text, k)],
        **{name: lambda text, k, other=other: other.search(encoded[text], k) for name, other in others.items()},
    }
    settle()
    rows = []
    for k in (10, 1000):
        seconds: dict[str, list[float]] = {name: [] for name in systems}
        processor: dict[str, list[float]] = {name: [] for name in systems}
        same, recalled = dict.fromkeys(systems, 0), dict.fromkeys(systems, 0.0)
        for warm in (False, *[True] * args.rounds):
            for number, text in enumerate(encoded):
                found = {}
                for name in sorted(systems, key=lambda each: (list(systems).index(each) + number) % len(systems)):
                    start, busy = time.perf_counter(), time.thread_time()
                    found[name] = systems[name](text, k)
                    if warm:
                        seconds[name].append(time.perf_counter() - start)
                        processor[name].append(time.thread_time() - busy)
                for name in systems if warm else ():
                    same[name] += found[name] == found["splade_lucene"]
                    recalled[name] += recall(found[name], found["splade_lucene"]) / len(encoded) / args.rounds
        for name, times in seconds.items():
            mean, p50, p99 = astuple(latency(times))
            rows.append({
                "k": str(k), "one thread, encoding excluded": name, "mean ms": f"{mean:.3f}", "p50": f"{p50:.3f}",
                "p90": f"{np.percentile(times, 90) * 1e3:.2f}", "p99": f"{p99:.2f}",
                "processor ms": f"{np.mean(processor[name]) * 1e3:.3f}",
                "ratio": f"{np.mean(processor['LuceneImpactSearcher']) / np.mean(processor[name]):.2f}",
                "same hits": f"{same[name]}/{len(encoded) * args.rounds}", "recall": f"{recalled[name]:.3f}",
            })  # fmt: skip
    print(f"Lucene {lucene_version()}", markdown_table(rows), sep="\n\n")
    if not args.single:
        openers = {
            "splade_lucene": lambda: ImpactSearcher(args.index),
            "LuceneImpactSearcher": lambda: LuceneImpactSearcher(str(args.index), Cached()),
        }
        print("", markdown_table(opening(openers)), "", sep="\n")
        print(markdown_table(end_to_end(queries, ours, stock, model.name, args.threads)))


def opening(openers: dict[str, Callable[[], object]]) -> list[dict[str, str]]:
    """Rows of opening the index again in a JVM that is up; the first time in a process Java loads its classes, see bench_start.py."""
    rows = []
    for name, open_index in openers.items():
        times = []
        for _ in range(10):
            start = time.perf_counter()
            open_index()
            times.append(time.perf_counter() - start)
        rows.append({"opening": name, "ms, median of 10": f"{np.median(times) * 1e3:.1f}", "largest": f"{max(times) * 1e3:.1f}"})
    return rows


def end_to_end(queries: Sequence[Query], ours: ImpactSearcher, stock: Any, model: str, threads: int) -> list[dict[str, str]]:
    """Rows of the batch: each system encodes and searches in its own way; the best of three rounds counts."""
    from pyserini.encode import SpladeQueryEncoder

    from splade_lucene.encoding.loading import find_model

    class Encoding:
        """Pyserini's own encoder, one query at a time, as batch_search asks for it."""

        def __init__(self, folder: str) -> None:
            self._encoder = SpladeQueryEncoder(folder)

        def encode(self, text: str) -> Impacts:
            """Token to impact, on Pyserini's own scale."""
            weights = self._encoder.encode(text, max_length=ours.query_max_length)
            return {token: int(weight) for token, weight in weights.items()}

    stock.query_encoder = Encoding(str(find_model(model).folder))
    texts = {query.query_id: query.text for query in queries}
    ours.query_encoder()
    systems: dict[str, Callable[[], object]] = {
        "splade_lucene": lambda: ours.search_batch(texts, 1000, threads),
        "LuceneImpactSearcher": lambda: stock.batch_search(list(texts.values()), list(texts), 1000, threads),
    }
    best = {}
    for name, run in systems.items():
        times = []
        for _ in range(3):
            start = time.perf_counter()
            run()
            times.append(time.perf_counter() - start)
        best[name] = min(times)
    return [
        {
            f"end to end, {len(texts)} queries, k=1000, {threads} threads": name,
            "seconds": f"{seconds:.2f}",
            "queries/s": f"{len(texts) / seconds:.0f}",
            "ratio": f"{best['LuceneImpactSearcher'] / seconds:.1f}",
        }
        for name, seconds in best.items()
    ]


if __name__ == "__main__":
    main()
