"""What every kind of file has in common: rows of named fields, with their place."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, NamedTuple

from splade_lucene.core.rejects import RejectPolicy
from splade_lucene.core.streams import AnyPath

ID, TEXT = "id", "text"
"""Names of the columns where a file gives them none."""


class FileRow(NamedTuple):
    """A record of a file.

    Attributes:
        number: of its line (its last one, where it has several) or row, counted from 1.
        fields: name → value, whatever JSON or Arrow make of it.
    """

    number: int
    fields: Mapping[str, Any]


class FileFormat(NamedTuple):
    """A kind of file.

    Attributes:
        name: as messages call it.
        suffixes: that files of this kind have, each also with ``.gz`` where ``packed``.
        sniff: whether a file of another suffix, or standard input, is of this kind, by its first line that is not blank.
        read: yields the rows of a file; tells the reject policy of what is none. ``wanted`` names the fields that are needed, where
            a file can be read without the others; None for all.
        estimate: roughly how many rows a file has, without reading all of it; 0 if that is unknown.
        passages: whether passages come as such files; queries come as any kind.
        packed: whether such files may be compressed with gzip.
    """

    name: str
    suffixes: tuple[str, ...]
    sniff: Callable[[bytes], bool]
    read: Callable[[AnyPath, RejectPolicy, Collection[str] | None], Iterator[FileRow]]
    estimate: Callable[[AnyPath], float]
    passages: bool = True
    packed: bool = True
