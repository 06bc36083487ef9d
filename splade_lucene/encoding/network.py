"""A masked language model from a checked folder, its output layer taken off so that the head can be pooled in tiles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from splade_lucene.encoding.bert import Bert, read_bert
from splade_lucene.encoding.defaults import MOST_UNUSED
from splade_lucene.encoding.fused_head import TRITON, FusedVocabulary, fuse
from splade_lucene.encoding.head import PackedVocabulary, splade_max
from splade_lucene.encoding.kernels import TORCH, choose_kernels, replace_linear
from splade_lucene.encoding.loading import ModelFiles
from splade_lucene.encoding.pooling import activate, pool
from splade_lucene.encoding.quiet import quiet_transformers
from splade_lucene.encoding.sparse import SparseWeights, sparse_weights
from splade_lucene.encoding.tokenizer import Tokenizer, load_tokenizer
from splade_lucene.errors import ModelError, first_sentence

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
# How far the pooled weights of the self-check may be from the plain formula in fp32.
_TOLERANCE = {"fp32": 1e-3, "bf16": 0.2, "fp16": 0.05}
# Precisions for which a CPU has packed kernels.
_PACKED = {"fp32", "bf16"}
# Where the head has more than this share of all weights that are multiplied, bf16 is for it alone: to round the encoder as well would
# save little time, and the fewer its layers, the less they make up for it.
_HEAD_SHARE = 2 / 3
# On a GPU the number of tokens that texts are padded to is a multiple of this.
_ALIGNED = 8
# What the self-check reads: a text, and a longer one to pad it beside.
_SHORT, _LONG = "A word, and another.", "Beside a longer text, a short one is padded, and its weights must not change for that. " * 2


class MlmNetwork:
    """Token ids to pooled weights.

    Args:
        files: the model.
        device: a torch device.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        kernels: ``auto`` for the faster ones, ``torch``, on a CPU ``onednn``, on a GPU ``triton`` for the head.

    Attributes:
        tokenizer: texts to the token ids that it reads.
        tokens: the vocabulary, in the order of the output layer.
        max_positions: the largest number of tokens that can be read at once.
        device_type: ``cpu``, ``cuda`` or what else torch calls it.
        kernels: that compute its products: ``torch``, ``onednn`` or ``triton``.
        products: multiplications with weights that a token costs.
        hidden_size: of the input of the output layer.

    Raises:
        ModelError: the folder holds no complete masked language model with its own tokenizer, or one whose logits are not just a
            linear output layer; or the kernels do not work on the device.
    """

    def __init__(self, files: ModelFiles, *, device: str, precision: str, kernels: str = "auto") -> None:
        network, self.tokenizer = _load(files)
        self._files = files
        self._device, self.device_type = device, torch.device(device).type
        output = network.get_output_embeddings()
        if not isinstance(output, torch.nn.Linear):
            raise ModelError(f"{files.name} ({network.config.model_type}) has no linear output layer; SPLADE needs an MLM head")
        size = len(self.tokenizer.tokens)
        if not 0 <= output.out_features - size <= MOST_UNUSED:
            raise ModelError(
                f"the tokenizer of {files.name} has {size} tokens, its output layer {output.out_features}; they do not belong together"
            )
        if files.size not in (None, size, output.out_features):
            raise ModelError(f"{files.name} says embedding_dimension = {files.size}, but its output layer has {output.out_features} rows")
        # Rows beyond the tokenizer only round the matrix up to a good size; they have no token and are left out.
        self.tokens = self.tokenizer.tokens
        self.max_positions = min(positions(network), self.tokenizer.max_length)

        sample = self._pad([self.tokenizer.token_ids([_SHORT], self.max_positions)[0]])
        logits = self._check_padding(network, sample)[..., :size]
        # Without its output layer a network returns that layer's input, whatever the architecture calls its parts.
        network.set_output_embeddings(_PassThrough())
        self._bias = torch.zeros(size) if output.bias is None else output.bias.detach()[:size].float().clone()
        # What no text can have never fires.
        unused = sorted(self.tokenizer.unused)
        self._bias[unused] = -torch.inf
        # An architecture that does more to its logits would show here.
        weights, tolerance = activate(logits, files.activation), _TOLERANCE[precision]
        plain = weights.amax(dim=1) if files.pooling == "max" else weights.sum(dim=1)
        plain[:, unused] = 0
        self.kernels = TORCH
        weight = output.weight.detach()[:size]
        self._network: torch.nn.Module = network
        self.hidden_size = weight.shape[1]
        layers = [layer for layer in network.modules() if isinstance(layer, torch.nn.Linear)]
        self.products = weight.numel() + sum(layer.weight.numel() for layer in layers)
        self._weight: Tensor | PackedVocabulary | FusedVocabulary = weight
        undo = self._pack(weight, PRECISIONS[precision], kernels) if self.device_type == "cpu" and precision in _PACKED else None
        if undo is not None:
            if self._agrees(sample, plain, tolerance):
                return
            undo()
        self._network = network.to(device=device, dtype=PRECISIONS[precision])
        weight, self._bias = weight.to(device=device, dtype=PRECISIONS[precision]), self._bias.to(device)
        self._weight = weight
        if self.device_type != "cpu" and (fused := self._fuse(weight, kernels)) is not None:
            self._weight, self.kernels = fused, TRITON
            if self._agrees(sample, plain, tolerance):
                return
            self._weight, self.kernels = weight, TORCH
        if not self._agrees(sample, plain, tolerance):
            raise ModelError(f"{files.name} ({network.config.model_type}) computes its logits in a way that is not supported")

    def _check_padding(self, network: Any, sample: dict[str, Tensor]) -> Tensor:
        """The logits of a text alone, which must be those that it has beside a longer text.

        Raises:
            ModelError: they are others, so that its vectors would depend on what is encoded with it; or the network fails.
        """
        ids = sample["input_ids"][0].tolist()
        padded = self._pad([ids, self.tokenizer.token_ids([_LONG], self.max_positions)[0]])
        kind = network.config.model_type
        try:
            with torch.inference_mode():
                alone: Tensor = network(**sample).logits
                beside: Tensor = network(**padded).logits[:1, : len(ids)]
        except Exception as error:  # architectures fail in their own ways
            raise ModelError(f"{self._files.name} ({kind}) does not work as a masked language model ({first_sentence(error)})") from None
        if not torch.allclose(alone, beside, atol=_TOLERANCE["fp32"], rtol=_TOLERANCE["fp32"]):
            raise ModelError(
                f"{self._files.name} ({kind}) gives a text other weights when it is padded beside a longer one, so its vectors would "
                "depend on what is encoded together; such an architecture is not supported"
            )
        return alone

    def pooled_weights(self, token_ids: Sequence[list[int]]) -> list[SparseWeights]:
        """Pools a batch.

        Args:
            token_ids: of each text; each has at least one.

        Returns:
            The weights of each text.
        """
        # A GPU's kernels like rows that begin at multiples of so much.
        return sparse_weights(self._forward(self._pad(token_ids, multiple=_ALIGNED if self.device_type == "cuda" else 1)))

    def _pack(self, plain: Tensor, dtype: torch.dtype, wanted: str) -> Callable[[], None] | None:
        """Chooses the kernels of a CPU and packs the matrices for them.

        Returns:
            What undoes it; None if nothing is to be packed.

        Raises:
            ModelError: the kernels that are wanted do not work here.
        """
        self.kernels = choose_kernels(wanted, plain.shape[1], dtype)
        if self.kernels == TORCH and dtype == torch.float32:
            return None
        small = plain.numel() > _HEAD_SHARE * self.products
        unpack = replace_linear(self._network, self.kernels, torch.float32 if small else dtype)
        if self._files.pooling == "max":
            self._weight = PackedVocabulary(plain, kernels=self.kernels, dtype=dtype)
        else:
            self._weight = plain.to(dtype)

        def undo() -> None:
            unpack()
            self._weight, self.kernels = plain, TORCH

        return undo

    def _fuse(self, weight: Tensor, wanted: str) -> FusedVocabulary | None:
        """The output layer for the kernel of a GPU, None where torch computes the head.

        Raises:
            ModelError: the kernels that are wanted do not work here.
        """
        if self.device_type == "cuda" and self._files.pooling == "max":
            return fuse(weight, wanted, lambda hidden, mask, weight: splade_max(hidden, mask, weight, None))
        if wanted not in ("auto", TORCH):
            raise ModelError(
                f"the kernels {wanted!r} of matrix products do not work with {self._files.name} on this device; there is torch"
            )
        return None

    def _agrees(self, sample: dict[str, Tensor], plain: Tensor, tolerance: float) -> bool:
        """Whether pooled weights are what the plain formula gives, for a sample."""
        try:
            return torch.allclose(self._forward(sample).cpu(), plain, atol=tolerance, rtol=tolerance)
        except (AttributeError, TypeError, RuntimeError):  # the architecture looks into its layers, which are not those that it made
            return False

    def _forward(self, batch: dict[str, Tensor]) -> Tensor:
        """The weights of a batch, texts × vocabulary, where they were computed."""
        with torch.inference_mode():
            mask = batch["attention_mask"]
            # To look at it on a GPU would be to wait for the GPU.
            nothing_to_mask = isinstance(self._network, Bert) and bool(mask.all())
            mask = mask.to(self._device)
            hidden = self._network(input_ids=batch["input_ids"].to(self._device), attention_mask=None if nothing_to_mask else mask).logits
            files = self._files
            return pool(hidden, mask.bool(), self._weight, self._bias, pooling=files.pooling, activation=files.activation)

    def _pad(self, token_ids: Sequence[list[int]], *, multiple: int = 1) -> dict[str, Tensor]:
        lengths = np.array([len(ids) for ids in token_ids])
        longest = min(-(-int(lengths.max()) // multiple) * multiple, self.max_positions)
        padded = np.full((len(token_ids), longest), self.tokenizer.padding, np.int64)
        for row, ids in zip(padded, token_ids, strict=True):
            row[: len(ids)] = ids
        mask = np.arange(longest) < lengths[:, None]
        return {"input_ids": torch.from_numpy(padded), "attention_mask": torch.from_numpy(mask.astype(np.int64))}


def positions(network: Any) -> int:
    """How many tokens the position embeddings reach: RoBERTa and its kin count from the number of the padding token on."""
    offsets = [
        module.padding_idx + 1
        for name, module in network.named_modules()
        if name.endswith(".position_embeddings") and getattr(module, "padding_idx", None) is not None
    ]
    return int(getattr(network.config, "max_position_embeddings", 1 << 30)) - max(offsets, default=0)


class _PassThrough(torch.nn.Module):
    """Stands in for the output layer; some architectures also look at its bias."""

    def __init__(self) -> None:
        super().__init__()
        self.register_parameter("bias", None)

    def forward(self, hidden: Tensor) -> Tensor:
        return hidden


def _load(files: ModelFiles) -> tuple[Any, Tokenizer]:
    try:
        tokenizer = load_tokenizer(files.folder, lower=files.lower)
        # Plain BERT needs no transformers, whose modelling code takes seconds to import.
        network: Any = read_bert(files.folder)
        missing: list[str] = []
        if network is None:
            network, missing = _load_with_transformers(files)
    except ModelError:
        raise
    except Exception as error:  # damaged files make safetensors, tokenizers and transformers raise whatever they like
        raise ModelError(f"{files.name} cannot be loaded as a masked language model ({first_sentence(error)})") from None
    if missing:
        raise ModelError(f"{files.name} lacks weights of a masked language model ({', '.join(missing[:3])}); SPLADE needs the MLM head")
    return network.eval(), tokenizer


def _load_with_transformers(files: ModelFiles) -> tuple[Any, list[str]]:
    """Any masked language model, and the names of the weights that it lacks."""
    from transformers import AutoModelForMaskedLM

    with quiet_transformers():  # what it would warn of is checked by the caller
        network, report = AutoModelForMaskedLM.from_pretrained(
            files.folder,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=torch.float32,
            output_loading_info=True,
        )
    return network, sorted(report["missing_keys"])
