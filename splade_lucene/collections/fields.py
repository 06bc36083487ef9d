"""What every reader of passages and queries demands of a line: ids that TREC files can carry, and text."""

from __future__ import annotations

from typing import Any

from splade_lucene.core.files import AnyPath
from splade_lucene.core.ids import RULE, is_usable
from splade_lucene.core.unique_ids import UniqueIds
from splade_lucene.errors import InputError

_JSON_KINDS = {type(None): "null", bool: "true or false", int: "a number", float: "a number", list: "an array", dict: "an object"}
# Characters of an id that a message repeats.
_SHOWN = 100


def string_field(item: dict[str, Any], names: tuple[str, ...], file: AnyPath, line: int) -> str:
    """The first of several alternative fields that a JSON line has, as text that can be written as UTF-8 again.

    Raises:
        InputError: none is there, or its value is not a string.
    """
    for name in names:
        if name in item:
            value = item[name]
            if not isinstance(value, str):
                raise InputError(file, f"the field {name!r} is {_JSON_KINDS[type(value)]}; make it a string", line)
            try:
                value.encode()
            except UnicodeEncodeError:
                problem = f"the field {name!r} holds half a surrogate pair, which is no character; write the whole character"
                raise InputError(file, problem, line) from None
            return value
    raise InputError(file, f"the field {' or '.join(map(repr, names))} is missing; add it or remove the line", line)


def check_id(name: str, seen: UniqueIds, file: AnyPath, line: int) -> None:
    """Refuses an id that TREC files or Lucene cannot carry or that is in ``seen``, and adds it there otherwise.

    Raises:
        InputError: the id is empty, too long, holds white space or a control character, or was there before.
    """
    if not is_usable(name):
        shown = repr(name) if len(name) <= _SHOWN else f"{name[:_SHOWN]!r}…"
        raise InputError(file, f"the id {shown} cannot be used; {RULE}", line)
    if not seen.add(name):
        raise InputError(file, f"the id {name!r} was there before; ids must be unique, so rename or remove one", line)
