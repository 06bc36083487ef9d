"""Splits long documents into passages of a number of words, which models can read whole."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from splade_lucene.errors import InputError
from splade_lucene.records import Passage

_WORD = re.compile(r"\S+")


def check_split(words: int | None, overlap: int) -> None:
    """Checks the size of passages and their overlap.

    Raises:
        ValueError: ``words`` is not positive, or ``overlap`` not below it; or there is an overlap of nothing.
    """
    if words is None:
        if overlap:
            raise ValueError("overlap is for documents that are split; give split_words, too")
    elif not 0 <= overlap < words:
        raise ValueError(f"passages of {words} words cannot overlap by {overlap}; split_words must be at least 1 and more than overlap")


def split_passages(documents: Iterable[Passage], words: int, overlap: int = 0) -> Iterator[Passage]:
    """Cuts the text of each document into passages, as it stands there; each has the document's title.

    Args:
        documents: the collection.
        words: of a passage, as white space separates them; the last one of a document may be shorter.
        overlap: words at the end of a passage with which the next one begins.

    Yields:
        Passages with the docids ``document#0``, ``document#1`` and so on, at least one per document.

    Raises:
        InputError: a docid ends like that of a passage already.
    """
    check_split(words, overlap)
    for document in documents:
        if re.search(r"#\d+$", document.doc_id):
            raise InputError("the collection", f"the id {document.doc_id!r} ends like that of a passage (#number); rename the document")
        spans = [match.span() for match in _WORD.finditer(document.text)]
        starts = range(0, max(1, len(spans) - overlap), words - overlap)
        for number, start in enumerate(starts):
            part = spans[start : start + words]
            text = document.text[part[0][0] : part[-1][1]] if part else ""
            yield document._replace(doc_id=f"{document.doc_id}#{number}", text=text)
