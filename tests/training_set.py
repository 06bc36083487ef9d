"""A small collection to train on, and a small model to start from."""

from __future__ import annotations

import json
import random
import re
import textwrap
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer

from splade_lucene.cli.main import main

QUERIES = 90
# A recipe of its own is not tried first; short texts and few steps keep a run to a second or two.
FAST = ["--max-steps", "6", "--batch-size", "8", "--max-length", "32", "--query-max-length", "8"]
RECIPE = ["--learning-rate", "1e-3", "--score-scale", "1", "--regularization", "0.1"]
# A cost that anything meets: the trained model then replaces the original unless it is significantly worse.
ANY_COST = ["--flops", "100"]


def make_dataset(folder: Path) -> Path:
    """A BEIR folder: 90 training queries, each three words of its passage; the test split cannot even be read."""
    (folder / "qrels").mkdir(parents=True)
    words = sorted(set(re.findall(r"[a-z]{4,}", Path(textwrap.__file__).read_text(encoding="utf-8"))))
    rng = random.Random(0)
    passages = [rng.sample(words, 14) for _ in range(120)]
    rows = [{"_id": f"d{n}", "title": " ".join(each[:3]), "text": " ".join(each[3:])} for n, each in enumerate(passages)]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    queries = [{"_id": f"q{n}", "text": " ".join(rng.sample(each, 3))} for n, each in enumerate(passages)]
    (folder / "queries.jsonl").write_text("".join(json.dumps(row) + "\n" for row in queries), encoding="utf-8")
    write_qrels(folder / "qrels" / "train.tsv", [(f"q{n}", f"d{n}", 1) for n in range(QUERIES)])
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq100\td100\tnot a number\n", encoding="utf-8")
    return folder


def make_base(folder: Path, bert: Path) -> Path:
    """A small model with random weights whose vectors are sparse, and whose output layer is no larger than its vocabulary."""
    load: Any = AutoModelForMaskedLM
    model = load.from_pretrained(bert)
    tokenizer: Any = AutoTokenizer.from_pretrained(bert)
    model.resize_token_embeddings(len(tokenizer))
    with torch.no_grad():
        model.get_output_embeddings().bias.sub_(3)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def write_qrels(file: Path, qrels: list[tuple[str, str, int]]) -> None:
    lines = ["query-id\tcorpus-id\tscore", *(f"{query_id}\t{doc_id}\t{grade}" for query_id, doc_id, grade in qrels)]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def train(dataset: Path, out: Path, *options: Any) -> int:
    return main(["train", str(dataset), "--out", str(out), "--device", "cpu", *FAST, *map(str, options)])


def record(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "training.json").read_text(encoding="utf-8"))
    return found
