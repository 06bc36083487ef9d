"""The model that is trained: sentence-transformers' ``SparseEncoder`` with our head, saved as if it had theirs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import MethodType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from splade_lucene.encoding.defaults import Lengths
from splade_lucene.encoding.loading import find_model, model_root
from splade_lucene.encoding.quiet import quiet_transformers
from splade_lucene.errors import ModelError, first_sentence
from splade_lucene.training.head import pooled_weights

if TYPE_CHECKING:
    from sentence_transformers import SparseEncoder

# Of a sample's logits, computed with and without the hidden states in between.
_TOLERANCE = 1e-4
QUERY, DOCUMENT = "query", "document"


class TrainedEncoder:
    """A sparse encoder in training.

    The output layer of each masked language model hands its input through, and the pooling after it multiplies with that layer's
    matrix tile by tile (:mod:`splade_lucene.training.head`). Both are overridden on the objects alone: parameters, their names and
    ties, and what ``save_pretrained`` writes are those of the plain model.

    Args:
        encoder: sentence-transformers' model.

    Attributes:
        encoder: likewise.
    """

    def __init__(self, encoder: SparseEncoder) -> None:
        self.encoder = encoder
        for transformer, pooling in _pairs(encoder):
            _attach_head(transformer, pooling)

    @property
    def routed(self) -> bool:
        """Whether queries and passages have modules of their own."""
        return _router(self.encoder) is not None

    @property
    def size(self) -> int:
        """The number of entries of a vector."""
        return int(self._modules(DOCUMENT)[0].model.get_output_embeddings().out_features)

    @property
    def static_queries(self) -> bool:
        """Whether queries are looked up in a table."""
        return type(self._modules(QUERY)[0]).__name__ == "SparseStaticEmbedding"

    def _modules(self, task: str) -> Sequence[Any]:
        return _route(self.encoder, task)

    def tokenize(self, texts: Sequence[str], task: str, max_length: int) -> dict[str, Tensor]:
        """Tokenizes a batch of one side, its prompt before each text, cut at a number of tokens."""
        first = self._modules(task)[0]
        prompt = _prompt(self.encoder, task)
        given = [prompt + text for text in texts]
        special = type(first).__name__ != "SparseStaticEmbedding"
        options = {"padding": True, "truncation": True, "max_length": max_length, "return_tensors": "pt", "add_special_tokens": special}
        found: dict[str, Tensor] = dict(first.tokenizer(given, **options))
        return found

    def save(self, folder: Path, lengths: Lengths | None = None) -> None:
        """Writes the model in sentence-transformers' layout.

        Args:
            folder: to write.
            lengths: to declare as the default. Other lengths of queries than of passages are read from sentence-transformers 6.2 on.
        """
        with quiet_transformers():
            self.encoder.save_pretrained(str(folder), create_model_card=False)
        if lengths is None:
            return
        for file in folder.rglob("sentence_bert_config.json"):
            _edit(file, "max_seq_length", lengths.documents)
            _edit(file, "query_length", lengths.queries if lengths.queries != lengths.documents else None)
        for place in folder.rglob("*SparseStaticEmbedding"):
            _edit(place / "tokenizer_config.json", "model_max_length", lengths.queries)


def load_encoder(
    name: str, *, revision: str | None = None, subfolder: str = "", token: str | None = None, device: str = "cpu"
) -> TrainedEncoder:
    """Loads a model to train it.

    Args:
        name: ``tiny``, a folder or a hub id, as :func:`~splade_lucene.encoding.loading.find_model` finds it.
        revision: branch, tag or commit on the hub.
        subfolder: of the folder or repository that holds the model.
        token: for private and gated repositories.
        device: as torch calls it.

    Raises:
        ModelError: there is no such model, or it is of a kind that is not trained here.
    """
    from sentence_transformers import SparseEncoder
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sparse_encoder.modules import SpladePooling

    files = find_model(name, revision=revision, subfolder=subfolder, token=token)
    if files.kind != "mlm":
        raise ModelError(f"{name} is a model of the kind {files.kind}; only masked language models with SPLADE pooling can be trained")
    root = model_root(name, revision=revision, subfolder=subfolder, token=token)
    try:
        with quiet_transformers():
            if (root / "modules.json").is_file():
                encoder = SparseEncoder(str(root), device=device, local_files_only=True)
            else:
                modules = [Transformer(str(root), transformer_task="fill-mask"), SpladePooling("max")]
                encoder = SparseEncoder(modules=modules, device=device)
    except Exception as error:  # damaged files make sentence-transformers and transformers raise whatever they like
        raise ModelError(f"{name} cannot be loaded by sentence-transformers ({first_sentence(error)})") from None
    return TrainedEncoder(encoder)


def with_static_queries(trained: TrainedEncoder, weights: Sequence[float]) -> TrainedEncoder:
    """The same network for passages, and a table of token weights for queries.

    Args:
        trained: of which the encoder of passages is kept.
        weights: of the tokens, in the order of the vocabulary, to start from.
    """
    from sentence_transformers import SparseEncoder
    from sentence_transformers.base.modules import Router
    from sentence_transformers.sparse_encoder.modules import SparseStaticEmbedding

    modules = list(_route(trained.encoder, DOCUMENT))
    table = torch.tensor(list(weights), dtype=torch.float32)
    router = Router.for_query_document(query_modules=[SparseStaticEmbedding(modules[0].tokenizer, weight=table)], document_modules=modules)
    prompts = {DOCUMENT: _prompt(trained.encoder, DOCUMENT), QUERY: ""}
    return TrainedEncoder(SparseEncoder(modules=[router], device=str(trained.encoder.device), prompts=prompts))


def _edit(file: Path, key: str, value: int | None) -> None:
    config = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**config, key: value}, indent=2), encoding="utf-8")


def _prompt(encoder: Any, task: str) -> str:
    names = {QUERY: ("query",), DOCUMENT: ("document", "passage", "corpus")}[task]
    prompts = encoder.prompts or {}
    found = next((prompts[name] for name in names if prompts.get(name)), None)
    if found is None and encoder.default_prompt_name:
        found = prompts.get(encoder.default_prompt_name)
    return str(found or "")


def _router(encoder: Any) -> Any:
    first = next(iter(encoder.children()))
    return first if type(first).__name__ == "Router" else None


def _route(encoder: Any, task: str) -> Sequence[Any]:
    router = _router(encoder)
    return list(encoder.children()) if router is None else list(router.sub_modules[task])


def _pairs(encoder: Any) -> Iterator[tuple[Any, Any]]:
    """The masked language models with their pooling, each once."""
    seen = set()
    for task in (DOCUMENT, QUERY):
        modules = _route(encoder, task)
        if len(modules) == 2 and id(modules[0]) not in seen:  # noqa: PLR2004
            seen.add(id(modules[0]))
            yield modules[0], modules[1]


def _attach_head(transformer: Any, pooling: Any) -> None:
    """Puts the head between them where the pooling is the maximum; a sum needs every logit, so it stays as it is.

    Raises:
        ModelError: the network does more to its logits than a linear layer.
    """
    output = transformer.model.get_output_embeddings()
    if pooling.pooling_strategy != "max" or "forward" in vars(output):
        return
    if not isinstance(output, torch.nn.Linear):
        raise ModelError(f"a {transformer.config.model_type} has no linear output layer; SPLADE needs an MLM head")
    ids = torch.tensor([[3, 4, 5, 6]], device=output.weight.device)
    sample = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    was_training = transformer.training
    transformer.eval()
    with torch.inference_mode():
        plain = transformer.model(**sample).logits
        setattr(output, "forward", MethodType(_hand_through, output))  # noqa: B010  # mypy has no other way to override a method
        hidden = transformer.model(**sample).logits
        agrees = hidden.shape[-1] == output.in_features and torch.allclose(
            torch.nn.functional.linear(hidden, output.weight, output.bias), plain, atol=_TOLERANCE, rtol=_TOLERANCE
        )
    transformer.train(was_training)
    if not agrees:
        raise ModelError(f"a {transformer.config.model_type} computes its logits in a way that is not supported")

    def forward(module: Any, features: dict[str, Tensor]) -> dict[str, Tensor]:
        bias = output.bias if output.bias is not None else output.weight.new_zeros(len(output.weight))
        weights = pooled_weights(features["token_embeddings"], features["attention_mask"], output.weight, bias)
        features["sentence_embedding"] = weights.log1p() if module.activation_function == "log1p_relu" else weights
        module.embedding_dimension = weights.shape[1]
        return features

    pooling.forward = MethodType(forward, pooling)


def _hand_through(module: torch.nn.Linear, hidden: Tensor) -> Tensor:
    return hidden
