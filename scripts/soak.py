#!/usr/bin/env python
"""Searches an impact index from many threads and opens and closes it many times; memory and files must not grow.

Queries are parts of the index's own vectors, and every five-hundredth is a text that the model encodes on the fly. Each result is compared
with that of a single thread. Memory is looked at after a warm-up and at the end, each time after a collection of garbage in both
languages.
"""

from __future__ import annotations

import argparse
import gc
import random
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from splade_lucene.encoding.model import SpladeModel
from splade_lucene.lucene import jvm
from splade_lucene.pipeline.search import ImpactSearcher
from splade_lucene.records import Hit
from splade_lucene.vectors.reader import read_vectors

_DISTINCT, _TERMS, _K = 500, 20, 10
_TEXT_EVERY = 500
# Growth between warm-up and end that is noise, in megabytes (each new set of threads gets pools of the allocator's; two runs of 50,000
# and of 120,000 queries grew by 29 and by 19 MB), and in files and memory maps.
_NOISE_MB, _NOISE_FILES = 40.0, 4


class Memory(NamedTuple):
    """What the process holds: resident memory and Java's heap in MB, open files, mapped regions of the index."""

    resident: float
    heap: float
    files: int
    maps: int

    def grew(self, before: Memory) -> bool:
        """Whether it is more than before, beyond noise."""
        noise = (_NOISE_MB, _NOISE_MB, _NOISE_FILES, _NOISE_FILES)
        return any(now > then + more for now, then, more in zip(self, before, noise, strict=True))


def memory(index: Path) -> Memory:
    """Looks, after a collection of garbage."""
    runtime = jvm.jnius().autoclass("java.lang.Runtime").getRuntime()
    for _ in range(3):
        gc.collect()
        runtime.gc()
        time.sleep(0.2)
    heap = (runtime.totalMemory() - runtime.freeMemory()) / 1e6
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    resident = int(status.split("VmRSS:")[1].split()[0]) * 1024 / 1e6
    maps = Path("/proc/self/maps").read_text(encoding="utf-8").count(str(index.resolve()))
    return Memory(round(resident, 1), round(heap, 1), len(list(Path("/proc/self/fd").iterdir())), maps)


class Soak:
    """An open searcher with its queries and what a single thread finds for them."""

    def __init__(self, searcher: ImpactSearcher, encoded: Path) -> None:
        self._searcher = searcher
        dice = random.Random(6)
        vectors = [vector.vector for vector in islice(read_vectors(encoded), _DISTINCT)]
        kept = [dice.sample(list(vector), min(_TERMS, len(vector))) for vector in vectors]
        self.impacts = [{token: vector[token] for token in some} for vector, some in zip(vectors, kept, strict=True) if some]
        self.texts = [" ".join(token for token in impacts if token.isalpha()) for impacts in self.impacts[:20]]
        self.expected = [searcher.search_impacts(impacts, _K) for impacts in self.impacts]
        self.expected_texts = [searcher.search(text, _K) for text in self.texts]
        self.problems: list[str] = []
        self.done = 0
        self._lock = threading.Lock()

    def one(self, number: int) -> None:
        """Searches for one of the queries and compares."""
        expected: list[Hit]
        if number % _TEXT_EVERY == 0:
            which = number // _TEXT_EVERY % len(self.texts)
            found, expected = self._searcher.search(self.texts[which], _K), self.expected_texts[which]
        else:
            which = number % len(self.impacts)
            found, expected = self._searcher.search_impacts(self.impacts[which], _K), self.expected[which]
        with self._lock:
            self.done += 1
            if found != expected:
                self.problems.append(f"query {number} found {found[:3]}… and alone {expected[:3]}…")

    def run(self, first: int, count: int, threads: int) -> None:
        """Searches for many queries from several threads."""

        def work(thread: int) -> None:
            try:
                for number in range(first + thread, first + count, threads):
                    self.one(number)
            except Exception as error:
                self.problems.append(f"{type(error).__name__}: {error}")
            finally:
                jvm.jnius().detach()

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, range(threads)))


def main() -> int:
    """Soaks and prints what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("encoded", type=Path, help="what `encode` wrote")
    parser.add_argument("index", type=Path, help="the impact index of it")
    parser.add_argument("--queries", type=int, default=50_000, help="(default: %(default)s)")
    parser.add_argument("--threads", type=int, default=8, help="(default: %(default)s)")
    parser.add_argument("--cycles", type=int, default=1000, help="of opening, one search and closing (default: %(default)s)")
    args = parser.parse_args()
    problems = []
    model = SpladeModel.load("tiny", device="cpu")
    start = time.monotonic()
    with ImpactSearcher(args.index, model=model) as searcher:
        soak = Soak(searcher, args.encoded)
        soak.run(0, args.queries // 5, args.threads)
        warm = memory(args.index)
        print(f"after {soak.done:,} queries in {args.threads} threads: {warm}", flush=True)
        for _ in range(4):
            soak.run(soak.done, args.queries // 5, args.threads)
            now = memory(args.index)
            print(f"after {soak.done:,}: {now}", flush=True)
        if now.grew(warm):
            problems.append(f"searching grows: {warm} became {now}")
        problems += soak.problems
        expected = soak.expected[0]
    closed = memory(args.index)
    for cycle in range(args.cycles + args.cycles // 5):
        if cycle == args.cycles // 5:
            closed = memory(args.index)
            print(f"after {cycle} cycles: {closed}", flush=True)
        with ImpactSearcher(args.index, model=model) as searcher:
            if searcher.search_impacts(soak.impacts[0], _K) != expected:
                problems.append(f"cycle {cycle} found something else")
    now = memory(args.index)
    print(f"after {args.cycles} more: {now}", flush=True)
    if now.grew(closed):
        problems.append(f"opening and closing leaks: {closed} became {now}")
    for problem in problems:
        print(problem)
    seconds = time.monotonic() - start
    print(f"soak: {soak.done:,} queries in {args.threads} threads, {args.cycles:,} cycles, {len(problems)} problems, {seconds:.0f} s")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
