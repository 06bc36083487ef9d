"""Products with a weight matrix on a CPU: as torch does them, or through oneDNN with the matrix packed beforehand.

torch leaves fp32 products to MKL, which does not use AVX-512 on processors of AMD; the oneDNN that comes with torch does, on any
processor, and is faster still once the matrix is in the order in which its kernels read it. Which of the two is faster is measured when
a model is loaded. They round differently, so a record says which one made a folder of vectors.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from splade_lucene.encoding.threads import one_thread
from splade_lucene.errors import ModelError

TORCH, ONEDNN = "torch", "onednn"
KERNELS = (TORCH, ONEDNN)
# Rows that packing is told of; other numbers of rows work as well.
ROWS = 512
# The product that is measured: short texts have that many tokens in a batch, and the vocabulary is cut into such parts.
_MEASURED_ROWS, _MEASURED_COLUMNS = 128, 2048
# oneDNN has to be that much faster: below, it is not worth another order of additions.
_FASTER = 1.1
_ROUNDS = 5
# Relative to the largest product: fp32 stays far below, bf16 far above.
_EXACT = 1e-4


class MeasuredKernels(NamedTuple):
    """What the choice of kernels rests on.

    Attributes:
        kernels: ``torch`` or ``onednn``.
        gflops: of one thread with each of them, in the precision and with the hidden size of the model; those that work.
    """

    kernels: str
    gflops: dict[str, float]


class Linear(torch.nn.Module):
    """A linear layer of constant weights on a CPU, fp32 in and fp32 out.

    Args:
        weight: fp32, outputs × inputs.
        bias: fp32, outputs, or None.
        kernels: ``torch`` or ``onednn``.
        dtype: of the product: ``torch.float32``, or ``torch.bfloat16``, which rounds inputs and weights to 8 bits.
        widen: return fp32; else what the product is in.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, *, kernels: str, dtype: torch.dtype, widen: bool = True) -> None:
        super().__init__()
        self.out_features, self.in_features = weight.shape
        self._dtype, self._widen = dtype, widen
        self._product = _product(weight.detach().to(dtype), None if bias is None else bias.detach().to(dtype), kernels)

    def forward(self, inputs: Tensor) -> Tensor:
        """Inputs × weightᵀ + bias."""
        product = self._product(inputs.to(self._dtype))
        return product.float() if self._widen else product


def replace_linear(network: torch.nn.Module, kernels: str, dtype: torch.dtype) -> Callable[[], None]:
    """Puts :class:`Linear` in the place of each linear layer of a network; a layer that is used in several places stays one layer.

    Returns:
        What puts the layers back.
    """
    made: dict[int, Linear] = {}
    replaced: list[tuple[torch.nn.Module, str, torch.nn.Linear]] = []
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if type(child) is torch.nn.Linear and child.weight.numel():
                if id(child) not in made:
                    made[id(child)] = Linear(child.weight, child.bias, kernels=kernels, dtype=dtype)
                setattr(module, name, made[id(child)])
                replaced.append((module, name, child))

    def restore() -> None:
        for module, name, child in replaced:
            setattr(module, name, child)

    return restore


def choose_kernels(wanted: str, size: int, dtype: torch.dtype) -> str:
    """The kernels for a model: the faster ones if ``auto`` is wanted.

    Raises:
        ModelError: those that are wanted are unknown or do not work here.
    """
    measured = fastest_kernels(size, dtype)
    if wanted == "auto":
        return measured.kernels
    if wanted not in measured.gflops:
        there = ", ".join(measured.gflops)
        raise ModelError(f"the kernels {wanted!r} of matrix products do not work on this processor with this torch; there is {there}")
    return wanted


@cache
def fastest_kernels(size: int, dtype: torch.dtype) -> MeasuredKernels:
    """Measures the kernels, in some milliseconds of CPU time, so that other work on the machine does not decide.

    Args:
        size: the hidden size of a model.
        dtype: of the products.

    Returns:
        The choice. oneDNN is passed over where it is missing or does not compute in ``dtype``: fp32 that is rounded to bf16 on the way
        (``torch.backends.mkldnn`` can be set so, and there are processors that then do it) is no fp32.
    """
    generator = torch.Generator().manual_seed(0)
    inputs, weight = (torch.randn(rows, size, generator=generator) for rows in (_MEASURED_ROWS, _MEASURED_COLUMNS))
    exact = inputs[:16].double() @ weight.T.double()
    tolerance = _EXACT if dtype == torch.float32 else 1.0
    gflops: dict[str, float] = {}
    with torch.inference_mode(), one_thread():
        for kernels in KERNELS:
            try:
                product = _product(weight.to(dtype), None, kernels)
                wrong = (product(inputs[:16].to(dtype)).double() - exact).abs().max() / exact.abs().max()
                if kernels == TORCH or wrong <= tolerance:
                    gflops[kernels] = 2 * _MEASURED_ROWS * _MEASURED_COLUMNS * size / _seconds(product, inputs.to(dtype)) / 1e9
            except (RuntimeError, AttributeError, TypeError):  # torch without oneDNN, or with other names in it
                continue
    faster = gflops.get(ONEDNN, 0.0) > _FASTER * gflops.get(TORCH, 0.0)
    return MeasuredKernels(ONEDNN if faster else TORCH, gflops)


def bf16_gain(size: int) -> float:
    """How many times as fast products are in bf16 as in fp32, in one thread, each with the kernels that are faster for it."""
    speeds = [max(fastest_kernels(size, dtype).gflops.values()) for dtype in (torch.bfloat16, torch.float32)]
    return speeds[0] / speeds[1]


def _product(weight: Tensor, bias: Tensor | None, kernels: str) -> Callable[[Tensor], Tensor]:
    """The one place that knows the private names of torch for oneDNN's packed products."""
    if kernels == TORCH:
        return lambda inputs: functional.linear(inputs, weight, bias)
    packed = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), ROWS)
    multiply = torch.ops.mkldnn._linear_pointwise.default
    return lambda inputs: multiply(inputs, packed, bias, "none", [], "")


def _seconds(product: Callable[[Tensor], Tensor], inputs: Tensor) -> float:
    product(inputs)
    times = []
    for _ in range(_ROUNDS):
        start = time.thread_time()
        product(inputs)
        times.append(time.thread_time() - start)
    return max(min(times), 1e-9)
