"""The head on a GPU in one kernel, which keeps only the maxima of the logits that it computes: no logits in the GPU's memory.

torch writes a tile of logits, reads it to hide padding and reads it again for the maximum, and starts a kernel for each of these steps.
The same idea, with the kernel for training as well: Sparton, arXiv 2603.25011.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from splade_lucene.errors import ModelError

TRITON = "triton"
# The input of the output layer can be cut into such parts; what cannot is left to torch.
_SIZES = (64, 32, 16)
# A hidden size that is taken at once.
_WHOLE = 128
# What is measured: passages, and the tokens of the longest of them.
_PASSAGES, _TOKENS = 32, 128
_ROUNDS = 5
# The kernel has to be that much faster than torch.
_FASTER = 1.1
# Of the largest weight: far above the rounding of sums in fp32, and of tf32 in three products, far below that of a single tf32 product.
_EXACT = 2e-5
# Entries and passages that are compared with the exact result.
_CHECKED = 512, 4
# Passages whose parts of the vocabulary are computed next to each other.
_GROUP = 8


class Blocks(NamedTuple):
    """How much one program of the kernel computes at a time.

    Attributes:
        entries: of the vocabulary.
        tokens: of a passage.
        size: of the hidden size, which it divides.
        warps: that share the work.
        stages: loads under way while products are computed.
    """

    entries: int
    tokens: int
    size: int
    warps: int
    stages: int


class FusedVocabulary:
    """The output layer for the fused kernel.

    Args:
        weight: vocabulary × hidden, on a GPU.
        blocks: of the kernel.
    """

    def __init__(self, weight: Tensor, blocks: Blocks) -> None:
        self.weight, self.blocks = weight.contiguous(), blocks
        self._none = torch.zeros(len(weight), dtype=torch.float32, device=weight.device)

    def __len__(self) -> int:
        """The number of entries of the vocabulary."""
        return len(self.weight)

    def pool(self, hidden: Tensor, mask: Tensor, bias: Tensor | None) -> Tensor:
        """``relu(max over tokens of hidden · weightᵀ + bias)``, products and sums in fp32.

        Args:
            hidden: passages × tokens × hidden.
            mask: bool, passages × tokens: True for tokens, which come first, False for padding; every passage has at least one token.
            bias: vocabulary, or None.

        Returns:
            float32, passages × vocabulary.
        """
        from splade_lucene.encoding.fused_kernel import largest_logits

        passages, tokens, size = hidden.shape
        entries, blocks = len(self), self.blocks
        pooled = torch.empty((passages, entries), dtype=torch.float32, device=hidden.device)
        programs = passages * -(-entries // blocks.entries)
        with torch.cuda.device(hidden.device):
            largest_logits[(programs,)](
                hidden.contiguous(),
                self.weight,
                self._none if bias is None else bias.float(),
                mask.sum(dim=1, dtype=torch.int32),
                pooled,
                passages,
                entries,
                tokens,
                SIZE=size,
                BLOCK_ENTRIES=blocks.entries,
                BLOCK_TOKENS=blocks.tokens,
                BLOCK_SIZE=blocks.size,
                GROUP=_GROUP,
                PRECISION="tf32x3" if hidden.dtype == torch.float32 else "ieee",
                num_warps=blocks.warps,
                num_stages=blocks.stages,
            )
        return pooled


def fuse(weight: Tensor, wanted: str, torch_head: Callable[[Tensor, Tensor, Tensor], Tensor]) -> FusedVocabulary | None:
    """The output layer for the fused kernel where that works here, is right, and is faster than torch.

    Each of a few block sizes is compiled, which Triton does once on a machine, compared with the exact result, and measured in some
    milliseconds. All of them give the same bits.

    Args:
        weight: vocabulary × hidden, on a GPU.
        wanted: ``auto``; ``torch`` for no kernel, ``triton`` for the kernel whether it is faster or not.
        torch_head: the same without it, of hidden states, mask and weight.

    Returns:
        The output layer; None if torch is to compute the head.

    Raises:
        ModelError: what is wanted is unknown or does not work here.
    """
    seconds, failure = ({}, "") if wanted == "torch" else _measure(weight)
    known = ["torch"] + [TRITON] * bool(seconds)
    if wanted not in ("auto", *known):
        reason = f" ({failure})" if wanted == TRITON else ""
        raise ModelError(f"the kernels {wanted!r} of matrix products do not work on this device{reason}; there is {', '.join(known)}")
    if not seconds:
        return None
    best = min(seconds, key=lambda blocks: seconds[blocks])
    if wanted == "auto":
        hidden, mask = _sample(weight)
        if _seconds(lambda: torch_head(hidden, mask, weight)) < _FASTER * seconds[best]:
            return None
    return FusedVocabulary(weight, best)


def candidates(size: int, dtype: torch.dtype) -> list[Blocks]:
    """Block sizes to choose from, which were the fastest for some model on some GPU; too large ones are refused by smaller GPUs."""
    inner = next((each for each in _SIZES if size % each == 0), None)
    if inner is None:
        return []
    if dtype == torch.float32:
        return [Blocks(128, 64, min(inner, 32), 4, 3), Blocks(128, 128, min(inner, 32), 8, 3), Blocks(64, 64, min(inner, 32), 4, 3)]
    if size == _WHOLE:  # the part of the vocabulary stays where it was loaded
        return [Blocks(256, 64, 128, 8, 3), Blocks(128, 64, 128, 4, 2), Blocks(128, 128, 128, 4, 2), Blocks(128, 64, 64, 4, 3)]
    return [Blocks(256, 128, inner, 8, 3), Blocks(128, 256, inner, 8, 3), Blocks(128, 128, inner, 8, 3), Blocks(128, 64, inner, 4, 3)]


def _measure(weight: Tensor) -> tuple[dict[Blocks, float], str]:
    """Seconds for the sample with each block sizes that work and are right; and why the last one that failed did."""
    hidden, mask = _sample(weight)
    entries, passages = _CHECKED
    exact = hidden[:passages].double() @ weight[:entries].double().T
    exact = exact.masked_fill(~mask[:passages, :, None], -torch.inf).amax(dim=1).relu()
    found: dict[Blocks, float] = {}
    failure = f"the hidden size {weight.shape[1]} is no multiple of {_SIZES[-1]}"
    for blocks in candidates(weight.shape[1], weight.dtype):
        try:
            head = FusedVocabulary(weight, blocks)
            wrong = (head.pool(hidden, mask, None)[:passages, :entries].double() - exact).abs().max() / exact.max()
            if not wrong <= _EXACT:
                failure = f"its results are off by {float(wrong):.2g}"
                continue
            found[blocks] = _seconds(lambda head=head: head.pool(hidden, mask, None))  # type: ignore[misc]  # a default is not inferred
        except Exception as error:  # no Triton, no C compiler for it, a GPU that it does not know or that has too little shared memory
            failure = str(error).strip().partition("\n")[0] or type(error).__name__
    return found, failure


def _sample(weight: Tensor) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(_PASSAGES, _TOKENS, weight.shape[1], generator=generator).to(weight)
    lengths = torch.linspace(_TOKENS, _TOKENS // 2, _PASSAGES).long()
    return hidden, (torch.arange(_TOKENS) < lengths.unsqueeze(1)).to(weight.device)


def _seconds(run: Callable[[], Any], *, rounds: int = _ROUNDS) -> float:
    """Of the GPU: the median of some runs after two to warm up."""
    run()
    run()
    times: list[float] = []
    for _ in range(rounds):
        make: Any = torch.cuda.Event
        start, end = make(enable_timing=True), make(enable_timing=True)
        start.record()
        run()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end) / 1e3)
    return statistics.median(times)
