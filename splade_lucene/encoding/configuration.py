"""JSON files of a model: how they are read, and the sentence that refuses what they say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from splade_lucene.errors import ModelError

# transformers' "no limit" is 1e30.
_NO_LIMIT = 1 << 30
_WHY = "this is not computed here, and leaving it out would give wrong weights"


def read_json(file: Path) -> Any:
    """The content of a JSON file of a model.

    Raises:
        ModelError: it is missing or damaged.
    """
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"{file} is missing; fetch the whole model") from None
    except ValueError as error:
        raise ModelError(f"{file} is not JSON ({error}); fetch it again") from None


def read_object(file: Path) -> Mapping[str, Any]:
    """The same where it must be an object.

    Raises:
        ModelError: it is missing, damaged, or something else.
    """
    found = read_json(file)
    if not isinstance(found, dict):
        raise ModelError(f"{file} is not a JSON object; fetch it again")
    return found


def refuse(file: Path, key: str, value: Any, why: str = _WHY) -> NoReturn:
    """Says which value of which file is refused, and why.

    Raises:
        ModelError: always.
    """
    raise ModelError(f"{file} says {key} = {value!r}; {why}")


def tokenizer_length(folder: Path) -> int | None:
    """The number of tokens that a folder's tokenizer cuts texts at; None if it does not say."""
    file = folder / "tokenizer_config.json"
    length = read_object(file).get("model_max_length") if file.is_file() else None
    return int(length) if isinstance(length, int | float) and 0 < length < _NO_LIMIT else None


def checked_length(file: Path, key: str, value: Any) -> int | None:
    """A number of tokens, None where the configuration sets no limit.

    Raises:
        ModelError: it is no whole number from 1.
    """
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
        refuse(file, key, value)
    return value if value is not None and value < _NO_LIMIT else None


def inside(root: Path, folder: Path, file: Path, path: Any) -> Path:
    """A folder that a configuration names, which must lie in the model's own."""
    if not isinstance(path, str) or not (folder / path).resolve().is_relative_to(root.resolve()):
        refuse(file, "path", path, "a module lies inside the folder of its model")
    if not (folder / path).is_dir():
        raise ModelError(f"{file} names the folder {path!r}, which is not there; fetch the whole model")
    return folder / path
