"""What every reader of passages and queries demands of a line: ids that TREC files can carry, and text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from splade_lucene.errors import InputError
from splade_lucene.seen import SeenIds


def string_field(item: dict[str, Any], names: tuple[str, ...], file: Path, line: int) -> str:
    """The first of several alternative fields that a JSON line has, as text that can be written as UTF-8 again.

    Raises:
        InputError: none is there, or its value is not a string.
    """
    for name in names:
        if name in item:
            value = item[name]
            if not isinstance(value, str):
                raise InputError(file, f"the field {name!r} is {type(value).__name__}, not a string", line)
            try:
                value.encode()
            except UnicodeEncodeError:
                raise InputError(file, f"the field {name!r} holds half a surrogate pair, which is no character", line) from None
            return value
    raise InputError(file, f"the field {' or '.join(map(repr, names))} is missing", line)


def check_id(name: str, seen: SeenIds, file: Path, line: int) -> None:
    """Refuses an id that TREC files cannot carry or that is in ``seen``, and adds it there otherwise.

    Raises:
        InputError: the id is empty, holds white space, or was there before.
    """
    if not name or name.split() != [name]:
        raise InputError(file, f"the id {name!r} is empty or holds white space, which TREC files cannot carry; rename it", line)
    if not seen.add(name):
        raise InputError(file, f"the id {name!r} was there before; ids must be unique", line)
