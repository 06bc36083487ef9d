#!/usr/bin/env python
"""Indexing, side by side: our engine and Anserini's IndexCollection, each from process start to finished index.

    .venv/bin/python scripts/bench_index.py ENCODED [--rounds 3] [--java-heap 2g]

ENCODED is what `splade-lucene encode` wrote. Rounds alternate between the two; the best of each counts, since other work on the
machine only ever adds time. *cores busy* is processor time over wall time.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from splade_lucene.evaluation.table import markdown_table
from splade_lucene.lucene import jvm
from splade_lucene.lucene.card import folder_bytes
from splade_lucene.vectors.check import check_vectors
from splade_lucene.vectors.manifest import SHARDS


def processor_seconds() -> float:
    """What the children of this process that have ended took."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Measures and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("encoded", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2, help="of IndexCollection")
    parser.add_argument("--java-heap", default=jvm.DEFAULT_HEAP)
    args = parser.parse_args()
    documents = check_vectors(args.encoded).passages
    folder = Path(tempfile.mkdtemp(prefix="bench-index-"))
    systems = {
        "splade-lucene index": [
            *(sys.executable, "-m", "splade_lucene.cli.main", "index", str(args.encoded), str(folder / "ours")),
            *("--overwrite", "--java-heap", args.java_heap),
        ],
        "IndexCollection": [
            *(str(jvm.java_home() / "bin" / "java"), f"-Xmx{args.java_heap}", "-cp", str(jvm.anserini_jar())),
            *("io.anserini.index.IndexCollection", "-collection", "JsonVectorCollection", "-generator", "DefaultLuceneDocumentGenerator"),
            *("-input", str(args.encoded / SHARDS), "-index", str(folder / "anserini"), "-threads", str(args.threads)),
            *("-impact", "-pretokenized", "-optimize", "-memoryBuffer", "512"),
        ],
    }
    seconds: dict[str, list[float]] = {name: [] for name in systems}
    busy = dict.fromkeys(systems, 0.0)
    try:
        for _ in range(args.rounds):
            for name, command in systems.items():
                shutil.rmtree(folder / "anserini", ignore_errors=True)
                start, before = time.perf_counter(), processor_seconds()
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                seconds[name].append(time.perf_counter() - start)
                busy[name] += processor_seconds() - before
        sizes = {"splade-lucene index": folder_bytes(folder / "ours"), "IndexCollection": folder_bytes(folder / "anserini")}
    finally:
        shutil.rmtree(folder)
    slowest = min(seconds["IndexCollection"])
    rows = [
        {
            "indexing": name,
            "documents": f"{documents:,}",
            "seconds (each round)": ", ".join(f"{each:.1f}" for each in times),
            "documents/s": f"{documents / min(times):,.0f}",
            "ratio": f"{slowest / min(times):.1f}",
            "cores busy": f"{busy[name] / sum(times):.1f}",
            "index MB": f"{sizes[name] / 1e6:.2f}",
        }
        for name, times in seconds.items()
    ]
    print(markdown_table(rows))


if __name__ == "__main__":
    main()
