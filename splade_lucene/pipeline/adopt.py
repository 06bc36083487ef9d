"""Adds our records to vectors and indexes that Anserini, Pyserini, sentence-transformers or naver's code made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from splade_lucene.core.files import read_objects
from splade_lucene.encoding.quantization import Quantization
from splade_lucene.errors import InputError
from splade_lucene.lucene.card import IndexCard
from splade_lucene.pipeline.pool import ModelSpec
from splade_lucene.pipeline.progress import Advance
from splade_lucene.records import FIRST_KERNELS, SHARD_SIZE, EncoderRecord, ImpactVector, Passage, VectorSettings
from splade_lucene.vectors.manifest import Manifest
from splade_lucene.vectors.reader import check_vector
from splade_lucene.vectors.writer import VectorWriter, exclusive

if TYPE_CHECKING:
    from splade_lucene.encoding.model import SpladeModel

# Vectors that are looked at to tell floats from integers, and whose texts are encoded again.
_SAMPLE, _TEXTS = 1000, 32
# The share of tokens that a model may lack: of old tokenizers, of other special tokens.
_UNKNOWN, _FEW = 0.01, 5
# Between these lies the largest weight of nearly every passage of a trained model.
_LARGEST_WEIGHTS = (0.3, 10.0)
_OFF = 0.1
_SUFFIXES = (".jsonl", ".json", ".jsonl.gz", ".json.gz")


class Adopted(NamedTuple):
    """What was found in vectors.

    Attributes:
        manifest: of the folder that was written.
        quantized: how many weights were floats and became impacts.
        unknown: how many different tokens the model does not have.
    """

    manifest: Manifest
    quantized: int
    unknown: int


def adopt_vectors(
    source: Path,
    out: Path,
    model: ModelSpec,
    *,
    scale: float,
    max_length: int | None = None,
    query_max_length: int | None = None,
    overwrite: bool = False,
    advance: Advance = lambda count: None,
) -> Adopted:
    """Copies JSONL vectors as Anserini and Pyserini read them into a folder that ``index`` and all other commands take.

    Args:
        source: a file, or a folder of ``.jsonl`` or ``.jsonl.gz`` with ``{"id": …, "vector": {token: weight}}`` lines.
        out: the folder to write.
        model: what encoded them.
        scale: impacts are ``round(weight × scale)``; floats are quantized with it.
        max_length: tokens that passages were cut at, if it is known.
        query_max_length: tokens that queries will be cut at; the model's default if None.
        overwrite: replace what is in ``out``.
        advance: told of each group of vectors.

    Raises:
        InputError: there are no vectors, a line is none, the tokens are not the model's, or the impacts cannot have this scale.
        ModelError: the model cannot be loaded, its query model has another vocabulary, or it cannot read queries of that length.
    """
    files = _files(source)
    loaded, record = _load(model, scale, query_max_length, source)
    sample = list(islice(_lines(files), _SAMPLE))
    if not sample:
        raise InputError(source, "holds no vectors; give a folder of JSONL files with an 'id' and a 'vector' per line")
    # Whole numbers are impacts, however they are written.
    floats = any(isinstance(weight, float) and not weight.is_integer() for _, _, item in sample for weight in _weights(item).values())
    texts = [item.get("contents") for _, _, item in sample]
    _check_scale(
        source, loaded, 1.0 if floats else scale, [(text, _weights(item)) for text, (_, _, item) in zip(texts, sample, strict=True)]
    )
    settings = VectorSettings(max_length, contents=all(isinstance(text, str) for text in texts))
    reader = _Reader(source, files, frozenset(loaded.vocabulary), scale if floats else None, contents=settings.contents)
    with exclusive(out):
        writer = VectorWriter(out, encoder=record, settings=settings, overwrite=overwrite)
        vectors = iter(reader)
        while shard := list(islice(vectors, SHARD_SIZE)):
            writer.write_shard([Passage(vector.doc_id, vector.contents or "") for vector in shard], shard)
            advance(len(shard))
        reader.check_unknown()
        return Adopted(writer.finish(), reader.quantized, len(reader.unknown))


def adopt_index(
    index: Path, model: ModelSpec, *, scale: float, max_length: int | None = None, query_max_length: int | None = None
) -> tuple[IndexCard, int]:
    """Writes the card of an impact index that Anserini built, which then every command takes.

    Args:
        index: the folder.
        model: what encoded its documents.
        scale: of its impacts, and of queries.
        max_length: tokens that passages were cut at, if it is known.
        query_max_length: tokens that queries will be cut at; the model's default if None.

    Returns:
        The card, and how many terms of the index the model does not have.

    Raises:
        IndexMismatchError: the folder is no impact index, or has a card already.
        InputError: the terms are not the model's, or the impacts cannot have this scale.
        ModelError: the model cannot be loaded, its query model has another vocabulary, or it cannot read queries of that length.
    """
    from splade_lucene.lucene.adopting import adopt_index as write_card_of

    loaded, record = _load(model, scale, query_max_length, index)
    vocabulary, unknown = frozenset(loaded.vocabulary), list[str]()

    def check(terms: list[str], stored: list[ImpactVector]) -> None:
        unknown.extend(term for term in terms if term not in vocabulary)
        _check_unknown(index, unknown, len(terms))
        _check_scale(index, loaded, scale, [(vector.contents, dict(vector.vector)) for vector in stored])

    settings = VectorSettings(max_length)
    return write_card_of(index, record, settings, check=check), len(unknown)


class _Reader:
    """Vectors of other makers, line by line, counted and checked."""

    def __init__(self, source: Path, files: Sequence[Path], vocabulary: frozenset[str], scale: float | None, *, contents: bool) -> None:
        self._source, self._files, self._vocabulary, self._contents = source, files, vocabulary, contents
        self._quantization = None if scale is None else Quantization(scale)
        self.quantized, self.known, self.unknown = 0, set[str](), set[str]()

    def __iter__(self) -> Iterator[ImpactVector]:
        good: set[str] = set()
        for file, line, item in _lines(self._files):
            if self._quantization is not None:
                weights = _weights(item)
                if not all(isinstance(weight, int | float) and 0 <= weight < 1 << 24 for weight in weights.values()):
                    raise InputError(file, f"document {item.get('id')!r} has a weight that is no number from 0; correct or remove it", line)
                self.quantized += len(weights)
                item = {**item, "vector": self._quantization.bag(weights)}  # noqa: PLW2901
            elif any(isinstance(weight, float) for weight in _weights(item).values()):
                item = {**item, "vector": {token: _whole(weight) for token, weight in _weights(item).items()}}  # noqa: PLW2901
            vector = check_vector({**item, "id": str(item.get("id", ""))}, good, file, line)
            self.unknown |= vector.vector.keys() - self._vocabulary
            self.known |= vector.vector.keys() & self._vocabulary
            if self._contents and vector.contents is None:
                raise InputError(file, f"document {vector.doc_id!r} has no 'contents', as others have; add it", line)
            yield vector if self._contents else vector._replace(contents=None)

    def check_unknown(self) -> None:
        """Makes sure that the tokens are the model's."""
        _check_unknown(self._source, sorted(self.unknown), len(self.unknown) + len(self.known))


def _files(source: Path) -> list[Path]:
    if source.is_file():
        return [source]
    folder = source / "vectors" if (source / "vectors").is_dir() else source
    return sorted(file for file in folder.rglob("*") if file.name.endswith(_SUFFIXES) and file.name != "manifest.json")


def _lines(files: Sequence[Path]) -> Iterator[tuple[Path, int, dict[str, Any]]]:
    for file in files:
        for line, item in read_objects(file):
            yield file, line, item


def _whole(weight: Any) -> Any:
    """``151.0`` as 151; what is no whole number stays and is refused as an impact."""
    return int(weight) if isinstance(weight, float) and weight.is_integer() else weight


def _weights(item: dict[str, Any]) -> dict[str, Any]:
    vector = item.get("vector")
    return vector if isinstance(vector, dict) else {}


def _load(model: ModelSpec, scale: float, query_max_length: int | None, source: Path) -> tuple[SpladeModel, EncoderRecord]:
    """The model, and the record of both sides."""
    from splade_lucene.encoding.model import SpladeModel

    loaded = SpladeModel.load(**model._asdict())
    record = loaded.record(query_max_length=query_max_length, scale=scale)
    loaded.check_query_length(record.query_max_length)
    # Nobody knows what their arithmetic was.
    return loaded, replace(record, precision="unknown", kernels=FIRST_KERNELS, origin=f"adopted from {source.resolve()}")


def _check_unknown(source: Path, unknown: Sequence[str], all_tokens: int) -> None:
    if len(unknown) > max(_FEW, _UNKNOWN * all_tokens):
        raise InputError(
            source,
            f"has {len(unknown):,} of {all_tokens:,} tokens that the model's tokenizer does not have, such as {unknown[0]!r}; give the "
            "--model that encoded it",
        )


def _check_scale(source: Path, model: SpladeModel, scale: float, vectors: Sequence[tuple[str | None, dict[str, Any]]]) -> None:
    """Holds impacts against the weights that the model gives the same texts, or without texts against what weights can be.

    Raises:
        InputError: they have another scale, or another model made them.
    """
    given = [(text, vector) for text, vector in vectors if vector]
    with_text = [(text, vector) for text, vector in given if isinstance(text, str) and text.strip()][:_TEXTS]
    if not with_text:
        largest = median(max(vector.values()) for _, vector in given) / scale if given else 1.0
        if not _LARGEST_WEIGHTS[0] <= largest <= _LARGEST_WEIGHTS[1]:
            raise InputError(
                source,
                f"has impacts that would be weights around {largest:.3g} with the scale {scale:g}, where models give 1 to 4; give the "
                "--scale that it was made with",
            )
        return
    ratios, shared, total = [], 0, 0
    for weights, (_, vector) in zip(model.document_weights([text for text, _ in with_text]), with_text, strict=True):
        heavy = sorted(weights, key=lambda token: -weights[token])[:10]
        ratios += [vector[token] / weights[token] for token in heavy if token in vector]
        shared, total = shared + sum(token in vector for token in heavy), total + len(heavy)
    if shared < total / 2:
        raise InputError(source, "lacks most of the tokens that the model gives the same texts; give the --model that encoded it")
    found = median(ratios)
    if abs(found / scale - 1) > _OFF:
        raise InputError(
            source, f"has impacts that are about {found:.4g} times the model's weights, not {scale:g} times; give --scale {found:.3g}"
        )
