#!/usr/bin/env python
"""A training step, time and memory: our head against that of sentence-transformers.

    .venv/bin/python scripts/bench_train.py [--model tiny|base|DIR] [--batch 32] [--lengths 128 24] [--device cuda]

A step is a batch of queries, each with a positive and a negative, forward, backward and AdamW; `base` is BERT-base with random weights
and biases that leave some 200 terms a passage. The median of the steps after the first. On a CPU one thread and its CPU time, so that
other work on the machine disturbs little, and the peak memory of the whole process; each row is a process of its own. On a GPU seconds
on the clock, and the most that torch allocated there.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HEADS = ("ours", "theirs")


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="tiny", help="tiny, base for BERT-base with random weights, or a folder")
    parser.add_argument("--batch", type=int, default=32, help="queries of a step")
    parser.add_argument("--lengths", type=int, nargs=2, default=[128, 24], help="tokens of a passage and of a query")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:1")
    parser.add_argument("--heads", nargs="+", choices=HEADS, default=list(HEADS))
    parser.add_argument("--one", choices=HEADS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(args)))
        return
    from splade_lucene.evaluation.table import markdown_table

    rows = []
    for head in args.heads:
        done = subprocess.run([sys.executable, __file__, *sys.argv[1:], "--one", head], stdout=subprocess.PIPE, text=True, check=True)
        seconds, terms, gigabytes = json.loads(done.stdout.splitlines()[-1])
        rows.append({
            f"{args.model}, {args.batch} queries, {args.lengths[0]}/{args.lengths[1]} tokens, {args.device}": head,
            "s a step": f"{seconds:.3g}",
            "peak GB": f"{gigabytes:.1f}",
            "terms a passage": f"{terms:.0f}",
        })  # fmt: skip
    print(markdown_table(rows))


def measure(args: argparse.Namespace) -> tuple[float, float, float]:
    """Seconds of a step, terms of a passage, and peak memory in GB."""
    import torch
    from sentence_transformers.sparse_encoder.losses import SpladeLoss

    from splade_lucene.training.encoder import TrainedEncoder, load_encoder
    from splade_lucene.training.losses import MaskedRankingLoss

    torch.set_num_threads(1)
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        trained = load_encoder(random_base(Path(folder)) if args.model == "base" else args.model, device=args.device)
    if args.one == "theirs":
        for module in trained.encoder.modules():
            vars(module).pop("forward", None)
    assert isinstance(trained, TrainedEncoder)
    ranking = MaskedRankingLoss(trained.encoder, {row: frozenset({row}) for row in range(args.batch)}, scale=1.0)
    loss = SpladeLoss(trained.encoder, ranking, document_regularizer_weight=5e-3, query_regularizer_weight=5e-3)
    optimizer = torch.optim.AdamW(trained.encoder.parameters(), lr=1e-5, weight_decay=0.0)
    trained.encoder.train()
    labels = torch.tensor([[row, row, row + args.batch] for row in range(args.batch)])
    documents, queries = args.lengths
    on_gpu = args.device != "cpu"
    seconds = []
    for _ in range(args.steps + 1):
        features = [batch(trained, "query", args.batch, queries), *(batch(trained, "document", args.batch, documents) for _ in range(2))]
        features = [{name: values.to(args.device) for name, values in each.items()} for each in features]
        start = time.monotonic() if on_gpu else time.process_time()
        total = torch.stack(list(loss(features, labels).values())).sum()
        total.backward()  # type: ignore[no-untyped-call]  # torch does not type it
        optimizer.step()
        optimizer.zero_grad()
        if on_gpu:
            torch.cuda.synchronize(args.device)
        seconds.append((time.monotonic() if on_gpu else time.process_time()) - start)
    assert ranking.cost is not None
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    peak = torch.cuda.max_memory_allocated(args.device) if on_gpu else memory
    return statistics.median(seconds[1:]), ranking.cost.document_terms, peak / 1e9


def batch(trained: Any, task: str, texts: int, tokens: int) -> dict[str, Any]:
    """Texts of random words, each as long as is read."""
    import torch

    words = [token for token in trained.encoder.tokenizer.get_vocab() if token.isalpha()]
    chosen = torch.randint(len(words), (texts, tokens)).tolist()
    found: dict[str, Any] = trained.tokenize([" ".join(words[word] for word in row) for row in chosen], task, tokens)
    return found


def random_base(folder: Path) -> str:
    """A BERT-base with random weights and the tokenizer of ``tiny``."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForMaskedLM

    from splade_lucene.encoding.loading import find_model

    model = BertForMaskedLM(BertConfig())
    with torch.no_grad():
        model.get_output_embeddings().bias.fill_(-2.2)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(find_model("tiny").folder).save_pretrained(folder)
    return str(folder)


if __name__ == "__main__":
    main()
