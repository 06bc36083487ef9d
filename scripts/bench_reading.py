#!/usr/bin/env python
"""How fast passages come from a file, a web server and an S3-compatible server on this machine, and from Ray Data.

    .venv/bin/python scripts/bench_reading.py CORPUS [--passages 50000] [--rounds 3] [--ray]

The encoding of a collection needs its passages in their order, as the same text, each with its line; so does Ray Data here
(`preserve_order`). All rows are read side by side in each round; the table has medians, and processor time of this process.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from splade_lucene.collections.passages import passage_files, passages_of, read_passages
from splade_lucene.evaluation.table import markdown_table
from splade_lucene.records import Passage
from tests.object_store import object_store

Read = Callable[[], Iterable[Passage]]


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--passages", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ray", action="store_true", help="Ray Data too")
    args = parser.parse_args()
    (source,) = passage_files(args.corpus)
    with tempfile.TemporaryDirectory() as folder, object_store() as store:
        corpus = Path(folder) / "corpus.jsonl"
        with source.open("rb") as stream:
            corpus.write_bytes(b"".join(islice(stream, args.passages)))
        store.files["data/corpus.jsonl"] = corpus.read_bytes()
        reads: dict[str, Read] = {
            "file": lambda: read_passages(corpus),
            "http": lambda: read_passages(f"{store.http}/data/corpus.jsonl"),
            "s3": lambda: read_passages(store.s3("data/corpus.jsonl")),
        }
        if args.ray:
            reads["Ray Data"] = _ray_data(corpus)
        seconds: dict[str, list[float]] = {name: [] for name in reads}
        processor: dict[str, list[float]] = {name: [] for name in reads}
        first = list(reads["file"]())
        for _ in range(args.rounds):
            for name, read in reads.items():
                start, used = time.perf_counter(), time.process_time()
                found = list(read())
                seconds[name].append(time.perf_counter() - start)
                processor[name].append(time.process_time() - used)
                if found != first:
                    print(f"{name}: other passages than the file")
    rows = [
        {
            "from": name,
            "passages/s": f"{len(first) / median(seconds[name]):,.0f}",
            "processor µs a passage": f"{median(processor[name]) / len(first) * 1e6:.1f}",
        }
        for name in reads
    ]
    print(f"{len(first):,} passages, {len(store.files['data/corpus.jsonl']) / 1e6:.1f} MB")
    print(markdown_table(rows, left=1))


def _ray_data(corpus: Path) -> Read:
    import ray

    ray.init(include_dashboard=False, log_to_driver=False)
    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = True
    context.enable_progress_bars = False
    return lambda: passages_of(ray.data.read_json(str(corpus)).iter_rows())


if __name__ == "__main__":
    main()
