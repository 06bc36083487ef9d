#!/usr/bin/env python
"""The pooling head alone on a CPU: padded batches against passages packed without padding, in tiles of several sizes.

    .venv/bin/python scripts/bench_head.py [--hidden 128] [--passages 32] [--lengths 180 256]

One thread and its CPU time, the best of three rounds, so that other work on the machine disturbs little. Hidden states are random and
sorted by length, as batches are; GFLOP/s count tokens, not padding.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from splade_lucene.encoding import head
from splade_lucene.encoding.kernels import KERNELS
from splade_lucene.evaluation.table import markdown_table


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--vocabulary", type=int, default=30522)
    parser.add_argument("--passages", type=int, default=32)
    parser.add_argument("--lengths", type=int, nargs=2, default=[180, 256], help="of the shortest and the longest passage, in tokens")
    parser.add_argument("--tiles", nargs="+", default=["256x256", "256x512", "512x256", "512x512", "512x1024", "1024x512", "4096x512"])
    parser.add_argument("--compile", action="store_true", help="also torch.compile, plain and max-autotune; needs a C++ compiler")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    lengths = torch.linspace(args.lengths[1], args.lengths[0], args.passages).long()
    mask = torch.arange(args.lengths[1]) < lengths.unsqueeze(1)
    hidden, weight = torch.randn(*mask.shape, args.hidden), torch.randn(args.vocabulary, args.hidden)
    flops = 2 * int(lengths.sum()) * weight.numel()
    with torch.inference_mode():
        best = {"padded": seconds(lambda: head._pool_padded(hidden, mask, weight))}
        for tile in args.tiles:
            head._ROWS, head._COLUMNS = map(int, tile.split("x"))
            best[f"packed, {tile}"] = seconds(lambda: head._pool_tokens(hidden[mask], mask, weight))
        for kernels in KERNELS:
            for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
                vocabulary = head.PackedVocabulary(weight, kernels=kernels, dtype=dtype)
                best[f"parts of the vocabulary, {name}, {kernels} kernels"] = seconds(
                    partial(head.splade_max, hidden, mask, vocabulary, None)
                )
        for mode in ("default", "max-autotune-no-cudagraphs") if args.compile else ():
            best[f"torch.compile, {mode}, a passage at a time"] = seconds(compiled_pool(mode, hidden, weight))
        square = torch.randn(2048, 2048)
        peak = 2 * 2048**3 / seconds(lambda: square @ square) / 1e9
    rows = [
        {
            f"hidden size {args.hidden}, {args.lengths[0]}–{args.lengths[1]} tokens": name,
            "CPU ms a passage": f"{each * 1e3 / args.passages:.1f}",
            "GFLOP/s": f"{flops / each / 1e9:.0f}",
            "of peak": f"{flops / each / 1e9 / peak:.0%}",
        }
        for name, each in best.items()
    ]
    print(f"peak of one thread {peak:.0f} GFLOP/s\n\n{markdown_table(rows)}")


def compiled_pool(mode: str, hidden: Tensor, weight: Tensor) -> Callable[[], object]:
    """Product and maximum, compiled; each passage at the longest length, so that nothing is compiled twice, and without a mask.

    GFLOP/s leave out what the padding adds.
    """
    pool = torch.compile(lambda passage, weight: (passage @ weight.T).amax(dim=1), mode=mode, dynamic=False)
    return lambda: [pool(passage[None], weight) for passage in hidden]


def seconds(run: Callable[[], object]) -> float:
    """CPU time, the best of three."""
    times = []
    for _ in range(3):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return min(times)


if __name__ == "__main__":
    main()
