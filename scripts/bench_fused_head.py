#!/usr/bin/env python
"""The pooling head alone on a GPU: the fused kernel, torch in tiles of the vocabulary, PyTorch with whole logits, torch.compile of that.

    python scripts/bench_fused_head.py [--hidden 128 768] [--tokens 128 256] [--passages 32 128 512] [--dtypes fp16 bf16 fp32]

Hidden states are random; passages have from three quarters of the tokens to all of them, sorted by length as batches are. TFLOP/s count
tokens, not padding; milliseconds are the median of rounds that go from one head to the next, timed by the GPU; memory is what the head took
beside its input and output. The error is the largest difference from the result in fp64, of 8 passages and 1,024 entries, relative to
the largest weight. fp32 products of torch are in fp32 (``torch.backends.cuda.matmul.allow_tf32`` is off, as it is by default).

    --blocks     instead, every block size of the kernel that is worth trying, and whether all give the same bits
    --compile    torch.compile as well: some seconds for each hidden size and type
"""

from __future__ import annotations

import argparse
import itertools
import statistics
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from splade_lucene.encoding import fused_head, head
from splade_lucene.encoding.fused_head import Blocks, FusedVocabulary, candidates, fuse
from splade_lucene.encoding.network import PRECISIONS
from splade_lucene.evaluation.table import markdown_table

Head = Callable[[], Tensor]
_VOCABULARY = 30522
_CHECKED = 8, 1024
_ROUNDS = 3
_COLUMNS = ("type, hidden size, passages × tokens", "head", "ms", "of the first", "TFLOP/s", "MB", "error", "bits as the first")
# Block sizes beyond those that models choose from.
_OTHERS = {
    (128, False): (
        "256×128×128×8×2 128×128×128×4×3 256×64×128×8×2 256×64×64×8×3 128×64×128×4×3 128×128×64×4×3 256×128×64×8×3 128×256×128×8×2 "
        "128×128×128×8×2 128×128×128×4×1"
    ),
    (768, False): "128×256×64×8×4 256×128×64×8×4 128×128×64×4×3 128×128×128×8×2 128×128×64×8×4 128×128×32×4×4 256×64×64×8×4 256×64×64×8×3",
    (128, True): "128×64×32×8×3 128×128×32×8×2 64×128×32×4×3 128×64×32×8×2 128×32×32×4×3",
    (768, True): "128×64×32×8×3 128×128×32×8×2 64×128×32×4×3 128×64×32×8×4 128×32×32×4×3",
}


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hidden", type=int, nargs="+", default=[128, 768])
    parser.add_argument("--tokens", type=int, nargs="+", default=[128, 256])
    parser.add_argument("--passages", type=int, nargs="+", default=[32, 128, 512])
    parser.add_argument("--dtypes", nargs="+", default=["fp16", "bf16", "fp32"])
    parser.add_argument("--blocks", action="store_true")
    parser.add_argument("--compile", action="store_true")
    args = parser.parse_args()
    torch.manual_seed(0)
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {_VOCABULARY:,} entries\n")
    rows = []
    with torch.inference_mode():
        for size, dtype in itertools.product(args.hidden, args.dtypes):
            torch.compiler.reset()
            weight = torch.randn(_VOCABULARY, size, device="cuda", dtype=PRECISIONS[dtype]) * (1.4 / size**0.5)
            bias = torch.randn(_VOCABULARY, device="cuda") * 0.1 - 2
            heads = blocks_to_try(weight, bias) if args.blocks else heads_to_compare(weight, bias, compiled=args.compile)
            for tokens, passages in itertools.product(args.tokens, args.passages):
                what, texts = f"{dtype}, {size}, {passages} × {tokens}", sample(weight, passages, tokens)
                rows += measure(what, heads, *texts, weight=weight, bias=bias)
                print(f"{rows[-1]}", flush=True)
    columns = [name for name in _COLUMNS if any(row.get(name) for row in rows)]
    print(f"\n{markdown_table([{name: row.get(name, '') for name in columns} for row in rows], left=2)}")


def sample(weight: Tensor, passages: int, tokens: int) -> tuple[Tensor, Tensor]:
    """Hidden states and their mask."""
    hidden = torch.randn(passages, tokens, weight.shape[1], device="cuda").to(weight.dtype)
    lengths = torch.linspace(tokens, tokens * 3 // 4, passages, device="cuda").long()
    return hidden, torch.arange(tokens, device="cuda") < lengths.unsqueeze(1)


def heads_to_compare(weight: Tensor, bias: Tensor, *, compiled: bool) -> dict[str, Callable[[Tensor, Tensor], Tensor]]:
    """Ways to compute the same."""
    fused = fuse(weight, "triton", lambda hidden, mask, weight: head.splade_max(hidden, mask, weight, None))
    assert fused is not None

    def plain(hidden: Tensor, mask: Tensor) -> Tensor:
        logits = torch.nn.functional.linear(hidden, weight, bias.to(weight.dtype))
        return (torch.log1p(torch.relu(logits)) * mask.unsqueeze(-1)).amax(dim=1).float()

    def tiled(hidden: Tensor, mask: Tensor, elements: int) -> Tensor:
        before, head._TILE_ELEMENTS = head._TILE_ELEMENTS, elements
        try:
            return head.splade_max(hidden, mask, weight, bias)
        finally:
            head._TILE_ELEMENTS = before

    heads: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
        f"fused, blocks of {fused.blocks.entries} × {fused.blocks.tokens}": lambda hidden, mask: head.splade_max(hidden, mask, fused, bias),
        "tiled, 2²¹ logits": lambda hidden, mask: tiled(hidden, mask, 1 << 21),
        "tiled, 2²⁵ logits": lambda hidden, mask: tiled(hidden, mask, 1 << 25),
        "PyTorch, whole logits": plain,
    }
    if compiled:
        heads["torch.compile of that"] = torch.compile(plain, dynamic=True)
    return heads


def blocks_to_try(weight: Tensor, bias: Tensor) -> dict[str, Callable[[Tensor, Tensor], Tensor]]:
    """The kernel with each block size."""
    size, single = weight.shape[1], weight.dtype == torch.float32
    others = [Blocks(*map(int, each.split("×"))) for each in _OTHERS.get((size, single), "").split()]
    every = list(dict.fromkeys(candidates(size, weight.dtype) + others))

    def pool(hidden: Tensor, mask: Tensor, blocks: Blocks) -> Tensor:
        return FusedVocabulary(weight, blocks).pool(hidden, mask, bias).log1p_()

    def with_blocks(blocks: Blocks) -> Callable[[Tensor, Tensor], Tensor]:
        return lambda hidden, mask: pool(hidden, mask, blocks)

    return {"×".join(map(str, blocks[:3])) + f", {blocks.warps} warps, {blocks.stages} stages": with_blocks(blocks) for blocks in every}


def measure(
    what: str, heads: dict[str, Callable[[Tensor, Tensor], Tensor]], hidden: Tensor, mask: Tensor, *, weight: Tensor, bias: Tensor
) -> list[dict[str, str]]:
    """A row for each head."""
    passages, entries = _CHECKED
    exact = hidden[:passages].double() @ weight[:entries].double().T + bias[:entries].double()
    exact = exact.masked_fill(~mask[:passages, :, None], -torch.inf).amax(dim=1).relu().log1p()
    work = 2 * int(mask.sum()) * weight.numel()
    rows: dict[str, dict[str, str]] = {}
    times: dict[str, list[float]] = {}
    first: Any = None
    for name, pool in heads.items():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        try:
            pooled = pool(hidden, mask)
            pool(hidden, mask)
        except Exception as error:  # out of memory, or a block size that is too large
            rows[name] = {_COLUMNS[0]: what, "head": name, "ms": str(error).strip().partition("\n")[0][:60]}
            continue
        torch.cuda.synchronize()
        taken = torch.cuda.max_memory_allocated() - before - 2 * pooled.numel() * pooled.element_size()
        wrong = float((pooled[:passages, :entries].double() - exact).abs().max() / exact.max())
        first = pooled if first is None else first
        rows[name] = {_COLUMNS[0]: what, "head": name, "MB": f"{max(taken, 0) / 1e6:,.0f}", "error": f"{wrong:.1e}"}
        if first is not pooled:
            rows[name]["bits as the first"] = "yes" if torch.equal(first, pooled) else "no"
        times[name] = []
        del pooled
    for _, name in itertools.product(range(_ROUNDS), times):
        times[name].append(fused_head._seconds(lambda name=name: heads[name](hidden, mask), rounds=1))
    fastest = statistics.median(next(iter(times.values()))) if times else 0.0
    for name, each in times.items():
        median = statistics.median(each)
        rows[name] |= {"ms": f"{median * 1e3:.3f}", "TFLOP/s": f"{work / median / 1e12:.0f}", "of the first": f"{median / fastest:.2f}"}
    return list(rows.values())


if __name__ == "__main__":
    main()
