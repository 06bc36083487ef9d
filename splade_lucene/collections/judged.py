"""Judged collections: a corpus, queries and relevance judgments, from a BEIR folder or from within a BEIR zip."""

from __future__ import annotations

import hashlib
import json
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple, cast

from splade_lucene.collections.fields import Fields
from splade_lucene.collections.passages import CORPUS, passage_files, read_passages
from splade_lucene.collections.queries import QueryFields, read_qrels, read_queries, split_qrels
from splade_lucene.core.remote import RemotePath
from splade_lucene.core.streams import AnyPath, open_bytes
from splade_lucene.errors import InputError
from splade_lucene.records import Passage, Qrel, Query

_BLOCK = 1 << 20
MAX_UNPACKED = 8 * 10**9
"""Bytes in all files of a zip; of BEIR's own, BioASQ's alone has more."""


TRAINING_SPLITS = ("dev", "train")
"""Where held-out queries are taken from, the first that there is: a model may have been trained on ``train``."""


class TrainingQueries(NamedTuple):
    """Judged queries that are not those of an evaluation.

    Attributes:
        split: where they are from.
        queries: none that the evaluated split judges.
        qrels: of these.
    """

    split: str
    queries: list[Query]
    qrels: list[Qrel]

    def only(self, queries: Sequence[Query]) -> TrainingQueries:
        """Some of these queries, with their judgments."""
        ids = {query.query_id for query in queries}
        return TrainingQueries(self.split, list(queries), [qrel for qrel in self.qrels if qrel.query_id in ids])


class JudgedCollection(ABC):
    """A corpus, queries and relevance judgments.

    Args:
        name: fit for a folder; BEIR's own name for BEIR's.
        source: where it comes from, as the user would name it.
        split: of the judgments, where the source has several under one name.
        shared_ids: whether a passage that has a query's id is the query itself, as in BEIR's ArguAna and Quora; elsewhere both are
            numbered, and agree by chance.
    """

    _queries: list[Query]
    _qrels: list[Qrel]

    def __init__(self, name: str, source: str, split: str | None, *, shared_ids: bool = True) -> None:
        self.name, self.source, self.split, self.shared_ids = name, source, split, shared_ids

    @abstractmethod
    def passages(self) -> Iterator[Passage]:
        """Streams the corpus; the same passages in the same order each time."""

    def queries(self) -> list[Query]:
        """The queries that are judged."""
        return self._queries

    def qrels(self) -> list[Qrel]:
        """The judgments."""
        return self._qrels

    @abstractmethod
    def sha256(self) -> str:
        """A checksum of the corpus: another one means other passages."""

    def training(self) -> TrainingQueries | None:
        """Queries to learn from, of :data:`TRAINING_SPLITS`; None where there are none beside those that are evaluated."""
        for split in TRAINING_SPLITS:
            found = None if split == self.split else self._judged(split)
            if found is not None:
                own = {qrel.query_id for qrel in self._qrels}
                queries, qrels = found
                kept = [query for query in queries if query.query_id not in own]
                if kept:
                    return TrainingQueries(split, queries, qrels).only(kept)
        return None

    def _judged(self, split: str) -> tuple[list[Query], list[Qrel]] | None:
        """The queries and judgments of another split; None where there is no such split."""
        return None


def passages_sha256(passages: Iterable[Passage]) -> str:
    """A checksum of passages that are no files."""
    digest = hashlib.sha256()
    for passage in passages:
        digest.update(json.dumps(passage).encode())
    return digest.hexdigest()


class BeirCollection(JudgedCollection):
    """A collection in BEIR's layout: ``corpus.jsonl``, ``queries.jsonl``, ``qrels/SPLIT.tsv``.

    Args:
        root: the folder, on disk or in a zip, which is read as a stream and never unpacked.
        name: see :class:`JudgedCollection`.
        split: of the judgments.

    Raises:
        InputError: the queries or the judgments of the split are missing or malformed.
    """

    def __init__(self, root: AnyPath, name: str, split: str) -> None:
        super().__init__(name, str(root).rstrip("/"), split)
        self._root = root
        self._queries = read_queries(root, split=split)
        self._qrels = read_qrels(split_qrels(root, split))

    def passages(self) -> Iterator[Passage]:
        """See :meth:`JudgedCollection.passages`."""
        return read_passages(self._root)

    def sha256(self) -> str:
        """The SHA-256 of the uncompressed bytes of the corpus: the same for a folder and the zip that it came in."""
        return _sha256(passage_files(self._root))

    def _judged(self, split: str) -> tuple[list[Query], list[Qrel]] | None:
        if not (self._root / "qrels" / f"{split}.tsv").is_file():
            return None
        return read_queries(self._root, split=split), read_qrels(split_qrels(self._root, split))


class FilesCollection(JudgedCollection):
    """A collection whose passages, queries and judgments are files of their own, as MS MARCO's are.

    Args:
        name: see :class:`JudgedCollection`.
        corpus: as for :func:`read_passages`.
        queries: as for :func:`read_queries`; those that are judged are taken.
        qrels: as for :func:`read_qrels`; None where nothing is judged: then all queries are taken.
        fields: which fields of passages are the id and the text, if others.
        query_fields: likewise of queries.

    Raises:
        InputError: the queries or the judgments cannot be read, or no query is judged.
    """

    def __init__(
        self,
        name: str,
        corpus: AnyPath,
        queries: AnyPath,
        qrels: AnyPath | None,
        *,
        fields: Fields | None = None,
        query_fields: QueryFields | None = None,
    ) -> None:
        super().__init__(name, str(corpus), None, shared_ids=False)
        self._corpus, self._fields = corpus, fields or Fields()
        self._queries, self._qrels = read_queries(queries, fields=query_fields), []
        if qrels is None:
            return
        self._qrels = read_qrels(qrels)
        judged = {qrel.query_id for qrel in self._qrels}
        self._queries = [query for query in self._queries if query.query_id in judged]
        if not self._queries:
            raise InputError(queries, f"has no query that {qrels} judges; are these the right judgments?")

    def passages(self) -> Iterator[Passage]:
        """See :meth:`JudgedCollection.passages`."""
        return read_passages(self._corpus, fields=self._fields)

    def sha256(self) -> str:
        """The SHA-256 of the uncompressed bytes of the files of passages, and of the names of the fields that are read."""
        named = json.dumps(self._fields).encode() if self._fields != Fields() else b""
        return _sha256(passage_files(self._corpus), named)


def _sha256(files: Sequence[AnyPath], more: bytes = b"") -> str:
    digest = hashlib.sha256(more)
    for file in files:
        with open_bytes(file) as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
    return digest.hexdigest()


def beir_folders(path: Path | RemotePath, *, max_unpacked: int = MAX_UNPACKED) -> dict[str, AnyPath]:
    """The BEIR collections in a folder or zip: itself, or those one level below (the forums of cqadupstack, say).

    Args:
        path: the folder or zip, or the URL of one.
        max_unpacked: bytes that all files of a zip may have together.

    Returns:
        Name → folder, which for a zip lies in the archive.

    Raises:
        InputError: there is none, or the zip is damaged, encrypted, too large or names files outside itself.
    """
    if isinstance(path, RemotePath):
        # Over HTTP a folder is only known by its files.
        at_url: dict[str, AnyPath] = {path.name: path} if _has_corpus(path) else {}
        found = at_url if at_url or path.suffix != ".zip" else _in_zip(path, max_unpacked)
    else:
        found = _in_folder(path) if path.is_dir() else _in_zip(path, max_unpacked)
    if not found:
        raise InputError(path, "holds no corpus.jsonl; give a BEIR folder or zip, or an ir_datasets id")
    return found


def _in_folder(path: Path) -> dict[str, AnyPath]:
    own_name = path.resolve().name
    if _has_corpus(path):
        parent = path.resolve().parent.name
        return {f"{parent}-{own_name}" if parent == "cqadupstack" else own_name: path}
    below = sorted(each for each in path.iterdir() if each.is_dir() and _has_corpus(each))
    return {f"{own_name}-{each.name}" if own_name == "cqadupstack" else each.name: each for each in below}


def _has_corpus(path: Path | RemotePath) -> bool:
    # A folder called corpus alone is no sign: a collection of files may lie in one.
    return any((path / name).is_file() for name in CORPUS) or ((path / CORPUS[-1]).is_dir() and (path / "qrels").is_dir())


def _in_zip(path: Path | RemotePath, max_unpacked: int) -> dict[str, AnyPath]:
    try:
        archive = zipfile.ZipFile(path if isinstance(path, Path) else path.open())
        archive.filename = str(path)
    except (zipfile.BadZipFile, OSError) as error:
        raise InputError(path, f"is not a readable zip ({error}); fetch it again, or give a BEIR folder") from None
    for member in archive.infolist():
        if member.filename.startswith("/") or ".." in PurePosixPath(member.filename).parts or "\\" in member.filename:
            raise InputError(path, f"names the file {member.filename!r}, which is outside the archive; do not trust it")
        if member.flag_bits & 1:
            raise InputError(path, f"the file {member.filename!r} is encrypted; unpack it and give the folder")
    # What a file claims to have is all that zipfile reads of it.
    if (size := sum(member.file_size for member in archive.infolist())) > max_unpacked:
        problem = (
            f"would unpack to {size / 1e9:.1f} GB, and the limit is {max_unpacked / 1e9:.1f}; raise it with --max-unpacked if you trust it"
        )
        raise InputError(path, problem)
    found: dict[str, AnyPath] = {}
    for inside in archive.namelist():
        *parents, file = PurePosixPath(inside).parts or ("",)
        if file == CORPUS[0]:
            name = "-".join(parents) if parents[:1] == ["cqadupstack"] else (parents or [path.stem])[-1]
            found[name] = cast(AnyPath, zipfile.Path(archive, "".join(f"{parent}/" for parent in parents)))
    return found
