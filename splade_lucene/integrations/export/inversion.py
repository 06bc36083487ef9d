"""Vectors to postings lists in bounded memory: a counting sort through files."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# Postings in memory at a time: 12 bytes each, and some times that while they are sorted.
_BLOCK = 1 << 22
_RAW = np.dtype([("term", "<u4"), ("document", "<u4"), ("impact", "<u4")])
_SORTED = np.dtype([("document", "<u4"), ("impact", "<u4")])


class PostingsList(NamedTuple):
    """The postings of one term.

    Attributes:
        term: the token.
        documents: their numbers, rising; uint32.
        impacts: aligned with them; uint32.
    """

    term: str
    documents: NDArray[np.uint32]
    impacts: NDArray[np.uint32]


class Inverter:
    """Collects vectors and gives them back as postings lists.

    Needs 20 bytes of disk per posting while it works; memory for one block of postings and for the terms.

    Args:
        folder: for its files; made if it is not there.
        block: postings held in memory.
    """

    def __init__(self, folder: Path, *, block: int = _BLOCK) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._raw, self._sorted, self._block = folder / "raw", folder / "sorted", block
        self._terms: dict[str, int] = {}
        self._columns = (array("I"), array("I"), array("I"))
        self._counts = np.zeros(0, np.int64)
        self._lengths = array("Q")
        self._raw.write_bytes(b"")

    @property
    def documents(self) -> int:
        """The number of vectors."""
        return len(self._lengths)

    @property
    def lengths(self) -> array[int]:
        """The sum of the impacts of each document."""
        return self._lengths

    @property
    def terms(self) -> list[str]:
        """The tokens in the order of their UTF-8 bytes, in which the lists come."""
        return sorted(self._terms, key=str.encode)

    def add(self, vector: Mapping[str, int]) -> None:
        """Takes the vector of the next document."""
        terms, documents, impacts = self._columns
        numbers = self._terms
        terms.extend([numbers.setdefault(token, len(numbers)) for token in vector])
        documents.extend([len(self._lengths)] * len(vector))
        impacts.extend(vector.values())
        self._lengths.append(sum(vector.values()))
        if len(terms) >= self._block:
            self._spill()

    def lists(self) -> Iterator[PostingsList]:
        """The lists of all terms, once all vectors were added; each is valid until the next."""
        self._spill()
        ordered = self.terms
        place = np.empty(len(ordered), np.int64)
        for position, term in enumerate(ordered):
            place[self._terms[term]] = position
        counts = np.zeros(len(ordered), np.int64)
        counts[place] = self._counts
        ends = counts.cumsum()
        if not len(ends):
            return
        postings = np.memmap(self._sorted, _SORTED, "w+", shape=(int(ends[-1]),))
        self._scatter(postings, place, ends - counts)
        for position, term in enumerate(ordered):
            some = postings[ends[position] - counts[position] : ends[position]]
            yield PostingsList(term, some["document"], some["impact"])

    def _scatter(self, postings: NDArray[np.void], place: NDArray[np.int64], free: NDArray[np.int64]) -> None:
        """Writes the postings to the free places of their lists; blocks come in the order of documents, so lists stay sorted."""
        with self._raw.open("rb") as stream:
            while len(block := np.fromfile(stream, _RAW, self._block)):
                positions = place[block["term"]]
                order = positions.argsort(kind="stable")
                positions = positions[order]
                counts = np.bincount(positions, minlength=len(free))
                within = np.arange(len(positions)) - np.repeat(counts.cumsum() - counts, counts)
                targets = free[positions] + within
                postings["document"][targets] = block["document"][order]
                postings["impact"][targets] = block["impact"][order]
                free += counts

    def _spill(self) -> None:
        block = np.empty(len(self._columns[0]), _RAW)
        for name, column in zip(("term", "document", "impact"), self._columns, strict=True):
            block[name] = np.frombuffer(column, np.uint32) if column else 0
        self._columns = (array("I"), array("I"), array("I"))
        counts = np.bincount(block["term"], minlength=len(self._terms))
        counts[: len(self._counts)] += self._counts
        self._counts = counts
        with self._raw.open("ab") as stream:
            block.tofile(stream)
