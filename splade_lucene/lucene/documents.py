"""The documents of an open index: their numbers, and what is stored of them."""

from __future__ import annotations

import json
from typing import Any

from splade_lucene.errors import InputError
from splade_lucene.lucene import jvm
from splade_lucene.lucene.docids import some_docids
from splade_lucene.lucene.explanation import document_number
from splade_lucene.lucene.java import stores


class Documents:
    """The documents of one open index.

    Args:
        name: of the index, for messages.
        reader: Lucene's.
    """

    def __init__(self, name: str, reader: Any) -> None:
        self._name, self._reader = name, reader

    def number(self, doc_id: str) -> int:
        """Lucene's number of a document.

        Raises:
            InputError: the index has no such document.
        """
        jvm.check_process()
        found = document_number(self._reader, doc_id)
        if found is None:
            raise InputError(
                self._name, f"has no document {doc_id!r}; give a doc_id as a run shows it (passages without terms are not indexed)"
            )
        return found

    @property
    def have_text(self) -> bool:
        """Whether the index was built with their text."""
        jvm.check_process()
        return stores(self._reader, "raw")

    def stored(self, doc_id: str) -> dict[str, Any] | None:
        """The JSON object that is stored of a document; None if there is none.

        Raises:
            InputError: the index has no such document.
        """
        number = self.number(doc_id)
        fields = self._reader.storedFields()
        document = fields.document(number)
        stored = document.get("raw")
        if stored is None:
            return None
        found: dict[str, Any] = json.loads(stored)
        return found

    def sample(self, count: int) -> list[str]:
        """The ids of some, spread evenly over the index; all if it has no more."""
        jvm.check_process()
        return some_docids(self._reader, count)
