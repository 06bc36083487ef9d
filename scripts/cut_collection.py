#!/usr/bin/env python
"""Writes a BEIR folder with only what a model reads of each text, so that BM25 can be compared with it on the same words.

    .venv/bin/python scripts/cut_collection.py scifact/ scifact-cut/ --max-length 128 --query-max-length 24 [--model tiny]
    .venv/bin/splade-lucene beir scifact-cut --systems bm25-flat --out runs

A passage is its title and its text in one field, as models read it; both it and the queries end where the model's tokens do. The judgments
are copied.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from splade_lucene.collections.passages import read_passages
from splade_lucene.collections.queries import read_queries
from splade_lucene.core.files import atomic_folder
from splade_lucene.encoding.model import SpladeModel


def main() -> None:
    """Reads, cuts, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("collection", type=Path, help="BEIR folder")
    parser.add_argument("out", type=Path, help="folder to write")
    parser.add_argument("--max-length", type=int, required=True, help="tokens of a passage")
    parser.add_argument("--query-max-length", type=int, required=True, help="tokens of a query")
    parser.add_argument("--model", default="tiny")
    args = parser.parse_args()
    model = SpladeModel.load(args.model)
    passages = ((passage.doc_id, passage.contents) for passage in read_passages(args.collection))
    queries = ((query.query_id, query.text) for query in read_queries(args.collection, every=True))
    with atomic_folder(args.out, overwrite=False) as folder:
        write(folder / "corpus.jsonl", passages, cutter(model, args.max_length))
        write(folder / "queries.jsonl", queries, cutter(model, args.query_max_length))
        shutil.copytree(args.collection / "qrels", folder / "qrels")


def cutter(model: SpladeModel, length: int) -> Callable[[str], tuple[str, bool]]:
    """Cuts a text where the model does, and tells whether there was more of it."""

    def cut(text: str) -> tuple[str, bool]:
        words, more = model.read_words(text, max_length=length)
        return (text[: words[-1].end] if words and more else text), more

    return cut


def write(file: Path, texts: Iterable[tuple[str, str]], cut: Callable[[str], tuple[str, bool]]) -> None:
    """Writes texts with their ids, and prints how many were cut."""
    count = shortened = 0
    with file.open("w", encoding="utf-8") as stream:
        for name, text in texts:
            kept, more = cut(text)
            count, shortened = count + 1, shortened + more
            print(json.dumps({"_id": name, "text": kept}, ensure_ascii=False), file=stream)
    print(f"{file.name}: {shortened:,} of {count:,} texts are cut")


if __name__ == "__main__":
    main()
