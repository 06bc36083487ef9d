"""Other ways to search impact vectors, for the benches: numpy over all postings, which is exact, and Seismic and BMP, which need not be."""

from __future__ import annotations

import gc
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csc_matrix

from splade_lucene.records import Hit
from splade_lucene.vectors.reader import read_vectors

Impacts = Mapping[str, int]


class Exhaustive:
    """Adds up the postings of a query with numpy and sorts all documents."""

    def __init__(self, encoded: Path) -> None:
        rows, columns, values = [], [], []
        self._docids: list[str] = []
        self._columns: dict[str, int] = {}
        for number, vector in enumerate(read_vectors(encoded)):
            self._docids.append(vector.doc_id)
            columns.append(np.array([self._columns.setdefault(token, len(self._columns)) for token in vector.vector], np.int32))
            values.append(np.array(list(vector.vector.values()), np.int32))
            rows.append(np.full(len(vector.vector), number, np.int32))
        shape = (len(self._docids), len(self._columns))
        self._matrix = csc_matrix((np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape)
        order = np.argsort(np.array(self._docids))
        self._rank = np.empty(len(order), np.int64)
        self._rank[order] = np.arange(len(order))

    def search(self, query: Impacts, k: int) -> list[Hit]:
        """The k best documents, equal scores in the order of docids."""
        scores = np.zeros(len(self._docids), np.int64)
        matrix = self._matrix
        for token, impact in query.items():
            column = self._columns.get(token)
            if column is not None:
                part = slice(matrix.indptr[column], matrix.indptr[column + 1])
                scores[matrix.indices[part]] += impact * matrix.data[part]
        (found,) = scores.nonzero()
        best = found[np.lexsort((self._rank[found], -scores[found]))[:k]]
        return [Hit(self._docids[number], float(scores[number])) for number in best]


class Seismic:
    """``pyseismic-lsr`` with its default build and the search settings of its documentation.

    Raises:
        ImportError: it is not installed.
    """

    cut, heap_factor = 10, 0.7

    def __init__(self, encoded: Path) -> None:
        import seismic

        self._text = seismic.get_seismic_string()
        with tempfile.TemporaryDirectory() as folder:
            # Its own format; contents are wanted even where there are none.
            lines = Path(folder) / "vectors.jsonl"
            with lines.open("w", encoding="utf-8") as stream:
                for vector in read_vectors(encoded):
                    stream.write(json.dumps({"id": vector.doc_id, "content": "", "vector": vector.vector}) + "\n")
            self._index: Any = seismic.SeismicIndex.build(str(lines), num_threads=2)

    def search(self, query: Impacts, k: int) -> list[Hit]:
        """The hits; some of the best may be missing."""
        tokens, values = np.array(list(query), self._text), np.array(list(query.values()), np.float32)
        found = self._index.search("q", tokens, values, k=k, query_cut=self.cut, heap_factor=self.heap_factor)
        return [Hit(doc_id, float(score)) for _, score, doc_id in found]


class Bmp:
    """``bmp`` with blocks of 32 and no approximation of its own; impacts are cut at 255, which is all that it holds.

    Raises:
        ImportError: it is not installed.
    """

    def __init__(self, encoded: Path) -> None:
        import bmp

        with tempfile.TemporaryDirectory() as folder:
            file = str(Path(folder) / "index.bmp")
            indexer = bmp.Indexer(file, bsize=32, compress_range=False)
            for vector in read_vectors(encoded):
                indexer.add_document(vector.doc_id, {token: min(255, impact) for token, impact in vector.vector.items()})
            indexer.finish()
            self._searcher: Any = bmp.Searcher(file)

    def search(self, query: Impacts, k: int) -> list[Hit]:
        """The hits; scores differ where an impact was cut."""
        weights = {token: float(impact) for token, impact in query.items()}
        return [Hit(doc_id, float(score)) for doc_id, score in zip(*self._searcher.search(weights, k=k, alpha=1.0, beta=1.0), strict=True)]


class ImpactIndex:
    """``impact-index`` with MaxScore, which is exact; in memory.

    Raises:
        ImportError: it is not installed.
    """

    def __init__(self, encoded: Path) -> None:
        import impact_index

        self._folder = tempfile.TemporaryDirectory()
        builder = impact_index.IndexBuilder(self._folder.name)
        self._docids: list[str] = []
        self._tokens: dict[str, int] = {}
        for number, vector in enumerate(read_vectors(encoded)):
            self._docids.append(vector.doc_id)
            tokens = np.array([self._tokens.setdefault(token, len(self._tokens)) for token in vector.vector], np.uint64)
            builder.add(number, tokens, np.array(list(vector.vector.values()), np.float32))
        self._index: Any = builder.build(in_memory=True)

    def search(self, query: Impacts, k: int) -> list[Hit]:
        """The hits; equal scores in any order."""
        weights = {self._tokens[token]: float(impact) for token, impact in query.items() if token in self._tokens}
        return [Hit(self._docids[hit.docid], hit.score) for hit in self._index.search_maxscore(weights, k)]


PEERS: dict[str, Any] = {"bmp": Bmp, "Seismic": Seismic, "impact-index": ImpactIndex}


def settle() -> None:
    """Takes all that was built out of the sight of Python's garbage collector, which would walk it in the middle of a search."""
    gc.collect()
    gc.freeze()


def recall(found: list[Hit], exact: list[Hit]) -> float:
    """The share of the exact hits that were found."""
    return len({hit.doc_id for hit in found} & {hit.doc_id for hit in exact}) / len(exact) if exact else 1.0
