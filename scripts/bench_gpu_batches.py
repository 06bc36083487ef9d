#!/usr/bin/env python
"""A model on a GPU: how large batches should be and how many threads should feed it; and what each precision changes.

    python scripts/bench_gpu_batches.py [CORPUS] [--model tiny|bert-base-sparse|DIR] [--max-length 256] [--precision fp16]

For each number of tokens in a batch, texts a second: of the forward pass and the head alone, of these with padding before and the weights
taken off the GPU after, and of `encode_documents`, which tokenizes first and makes bags of impacts, with one to three threads that feed the
GPU (the better of two rounds). Then impacts of every tenth text, with each precision and with the head as torch and as the fused kernel
computes it, against fp32 on the CPU. Models are those of bench_encode.py.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from bench_encode import model_folder, read_texts

from splade_lucene.encoding import batches
from splade_lucene.encoding.batching import batches_by_length
from splade_lucene.encoding.model import SpladeModel
from splade_lucene.evaluation.table import markdown_table

_FEEDING = (1, 2, 3)


def main() -> None:
    """Measures and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", nargs="?", type=Path)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--max-length", type=int, default=256)
    parser.add_argument("--count", type=int, default=5183)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--budgets", type=int, nargs="+", default=[4096, 16384, 32768, 65536, 131072, 262144])
    parser.add_argument("--device", default="cuda")
    args = parser.parse_args()
    texts = read_texts(args.corpus, args.count)
    made = Path(tempfile.mkdtemp(prefix="bench-gpu-"))
    try:
        folder = str(model_folder(args.model, made))
        model: Any = SpladeModel.load(folder, device=args.device, precision=args.precision)
        print(f"{args.device}, {model.record().precision}, {model.record().kernels} kernels, {len(texts)} texts\n")
        print(markdown_table([rates(model, texts, args.max_length, budget) for budget in args.budgets]))
        print(f"\n{markdown_table(differences(folder, texts[::10], args.max_length, args.device))}")
    finally:
        shutil.rmtree(made)


def rates(model: Any, texts: list[str], max_length: int, budget: int) -> dict[str, str]:
    """Texts a second with batches of so many tokens."""
    network = model._network
    ids = network.tokenizer.token_ids(texts, max_length)
    cut = [[ids[place] for place in batch] for batch in batches_by_length([len(each) for each in ids], budget)]
    padded = [network._pad(each) for each in cut]
    row = {"tokens in a batch": f"{budget:,}"}

    def forward() -> None:
        for each in padded:
            network._forward(each)
        wait()

    forward()
    row["forward alone, texts/s"] = f"{len(texts) / seconds(forward):,.0f}"
    row["padded, weights taken off"] = f"{len(texts) / seconds(lambda: [network.pooled_weights(each) for each in cut]):,.0f}"
    model._bags._batches._budget = budget
    for threads in _FEEDING:
        batches._FEEDING = threads
        best = min(seconds(lambda: model.encode_documents(texts, max_length=max_length)) for _ in range(2))
        row[f"encode_documents, {threads} thread{'s' * (threads > 1)}"] = f"{len(texts) / best:,.0f}"
    return row


def differences(folder: str, texts: list[str], max_length: int, device: str) -> list[dict[str, str]]:
    """A row for each precision and head: how many impacts are those of the CPU in fp32."""
    expected = SpladeModel.load(folder, device="cpu", precision="fp32").encode_documents(texts, max_length=max_length)
    rows = []
    for precision in ("fp32", "fp16", "bf16"):
        for kernels in ("torch", "triton"):
            found = SpladeModel.load(folder, device=device, precision=precision, kernels=kernels).encode_documents(
                texts, max_length=max_length
            )
            gaps = [abs(a.get(token, 0) - b.get(token, 0)) for a, b in zip(expected, found, strict=True) for token in a.keys() | b.keys()]
            rows.append({
                f"{len(texts)} texts, against fp32 on the CPU": f"{precision}, head by {kernels}",
                "equal": f"{gaps.count(0) / len(gaps):.2%}",
                "largest difference": f"{max(gaps)}",
                "by more than 1": f"{sum(gap > 1 for gap in gaps):,} of {len(gaps):,}",
            })  # fmt: skip
    return rows


def wait() -> None:
    """Until the GPU has done all that it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def seconds(run: Callable[[], Any]) -> float:
    """Wall-clock time of a run."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
