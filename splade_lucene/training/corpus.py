"""The passages of a collection, read several times: their ids, and the texts of those that are needed."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from functools import cached_property

from splade_lucene.collections.fields import Fields
from splade_lucene.collections.passages import read_passages
from splade_lucene.core.streams import AnyPath, is_standard
from splade_lucene.errors import InputError
from splade_lucene.records import Passage


class Corpus:
    """A collection on disk.

    Args:
        path: as for :func:`~splade_lucene.collections.passages.read_passages`, but not standard input, which can be read only once.
        fields: which fields are the id and the text, if others.

    Raises:
        InputError: ``path`` is standard input.
    """

    def __init__(self, path: AnyPath, fields: Fields | None = None) -> None:
        if is_standard(path):
            raise InputError(path, "training reads the passages several times; give a file or a folder")
        self.path, self._fields = path, fields

    def passages(self, *, bodies: bool = False) -> Iterator[Passage]:
        """Streams the passages, or their ``bodies``: the passages without their titles."""
        passages = read_passages(self.path, fields=self._fields)
        return (passage._replace(title="") for passage in passages) if bodies else passages

    @cached_property
    def doc_ids(self) -> dict[str, None]:
        """All docids, in order."""
        return dict.fromkeys(doc_id for doc_id, _ in self._first_pass[1])

    @property
    def sha256(self) -> str:
        """Of docids and texts."""
        return self._first_pass[0]

    @cached_property
    def titled(self) -> list[str]:
        """Docids of the passages that have a title and a body."""
        return [doc_id for doc_id, titled in self._first_pass[1] if titled]

    def texts(self, doc_ids: Collection[str], *, bodies: bool = False) -> dict[str, str]:
        """The texts of some passages.

        Args:
            doc_ids: which; those that are not in the collection are left out.
            bodies: without their titles.
        """
        wanted = set(doc_ids)
        return {each.doc_id: each.contents for each in self.passages(bodies=bodies) if each.doc_id in wanted}

    def titles(self, doc_ids: Collection[str]) -> dict[str, str]:
        """The titles of some passages."""
        wanted = set(doc_ids)
        return {each.doc_id: each.title for each in self.passages() if each.doc_id in wanted}

    @cached_property
    def _first_pass(self) -> tuple[str, list[tuple[str, bool]]]:
        digest, found = hashlib.sha256(), []
        for doc_id, text, title, _ in self.passages():
            digest.update(f"{len(doc_id)} {len(title)} {len(text)} {doc_id}{title}{text}".encode())
            found.append((doc_id, bool(title.strip() and text.strip())))
        return digest.hexdigest(), found
