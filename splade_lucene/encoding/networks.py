"""Which network computes a model, on which device and in which precision."""

from __future__ import annotations

from typing import NamedTuple

import torch

from splade_lucene.encoding.batches import Network
from splade_lucene.encoding.loading import ModelFiles
from splade_lucene.encoding.network import PRECISIONS, MlmNetwork
from splade_lucene.errors import ModelError, first_sentence


class Arithmetic(NamedTuple):
    """Where and how a network computes.

    Attributes:
        device: what torch calls it.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        kernels: of matrix products; ``auto`` is the faster of those that there are.
    """

    device: str
    precision: str
    kernels: str = "auto"


def resolve(device: str, precision: str, kernels: str = "auto") -> Arithmetic:
    """The device and the precision that ``auto`` stands for.

    Raises:
        ModelError: one is unknown, or cannot be used.
    """
    if precision != "auto" and precision not in PRECISIONS:
        raise ModelError(f"unknown precision {precision!r}; there is auto, {', '.join(PRECISIONS)}")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=device).cpu()
        kind = torch.device(device).type
    except Exception as error:  # each backend of torch has its own way to say that it is not there
        raise ModelError(f"the device {device!r} cannot be used ({first_sentence(error)}); try --device cpu") from None
    return Arithmetic(device, precision if precision != "auto" else "fp32" if kind == "cpu" else "fp16", kernels)


def load_network(files: ModelFiles, arithmetic: Arithmetic) -> Network:
    """Loads the network of a model.

    Raises:
        ModelError: its files cannot be read, or it has none.
    """
    if files.kind == "bge-m3":
        from splade_lucene.encoding.token_weights import TokenWeightNetwork

        return TokenWeightNetwork(files, device=arithmetic.device, precision=arithmetic.precision)
    if files.kind == "static":
        raise ModelError(f"{files.name} is a table of token weights, which encodes only queries")
    return MlmNetwork(files, **arithmetic._asdict())
