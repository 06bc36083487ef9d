"""BGE-M3's sparse head: one weight for each token of the text, the largest of equal tokens (arXiv 2402.03216, section 3.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from splade_lucene.encoding.layout import SPARSE_HEAD
from splade_lucene.encoding.loading import ModelFiles
from splade_lucene.encoding.network import PRECISIONS, positions
from splade_lucene.encoding.quiet import quiet_transformers
from splade_lucene.encoding.sparse import SparseWeights, sparse_weights
from splade_lucene.encoding.static import read_tensor
from splade_lucene.encoding.tokenizer import load_tokenizer
from splade_lucene.errors import ModelError, first_sentence
from splade_lucene.records import FIRST_KERNELS

# Beyond these of the tokenizer's tokens, FlagEmbedding leaves none out.
_SPECIAL = ("cls_token_id", "eos_token_id", "sep_token_id", "pad_token_id", "unk_token_id", "bos_token_id")


class TokenWeightNetwork:
    """Token ids to weights of those tokens; in all else like :class:`~splade_lucene.encoding.network.MlmNetwork`.

    Args:
        files: the model.
        device: a torch device.
        precision: ``fp32``, ``bf16`` or ``fp16``.

    Attributes:
        tokenizer: texts to the token ids that it reads.
        tokens: the vocabulary.
        max_positions: the largest number of tokens that can be read at once.
        device_type: ``cpu``, ``cuda`` or what else torch calls it.
        kernels: that compute its products: always torch's own.
        products: multiplications with weights that a token costs.

    Raises:
        ModelError: the folder holds no encoder with a linear layer to one weight.
    """

    def __init__(self, files: ModelFiles, *, device: str, precision: str) -> None:
        from transformers import AutoModel, AutoTokenizer

        head = files.folder / f"{SPARSE_HEAD}.safetensors"
        load_network: Any = AutoModel
        load_special: Any = AutoTokenizer
        try:
            self.tokenizer = load_tokenizer(files.folder, lower=files.lower)
            options = {"local_files_only": True, "trust_remote_code": False}
            with quiet_transformers():
                special = load_special.from_pretrained(files.folder, **options)
                network, report = load_network.from_pretrained(
                    files.folder, use_safetensors=True, dtype=torch.float32, add_pooling_layer=False, output_loading_info=True, **options
                )
            weight, bias = (torch.from_numpy(read_tensor(head, name).copy()) for name in ("weight", "bias"))
        except ModelError:
            raise
        except Exception as error:  # damaged files make safetensors, tokenizers and transformers raise whatever they like
            raise ModelError(f"{files.name} cannot be loaded as an encoder with a sparse head ({first_sentence(error)})") from None
        if report["missing_keys"]:
            raise ModelError(f"{files.name} lacks weights ({', '.join(sorted(report['missing_keys'])[:3])}); fetch the whole model")
        hidden = int(network.config.hidden_size)
        if tuple(weight.shape) != (1, hidden) or tuple(bias.shape) != (1,):
            raise ModelError(f"{head} has the shape {tuple(weight.shape)}, not one weight for each of {hidden} dimensions")
        self.tokens = self.tokenizer.tokens
        self.max_positions = min(positions(network), self.tokenizer.max_length)
        self._device, self.device_type, kind = device, torch.device(device).type, PRECISIONS[precision]
        self._network = network.eval().to(device=device, dtype=kind)
        self._weight, self._bias = weight.to(device=device, dtype=kind), bias.to(device=device, dtype=kind)
        self.kernels = FIRST_KERNELS
        self.products = sum(layer.weight.numel() for layer in network.modules() if isinstance(layer, torch.nn.Linear))
        self._special = sorted({entry for entry in (getattr(special, name, None) for name in _SPECIAL) if entry is not None})

    def pooled_weights(self, token_ids: Sequence[list[int]]) -> list[SparseWeights]:
        """Pools a batch.

        Args:
            token_ids: of each text; each has at least one.

        Returns:
            The weights of each text.
        """
        longest = max(map(len, token_ids))
        ids = torch.tensor([each + [self.tokenizer.padding] * (longest - len(each)) for each in token_ids])
        mask = torch.tensor([[1] * len(each) + [0] * (longest - len(each)) for each in token_ids])
        with torch.inference_mode():
            hidden = self._network(input_ids=ids.to(self._device), attention_mask=mask.to(self._device)).last_hidden_state
            weights = torch.nn.functional.linear(hidden, self._weight, self._bias).squeeze(-1).float().relu().cpu() * mask
            pooled = torch.zeros((len(ids), len(self.tokens)))
            pooled.scatter_reduce_(1, ids, weights, "amax")
            pooled[:, self._special] = 0
        return sparse_weights(pooled)
