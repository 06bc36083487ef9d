"""Other ways to search impact vectors, for the benches: numpy over all postings, which is exact, and other engines, which need not be."""

from __future__ import annotations

import gc
import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csc_matrix

from splade_lucene.records import Hit
from splade_lucene.vectors.reader import read_vectors

Impacts = Mapping[str, int]


def matrix_of(encoded: Path) -> tuple[Any, list[str], dict[str, int]]:
    """Vectors as a matrix, documents × tokens, with the docids and each token's column."""
    rows, columns, values = [], [], []
    docids: list[str] = []
    tokens: dict[str, int] = {}
    for number, vector in enumerate(read_vectors(encoded)):
        docids.append(vector.doc_id)
        columns.append(np.array([tokens.setdefault(token, len(tokens)) for token in vector.vector], np.int32))
        values.append(np.array(list(vector.vector.values()), np.int32))
        rows.append(np.full(len(vector.vector), number, np.int32))
    shape = len(docids), len(tokens)
    return csc_matrix((np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape), docids, tokens


class Exhaustive:
    """Adds up the postings of a query with numpy and sorts all documents."""

    def __init__(self, encoded: Path) -> None:
        self._matrix, self._docids, self._columns = matrix_of(encoded)
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

    Args:
        folder: as from ``build``.
        cut: the number of tokens of a query that are looked at.
        factor: the larger, the more blocks are skipped.

    Raises:
        ImportError: it is not installed.
    """

    def __init__(self, folder: Path, *, cut: int = 10, factor: float = 0.7) -> None:
        import seismic

        self._text, self._cut, self._factor = seismic.get_seismic_string(), cut, factor
        self._index: Any = seismic.SeismicIndex.load(str(folder / "seismic.index.seismic"))

    @staticmethod
    def build(encoded: Path, folder: Path) -> None:
        """Builds an index."""
        import seismic

        with tempfile.TemporaryDirectory() as temporary:
            # Its own format; contents are wanted even where there are none.
            lines = Path(temporary) / "vectors.jsonl"
            with lines.open("w", encoding="utf-8") as stream:
                for vector in read_vectors(encoded):
                    stream.write(json.dumps({"id": vector.doc_id, "content": "", "vector": vector.vector}) + "\n")
            seismic.SeismicIndex.build(str(lines), num_threads=2).save(str(folder / "seismic"))

    def search(self, query: Impacts, k: int) -> list[Hit]:
        """The hits; some of the best may be missing."""
        tokens, values = np.array(list(query), self._text), np.array(list(query.values()), np.float32)
        found = self._index.search("q", tokens, values, k=k, query_cut=self._cut, heap_factor=self._factor)
        return [Hit(doc_id, float(score)) for _, score, doc_id in found]


class Bmp:
    """``bmp`` with small blocks and no approximation of its own; impacts are cut at 255, which is all that it holds.

    Raises:
        ImportError: it is not installed.
    """

    def __init__(self, folder: Path) -> None:
        import bmp

        self._searcher: Any = bmp.Searcher(str(folder / "index.bmp"))

    @staticmethod
    def build(encoded: Path, folder: Path) -> None:
        """Builds an index with blocks of 32 documents."""
        import bmp

        indexer = bmp.Indexer(str(folder / "index.bmp"), bsize=32, compress_range=False)
        for vector in read_vectors(encoded):
            indexer.add_document(vector.doc_id, {token: min(255, impact) for token, impact in vector.vector.items()})
        indexer.finish()

    def search(self, query: Impacts, k: int) -> list[Hit]:
        """The hits; scores differ where an impact was cut."""
        weights = {token: float(impact) for token, impact in query.items()}
        return [Hit(doc_id, float(score)) for doc_id, score in zip(*self._searcher.search(weights, k=k, alpha=1.0, beta=1.0), strict=True)]


class ImpactIndex:
    """``impact-index`` with MaxScore, which is exact; in memory.

    Raises:
        ImportError: it is not installed.
    """

    def __init__(self, folder: Path) -> None:
        import impact_index

        self._docids, self._tokens = json.loads((folder / "names.json").read_text(encoding="utf-8"))
        self._index: Any = impact_index.Index.load(str(folder / "index"), in_memory=True)

    @staticmethod
    def build(encoded: Path, folder: Path) -> None:
        """Builds an index."""
        import impact_index

        builder = impact_index.IndexBuilder(str(folder / "index"))
        docids: list[str] = []
        tokens: dict[str, int] = {}
        for number, vector in enumerate(read_vectors(encoded)):
            docids.append(vector.doc_id)
            numbers = np.array([tokens.setdefault(token, len(tokens)) for token in vector.vector], np.uint64)
            builder.add(number, numbers, np.array(list(vector.vector.values()), np.float32))
        builder.build(in_memory=False)
        (folder / "names.json").write_text(json.dumps([docids, tokens]), encoding="utf-8")

    def search(self, query: Impacts, k: int) -> list[Hit]:
        """The hits; equal scores in any order."""
        weights = {self._tokens[token]: float(impact) for token, impact in query.items() if token in self._tokens}
        return [Hit(self._docids[hit.docid], hit.score) for hit in self._index.search_maxscore(weights, k)]


class SpladeIndex:
    """``splade-index``, which adds up a sparse matrix in memory, with numba; exact as far as float32 is.

    Raises:
        ImportError: it is not installed, or numba is not.
    """

    class _Encoded:
        """In the place of a model of sentence-transformers: vectors that are there already."""

        def __init__(self, tokens: Mapping[str, int], documents: Any = None) -> None:
            self.tokens, self.documents, self.tokenizer = dict(tokens), documents, self
            self.query: Impacts = {}

        def get_vocab(self) -> dict[str, int]:
            return self.tokens

        def encode_document(self, texts: object, **options: object) -> Any:
            return self.documents

        def encode_query(self, texts: object, **options: object) -> list[Any]:
            import torch

            known = {self.tokens[token]: float(weight) for token, weight in self.query.items() if token in self.tokens}
            return [torch.sparse_coo_tensor([list(known)], list(known.values()), (len(self.tokens),), check_invariants=False)]

    def __init__(self, folder: Path) -> None:
        import numba  # noqa: F401  # without it numpy would be used, at a tenth of the speed
        import splade_index

        self._model = self._Encoded(json.loads((folder / "vocab.index.json").read_text(encoding="utf-8")))
        self._index: Any = splade_index.SPLADE.load(folder, self._model)

    @staticmethod
    def build(encoded: Path, folder: Path) -> None:
        """Builds an index."""
        import splade_index
        import torch

        matrix, docids, tokens = matrix_of(encoded)
        documents = torch.sparse_csc_tensor(
            matrix.indptr, matrix.indices, matrix.data.astype(np.float32), matrix.shape, check_invariants=False
        )
        index = splade_index.SPLADE(backend="numba")
        index.index(SpladeIndex._Encoded(tokens, documents), docids, docids, show_progress=False, compile_numba_code=False)
        index.save(folder)

    def search(self, query: Impacts, k: int) -> list[Hit]:
        """The hits; equal scores in any order, and documents with the score 0 where nothing else is left."""
        self._model.query = query
        found = self._index.retrieve([""], k=k, show_progress=False)
        return [Hit(str(doc_id), float(score)) for doc_id, score in zip(found.doc_ids[0], found.scores[0], strict=True) if score > 0]


PEERS: dict[str, Any] = {"bmp": Bmp, "Seismic": Seismic, "impact-index": ImpactIndex, "splade-index": SpladeIndex}


def built(name: str, encoded: Path, folder: Path) -> Path:
    """The folder in a folder with the index of an engine, built from vectors unless it is there."""
    place = folder / name
    if not place.exists():
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            unfinished = Path(temporary) / name
            unfinished.mkdir()
            PEERS[name].build(encoded, unfinished)
            unfinished.rename(place)
    return place


def installed(encoded: Path) -> dict[str, Any]:
    """Those of the engines that are installed, each with an index of the vectors."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:  # all of them read their files into memory
        for name, kind in PEERS.items():
            try:
                found[name] = kind(built(name, encoded, Path(folder)))
            except ImportError as error:
                print(f"without {name}: {error}", file=sys.stderr)
    return found


def settle() -> None:
    """Takes all that was built out of the sight of Python's garbage collector, which would walk it in the middle of a search."""
    gc.collect()
    gc.freeze()


def recall(found: list[Hit], exact: list[Hit]) -> float:
    """The share of the exact hits that were found."""
    return len({hit.doc_id for hit in found} & {hit.doc_id for hit in exact}) / len(exact) if exact else 1.0
