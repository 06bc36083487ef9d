"""Reads impact vectors back, refusing what Anserini would silently corrupt."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from splade_lucene.core.files import read_objects
from splade_lucene.core.ids import RULE, is_usable
from splade_lucene.core.unique_ids import UniqueIds
from splade_lucene.errors import InputError
from splade_lucene.records import ImpactVector
from splade_lucene.vectors.manifest import SHARDS

# Lucene's tokenizers split longer tokens; Java counts UTF-16 units.
_MAX_TOKEN_BYTES = 2 * 255
# From here on not even one impact is exact in the single precision of Lucene's scores.
_MAX_IMPACT = 1 << 24
# Lucene counts the length of a document in a Java int.
_MAX_SUM = (1 << 31) - 1


def read_vectors(folder: Path) -> Iterator[ImpactVector]:
    """Streams the vectors of a folder that ``encode`` wrote.

    Raises:
        InputError: a line is not a vector of positive integers over tokens that Lucene keeps whole, or repeats an id.
    """
    seen = UniqueIds()
    known: set[str] = set()
    for file in sorted((folder / SHARDS).glob("*.jsonl")):
        for line, item in read_objects(file):
            vector = check_vector(item, known, file, line)
            if not seen.add(vector.doc_id):
                raise InputError(file, f"duplicate id {vector.doc_id!r}; ids must be unique, so rename or remove one", line)
            yield vector


def is_token(token: str) -> bool:
    """Whether Lucene's tokenizer makes one term of a token, the same that a query has."""
    if token.split() != [token] or "\x01" in token:
        return False
    try:
        return len(token.encode("utf-16-le")) <= _MAX_TOKEN_BYTES
    except UnicodeEncodeError:  # half a surrogate pair
        return False


def is_impact(impact: object) -> bool:
    """Whether a value is an impact: an integer from 1 that Lucene's scores hold exactly."""
    return type(impact) is int and 1 <= impact < _MAX_IMPACT


def check_vector(item: dict[str, Any], known: set[str], file: Path, line: int) -> ImpactVector:
    """The vector in an object of a JSONL file.

    Args:
        item: the object.
        known: tokens that were found good before, and those found here: set operations are many times faster than a loop.
        file: where the object stands.
        line: likewise.

    Raises:
        InputError: it is not a vector of positive integers over tokens that Lucene keeps whole.
    """
    doc_id, vector, contents = item.get("id"), item.get("vector"), item.get("contents")
    if not is_usable(doc_id):
        raise InputError(file, f"the id {doc_id!r} cannot be used; {RULE}", line)
    assert isinstance(doc_id, str)
    if not isinstance(vector, dict):
        raise InputError(file, f"document {doc_id!r} has no object 'vector' of tokens with their impacts; add it or remove the line", line)
    if not all(map(is_impact, vector.values())):
        token, impact = next(pair for pair in vector.items() if not is_impact(pair[1]))
        raise InputError(
            file, f"document {doc_id!r} has the impact {impact!r} for {token!r}; impacts are integers from 1 to 2^24 - 1", line
        )
    for token in vector.keys() - known:
        if not is_token(token):
            raise InputError(
                file, f"document {doc_id!r} has the token {token!r}, which Lucene would split; leave it out or rename it", line
            )
        known.add(token)
    if sum(vector.values()) > _MAX_SUM:
        raise InputError(
            file, f"the impacts of document {doc_id!r} add up to more than 2^31 - 1, all that Lucene counts; scale them down", line
        )
    if contents is not None and not is_text(contents):
        raise InputError(file, f"the 'contents' of document {doc_id!r} are not text; make them a string of whole characters", line)
    fields = item.get("fields")
    if fields is not None and not isinstance(fields, dict):
        raise InputError(file, f"the 'fields' of document {doc_id!r} are no object; make them one, or leave them out", line)
    return ImpactVector(doc_id, vector, contents, fields)


def is_text(value: object) -> bool:
    """Whether a value is text that can be written as UTF-8."""
    if not isinstance(value, str):
        return False
    try:
        return value.isascii() or bool(value.encode())
    except UnicodeEncodeError:  # half a surrogate pair
        return False
