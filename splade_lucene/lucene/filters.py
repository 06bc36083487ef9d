"""Searches restricted to some documents: by docid, or by fields that the index was built with for that."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from splade_lucene.errors import InputError

FilterKind = Literal["text", "int", "float"]
_KINDS: tuple[FilterKind, ...] = ("text", "int", "float")
_NAME = re.compile(r"[\w.-]+")
_CONDITION = re.compile(r"([\w.-]+)(!=|<=|>=|=|<|>)(.*)", re.DOTALL)
# Fields of the index itself.
_RESERVED = {"id", "contents", "raw"}
# Lucene's limit of a term.
_MAX_BYTES = 32766


class DocumentFilter(NamedTuple):
    """The documents of one searcher that searches may find; made by ``searcher.filter``, for that searcher alone.

    Attributes:
        documents: how many they are; docids that the index does not have are not among them.
        search: the Java function that searches them.
    """

    documents: int
    search: Any


Within = Iterable[str] | DocumentFilter
"""What ``within=`` takes: docids, or a filter made before."""


def parse_filter_fields(fields: Iterable[str]) -> dict[str, FilterKind]:
    """Names of fields to filter by, with their kinds.

    Args:
        fields: each ``name``, ``name:int`` or ``name:float``; a field in an object as ``object.name``.

    Raises:
        ValueError: a name or kind cannot be used, or a name comes twice.
    """
    found: dict[str, FilterKind] = {}
    for field in fields:
        name, _, given = field.partition(":")
        kind = next((each for each in _KINDS if each == (given or "text")), None)
        if kind is None or not _NAME.fullmatch(name) or name in _RESERVED:
            raise ValueError(f"{field!r} is no field to filter by; write name, name:int or name:float (not {', '.join(sorted(_RESERVED))})")
        if name in found:
            raise ValueError(f"the field {name!r} to filter by is given twice")
        found[name] = kind
    return found


def filter_words(fields: Mapping[str, FilterKind]) -> str:
    """Names and kinds as Java takes them."""
    return " ".join(f"{name} {kind}" for name, kind in fields.items())


def check_fields(values: Mapping[str, Any] | None, fields: Mapping[str, FilterKind], doc_id: str, file: Path, line: int) -> None:
    """Refuses fields of a passage that are not of the kinds that an index has.

    Raises:
        InputError: a value is not an integer of 64 bits, a number, or a text that is short enough.
    """
    for name, kind in fields.items():
        for value in _values(values or {}, name):
            if not _is_good(value, kind):
                what = {"int": "an integer of 64 bits", "float": "a number", "text": f"a text of at most {_MAX_BYTES:,} bytes"}[kind]
                raise InputError(file, f"document {doc_id!r} has {name!r}: {value!r:.80}, which is not {what}; change it or its kind", line)


def parse_where(where: str, fields: Mapping[str, FilterKind]) -> str:
    """Conditions as Java takes them.

    Args:
        where: conditions that all must hold, like ``lang=de,fr year>=2020 'title=On Glass'``: a field, one of ``= != < <= > >=``, and a
            value, for ``=`` and ``!=`` also several, of which one must be, or none.
        fields: of the index, with their kinds.

    Raises:
        ValueError: a condition is malformed, or of a field that the index cannot filter by.
    """
    try:
        words = shlex.split(where)
    except ValueError as error:
        raise ValueError(f"{where!r} cannot be read ({error}); write conditions like: lang=de 'title=On Glass' year>=2020") from None
    if not words:
        raise ValueError("there is no condition; write them like: lang=de year>=2020")
    return "\x02".join(_condition(word, fields) for word in words)


def _condition(word: str, fields: Mapping[str, FilterKind]) -> str:
    match = _CONDITION.fullmatch(word)
    if not match or "\x01" in word or "\x02" in word:
        raise ValueError(f"{word!r} is no condition; write a field, one of = != < <= > >=, and a value, without spaces between them")
    name, operator, text = match.groups()
    if name not in fields:
        known = ", ".join(f"{field} ({kind})" for field, kind in fields.items()) or "none"
        raise ValueError(f"the index has no field {name!r} to filter by; it has: {known} (index --filter-field)")
    values = text.split(",") if operator in {"=", "!="} else [text]
    kind = fields[name]
    for value in values:
        try:
            good = kind == "text" or (kind == "int" and _is_int64(int(value))) or (kind == "float" and math.isfinite(float(value)))
        except ValueError:
            good = False
        if not good:
            what = "integer of 64 bits" if kind == "int" else "number"
            raise ValueError(f"{word!r}: {value!r} is no {what}, as the field {name} has them")
    plain = [value if kind == "text" else str(int(value)) if kind == "int" else repr(float(value)) for value in values]
    return "\x01".join((name, kind, operator, *plain))


def _values(values: Mapping[str, Any], name: str) -> Iterator[Any]:
    """All values of a field: those in an array, and those in objects for a name with dots; no nulls."""
    for key, value in values.items():
        if key == name:
            yield from _flat(value)
        elif name.startswith(f"{key}."):
            for each in value if isinstance(value, list) else [value]:
                if isinstance(each, dict):
                    yield from _values(each, name[len(key) + 1 :])


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        for each in value:
            yield from _flat(each)
    elif value is not None and not isinstance(value, dict):
        yield value


def _is_int64(value: object) -> bool:
    return type(value) is int and -(1 << 63) <= value < 1 << 63


def _is_good(value: object, kind: FilterKind) -> bool:
    if kind == "int":
        return _is_int64(value)
    if kind == "float":
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return len(str(value).encode()) <= _MAX_BYTES
