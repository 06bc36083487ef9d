"""Reads impact vectors back, refusing what Anserini would silently corrupt."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from splade_lucene.errors import InputError
from splade_lucene.files import read_objects
from splade_lucene.records import ImpactVector
from splade_lucene.vectors.manifest import SHARDS

# Lucene's tokenizers split longer tokens; Java counts UTF-16 units.
_MAX_TOKEN_BYTES = 2 * 255


def read_vectors(out: Path) -> Iterator[ImpactVector]:
    """Streams the vectors of a folder that ``encode`` wrote.

    Raises:
        InputError: a line is no vector of positive integers over tokens that Lucene keeps whole, or repeats an id.
    """
    seen: set[str] = set()
    for file in sorted((out / SHARDS).glob("*.jsonl")):
        for line, item in read_objects(file):
            vector = _vector(item, file, line)
            if vector.id in seen:
                raise InputError(file, f"the id {vector.id!r} was there before; ids must be unique", line)
            seen.add(vector.id)
            yield vector


def _vector(item: dict[str, Any], file: Path, line: int) -> ImpactVector:
    docid, vector, contents = item.get("id"), item.get("vector"), item.get("contents")
    if not isinstance(docid, str) or docid.split() != [docid]:
        raise InputError(file, f"the id {docid!r} is not a string without white space", line)
    if not isinstance(vector, dict):
        raise InputError(file, f"document {docid!r} has no object 'vector'", line)
    for token, impact in vector.items():
        if type(impact) is not int or impact < 1:
            raise InputError(file, f"document {docid!r} has the impact {impact!r} for {token!r}; impacts are integers from 1", line)
        if token.split() != [token] or len(token.encode("utf-16-le", "surrogatepass")) > _MAX_TOKEN_BYTES:
            raise InputError(file, f"document {docid!r} has the token {token!r}, which Lucene would split", line)
    return ImpactVector(docid, vector, contents if isinstance(contents, str) else None)
