"""What a model's own configuration says: sentence-transformers' layout, OpenSearch's token tables, BGE-M3's sparse head.

Only JSON is read here, no weights. What a file declares and we do not compute is refused, with the file, the key and its value: a
setting that was passed over would make vectors that are wrong and look right. The layout is that of sentence-transformers 5.0 to 6.2
(``sparse_encoder/modules``, ``base/modules/router.py``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from splade_lucene.encoding.configuration import checked_length, read_object, refuse, tokenizer_length
from splade_lucene.encoding.modules import DENSE, MODULES, POOLING, STATIC, TRANSFORMERS, Module, modules_for, modules_of
from splade_lucene.errors import ModelError
from splade_lucene.records import Activation, Pooling, SideKind

SETTINGS = "config_sentence_transformers.json"
# Tables of token weights as OpenSearch's repositories hold them, in the order in which they are looked for.
TABLES = ("idf.json", "query_token_weights.txt")
SPARSE_HEAD = "sparse_linear"
_TRANSFORMER_FILES = ("sentence_bert_config.json", "sentence_roberta_config.json", "sentence_distilbert_config.json",
                      "sentence_xlm-roberta_config.json")  # fmt: skip
# Of sentence_bert_config.json: what changes speed or precision but not what is computed, and what a plain text model has.
_HARMLESS = ("unpad_inputs", "module_output_name")
_HARMLESS_ARGUMENTS = ("trust_remote_code", "torch_dtype", "dtype", "attn_implementation")
_ARGUMENTS = ("model_args", "model_kwargs", "config_args", "config_kwargs")
_TOKENIZER_ARGUMENTS = ("tokenizer_args", "processor_kwargs")
_TEXT_ONLY = {"text": {"method": "forward", "method_output_name": "logits"}}
_LENGTHS = {"document": "document_length", "query": "query_length"}
_PROMPTS = {"query": ("query",), "document": ("document", "passage", "corpus")}


class Side(NamedTuple):
    """How texts of one kind, passages or queries, become weights.

    Attributes:
        folder: with the weights and the tokenizer.
        kind: what computes them.
        pooling: of a masked language model.
        activation: likewise.
        prompt: put before each text.
        max_length: tokens that the configuration cuts at; None if it does not say.
        size: the number of weights that the configuration says a vector has; None if it does not say.
        table: of a static encoder whose weights are not safetensors: the file.
        lower: texts are to be lowercased by the tokenizer.
    """

    folder: Path
    kind: SideKind = "mlm"
    pooling: Pooling = "max"
    activation: Activation = "relu"
    prompt: str = ""
    max_length: int | None = None
    size: int | None = None
    table: Path | None = None
    lower: bool = False


class Layout(NamedTuple):
    """Both sides of a model.

    Attributes:
        document: None if the folder encodes only queries.
        query: the other one.
        top_k: the number of weights that the model keeps of a text; None for all.
    """

    document: Side | None
    query: Side
    top_k: int | None = None


def read_layout(folder: Path) -> Layout:
    """Reads the configuration of a model folder.

    Args:
        folder: as ``save_pretrained`` or sentence-transformers wrote it.

    Raises:
        ModelError: a file declares something that is not computed here, or is damaged.
    """
    if not (folder / MODULES).is_file():
        return _bare(folder)
    settings = _settings(folder)
    modules = modules_of(folder)
    top_k, prompts = settings.get("max_active_dims"), _prompts(folder, settings)
    sides = {task: _side(folder, modules_for(folder, modules, task), task)._replace(prompt=prompts[task]) for task in _LENGTHS}
    document = sides["document"]
    return Layout(None if document.kind == "static" else document, sides["query"], top_k)


def _bare(folder: Path) -> Layout:
    """A folder without ``modules.json``: a masked language model, a table, or both.

    Raises:
        ModelError: it has the other files of a layout of which ``modules.json`` is the key.
    """
    for pattern in (f"*{POOLING}/config.json", "router_config.json", "*SparseStaticEmbedding/config.json"):
        if (left := next(folder.glob(pattern), None)) is not None:
            raise ModelError(f"{left} is a module of sentence-transformers, but {folder / MODULES} is missing; fetch the whole model")
    found = next((folder / name for name in TABLES if (folder / name).is_file()), None)
    is_model = (folder / "config.json").is_file()
    table = None if found is None else Side(folder, "static", table=found, max_length=tokenizer_length(folder))
    if table and not is_model:
        return Layout(None, table)
    side = _sparse_head(folder) or Side(folder)
    return Layout(side, table or side)


def _sparse_head(folder: Path) -> Side | None:
    """BGE-M3's: a linear layer beside the weights of the encoder."""
    if (folder / f"{SPARSE_HEAD}.safetensors").is_file():
        return Side(folder, "bge-m3", max_length=tokenizer_length(folder))
    if (folder / f"{SPARSE_HEAD}.pt").is_file():
        raise ModelError(
            f'{folder / SPARSE_HEAD}.pt is a pickle, which is never loaded; convert it once: python -c "import torch; from '
            "safetensors.torch import save_file; save_file(torch.load('sparse_linear.pt', weights_only=True), "
            "'sparse_linear.safetensors')\", and save the encoder with save_pretrained, which writes model.safetensors"
        )
    return None


def _side(root: Path, modules: Sequence[Module], task: str) -> Side:
    names = [name for name, _ in modules]
    if len(modules) == 1 and names[0] in STATIC:
        return _static(root, modules[0][1])
    if names and names[0] in TRANSFORMERS and set(names[1:]) <= set(DENSE) and (sparse := _sparse_head(modules[0][1])):
        return _transformer(sparse, names[0], task, masked=False)
    if len(modules) == 2 and names[0] in TRANSFORMERS and names[1] == POOLING:  # noqa: PLR2004  # a pair
        return _pooling(_transformer(Side(modules[0][1]), names[0], task, masked=True), modules[1][1])
    if names[1:] and names[0] in TRANSFORMERS and set(names[1:]) <= set(DENSE):
        raise ModelError(
            f"{root / MODULES} is a dense encoder (its modules: {', '.join(names)}); for the sparse head of BGE-M3, convert its "
            f"{SPARSE_HEAD}.pt to {SPARSE_HEAD}.safetensors once, as docs/my-model.md shows, and put it beside the encoder"
        )
    raise ModelError(
        f"{root / MODULES} is no sparse encoder that is supported (its modules: {', '.join(names) or 'none'}); "
        "Transformer with SpladePooling, SparseStaticEmbedding, or a Router of the two is"
    )


def _transformer(side: Side, name: str, task: str, *, masked: bool) -> Side:
    """Reads ``sentence_bert_config.json``."""
    file = next((side.folder / each for each in _TRANSFORMER_FILES if (side.folder / each).is_file()), None)
    config: dict[str, Any] = {} if file is None else dict(read_object(file))
    place = file or side.folder / _TRANSFORMER_FILES[0]
    computes = config.pop("transformer_task", "fill-mask" if name == "MLMTransformer" else "feature-extraction")
    if masked and computes != "fill-mask":
        refuse(place, "transformer_task", computes)
    length = checked_length(place, "max_seq_length", config.pop("max_seq_length", None))
    lower = bool(config.pop("do_lower_case", False))
    modality = config.pop("modality_config", _TEXT_ONLY)
    if masked and modality != _TEXT_ONLY:
        refuse(place, "modality_config", modality)
    for key in _TOKENIZER_ARGUMENTS:
        arguments = dict(config.pop(key, None) or {})
        length = checked_length(place, f"{key}.model_max_length", arguments.pop("model_max_length", None)) or length
        lower = bool(arguments.pop("do_lower_case", lower))
        _only_harmless(place, key, arguments)
    # Lengths for one kind of texts, from sentence-transformers 6.2 on, count before that for both.
    own = {each: checked_length(place, key, config.pop(key, None)) for each, key in _LENGTHS.items()}
    length = own[task] or length
    for key in _ARGUMENTS:
        _only_harmless(place, key, config.pop(key, None) or {})
    for key, value in config.items():
        if key not in _HARMLESS and value not in (None, False, {}, []):
            refuse(place, key, value)
    return side._replace(max_length=length or tokenizer_length(side.folder), lower=lower)


def _only_harmless(file: Path, name: str, arguments: Mapping[str, Any]) -> None:
    for key, value in arguments.items():
        if key not in _HARMLESS_ARGUMENTS:
            refuse(file, f"{name}.{key}", value)


def _pooling(side: Side, folder: Path) -> Side:
    """Reads the configuration of a ``SpladePooling``."""
    file = folder / "config.json"
    config = dict(read_object(file))
    strategy, activation = config.pop("pooling_strategy", "max"), config.pop("activation_function", "relu")
    if strategy not in ("max", "sum"):
        refuse(file, "pooling_strategy", strategy)
    if activation not in ("relu", "log1p_relu"):
        refuse(file, "activation_function", activation)
    size = config.pop("embedding_dimension", None) or config.pop("word_embedding_dimension", None)
    config.pop("word_embedding_dimension", None)
    config.pop("chunk_size", None)  # how much memory is used for it
    for key, value in config.items():
        refuse(file, key, value)
    return side._replace(pooling=strategy, activation=activation, size=size)


def _static(root: Path, folder: Path) -> Side:
    """Reads the configuration of a ``SparseStaticEmbedding``."""
    file = folder / "config.json"
    config = dict(read_object(file)) if file.is_file() else {}
    config.pop("frozen", None)  # of training
    path, table = config.pop("path", None), None
    for key, value in config.items():
        refuse(file, key, value)
    if path is not None:
        places = (folder / str(path), root / str(path), folder / Path(str(path)).name, root / Path(str(path)).name)
        table = next((place for place in places if place.is_file() and place.resolve().is_relative_to(root.resolve())), None)
        if table is None or table.suffix not in (".json", ".txt", ".tsv"):
            refuse(file, "path", path, "put the table into the folder of the model")
    elif not any(folder.glob("*.safetensors")):
        table = next((folder / name for name in TABLES if (folder / name).is_file()), None)
    return Side(folder, "static", max_length=tokenizer_length(folder), table=table)


def _settings(folder: Path) -> dict[str, Any]:
    """Reads ``config_sentence_transformers.json``."""
    file = folder / SETTINGS
    if not file.is_file():
        return {}
    found = dict(read_object(file))
    sparse_head = any((folder / f"{SPARSE_HEAD}{suffix}").is_file() for suffix in (".safetensors", ".pt"))
    kind = found.get("model_type", "SparseEncoder")
    if kind != "SparseEncoder" and not sparse_head:
        refuse(file, "model_type", kind)
    similarity = found.get("similarity_fn_name")
    if similarity not in (None, "dot", "dot_score") and not sparse_head:
        refuse(file, "similarity_fn_name", similarity, "an impact index scores by dot product")
    top_k = found.get("max_active_dims")
    if top_k is not None and (not isinstance(top_k, int) or top_k < 1):
        refuse(file, "max_active_dims", top_k)
    known = ("__version__", "requirements", "model_type", "similarity_fn_name", "max_active_dims", "prompts", "default_prompt_name")
    for key, value in found.items():
        if key not in known and value not in (None, False, {}, []):
            refuse(file, key, value)
    return found


def _prompts(folder: Path, settings: Mapping[str, Any]) -> dict[str, str]:
    """The prompt of each side, as ``encode_query`` and ``encode_document`` choose it."""
    file, saved = folder / SETTINGS, settings.get("prompts") or {}
    if not isinstance(saved, dict) or not all(isinstance(text, str | None) for text in saved.values()):
        refuse(file, "prompts", saved)
    # sentence-transformers gives every sparse encoder these two, so that no others are ever chosen by default.
    prompts = {"query": "", "document": ""} | {name: text or "" for name, text in saved.items()}
    default = settings.get("default_prompt_name")
    if default is not None and default not in prompts:
        refuse(file, "default_prompt_name", default, "there is no prompt of that name")
    if default is not None and prompts[default] and default not in ("query", "document"):
        refuse(file, "default_prompt_name", default, "queries and passages take the prompts 'query' and 'document'; name it so")
    return {side: next(prompts[name] for name in names if name in prompts) for side, names in _PROMPTS.items()}
