#!/usr/bin/env python
"""Where the time of one search goes, from the start of the process to the written run.

    .venv/bin/python scripts/bench_start.py INDEX QUERIES [--rounds 5]

The first query of QUERIES is searched for by the command in a process of its own; the best of the rounds counts, since other work on
the machine only ever adds time. Then the same steps are timed one by one, in a process of their own too; the command does them in the
same order. The query of a BERT-like model is encoded without torch; how long importing torch alone takes is measured in the same rounds.
(Importing torch in a thread while Java starts was slower: both need Python's lock.)
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from splade_lucene.collections.queries import read_queries
from splade_lucene.evaluation.table import markdown_table

_STEPS = """
import json, sys, time
laps, last = {}, time.perf_counter()
def lap(name):
    global last
    now = time.perf_counter()
    laps[name], last = (now - last) * 1e3, now
index, queries, run = sys.argv[1:]
from pathlib import Path
import splade_lucene.cli.main
from splade_lucene.collections.queries import read_queries
texts = read_queries(Path(queries)); lap("import the command, read the query")
from splade_lucene.lucene import jvm
jvm.start(); lap("start Java")
from splade_lucene.pipeline.search import ImpactSearcher, search_queries
searcher = ImpactSearcher(index); lap("open the index, Java's classes loaded for the first time")
ImpactSearcher(index).close(); lap("open it again")
with searcher.encoder_for(len(texts)):
    lap("load the encoder of queries" + (", torch included" if "torch" in sys.modules else ", without torch"))
    searcher.query_encoder().encode_queries([texts[0].text]); lap("encode the query")
result = search_queries(searcher, texts); lap("load, encode and search")
from splade_lucene.evaluation.runs import write_run
write_run(Path(run), result.run, tag="x", notes=result.notes); lap("write the run")
print(json.dumps(laps))
"""


def main() -> None:
    """Measures and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("index", type=Path)
    parser.add_argument("queries", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        topics, run = Path(folder) / "topics.tsv", Path(folder) / "run.txt"
        query = read_queries(args.queries)[0]
        topics.write_text(f"{query.query_id}\t{query.text}\n", encoding="utf-8")
        paths = [str(args.index), str(topics), str(run)]
        whole, importing, steps = [], [], []
        for _ in range(args.rounds):
            start = time.perf_counter()
            command = [sys.executable, "-m", "splade_lucene.cli.main", "search", *paths]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            whole.append(time.perf_counter() - start)
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", "import torch"], check=True)
            importing.append(time.perf_counter() - start)
            done = subprocess.run([sys.executable, "-c", _STEPS, *paths], check=True, stdout=subprocess.PIPE)
            steps.append(json.loads(done.stdout.splitlines()[-1]))
    best = min(steps, key=lambda laps: sum(laps.values()))
    rows = [{"one query": name, "ms": f"{milliseconds:.0f}"} for name, milliseconds in best.items()]
    rows.append({"one query": "**splade-lucene search, process start to end**", "ms": f"{min(whole) * 1e3:.0f}"})
    rows.append({"one query": "for comparison: python -c 'import torch'", "ms": f"{min(importing) * 1e3:.0f}"})
    print(markdown_table(rows))
    print(f"\nthe search takes {min(whole) / min(importing):.2f} times as long as importing torch")


if __name__ == "__main__":
    main()
