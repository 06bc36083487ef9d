#!/usr/bin/env python
"""Where the time of one search goes, from the start of the process to the written run.

    .venv/bin/python scripts/bench_start.py INDEX QUERIES [--rounds 5] [--table INDEX]

With --table, an index whose queries are looked up in a table (`encode --query-model idf`, or a model that brings one) is searched as
well, beside what importing torch alone takes; both with the queries a second of `search_batch` over all of QUERIES.

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
import json, os, sys, time
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the command does
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
jvm.start(brief=True); lap("start Java")
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

_RATE = """
import json, sys, time
from pathlib import Path
from splade_lucene.collections.queries import read_queries
from splade_lucene.pipeline.search import ImpactSearcher
queries = {query.query_id: query.text for query in read_queries(Path(sys.argv[2]))}
with ImpactSearcher(sys.argv[1]) as searcher:
    searcher.search_batch(queries, 10)
    start = time.perf_counter()
    searcher.search_batch(queries, 10)
    print(len(queries) / (time.perf_counter() - start), "torch" in sys.modules)
"""


def seconds(command: list[str]) -> float:
    """How long a process takes."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    """Measures and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("index", type=Path)
    parser.add_argument("queries", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--table", type=Path, metavar="INDEX", help="an index whose queries are looked up in a table")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        topics, run = Path(folder) / "topics.tsv", Path(folder) / "run.txt"
        query = read_queries(args.queries)[0]
        topics.write_text(f"{query.query_id}\t{query.text}\n", encoding="utf-8")
        paths = [str(args.index), str(topics), str(run)]
        whole, steps, torch, table = [], [], [], []
        for _ in range(args.rounds):
            command = [sys.executable, "-m", "splade_lucene.cli.main", "search"]
            whole.append(seconds([*command, *paths]))
            torch.append(seconds([sys.executable, "-c", "import torch"]))
            if args.table:
                table.append(seconds([*command, str(args.table), *paths[1:]]))
            done = subprocess.run([sys.executable, "-c", _STEPS, *paths], check=True, stdout=subprocess.PIPE)
            steps.append(json.loads(done.stdout.splitlines()[-1]))
    best = min(steps, key=lambda laps: sum(laps.values()))
    rows = [{"one query": name, "ms": f"{milliseconds:.0f}"} for name, milliseconds in best.items()]
    wholes = {"**splade-lucene search, process start to end**": whole, "for comparison: python -c 'import torch'": torch}
    if args.table:
        wholes["**splade-lucene search, queries from a table**"] = table
    rows += [{"one query": name, "ms": f"{min(times) * 1e3:.0f}"} for name, times in wholes.items()]
    print(markdown_table(rows))
    print(f"\nthe search takes {min(whole) / min(torch):.2f} times as long as importing torch")
    if args.table:
        print(f"with queries from a table {min(table) / min(torch):.2f} times")
    for index in filter(None, (args.index, args.table)):
        done = subprocess.run([sys.executable, "-c", _RATE, str(index), str(args.queries)], check=True, stdout=subprocess.PIPE, text=True)
        rate, torch_there = done.stdout.split()
        print(f"{index}: search_batch {float(rate):,.0f} queries a second, torch imported: {torch_there}")


if __name__ == "__main__":
    main()
