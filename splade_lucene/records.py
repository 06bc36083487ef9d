"""The records that pass between the packages: plain data, no behaviour but their form as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, NamedTuple, Self


class Passage(NamedTuple):
    """One unit of retrieval: what BEIR calls a document.

    Attributes:
        doc_id: the external docid; never empty, no white space (TREC files are separated by it).
        text: the body.
        title: the title, empty where the source has none.
        fields: what else the source says of it, as JSON values by name.
    """

    doc_id: str
    text: str
    title: str = ""
    fields: Mapping[str, Any] | None = None

    @property
    def contents(self) -> str:
        """Title and text joined with one space: what a SPLADE model reads."""
        return f"{self.title} {self.text}".strip()


class Query(NamedTuple):
    """One information need: its id in topics, qrels and runs, and its text."""

    query_id: str
    text: str


class ImpactVector(NamedTuple):
    """A passage as a bag of tokens with quantized weights.

    Attributes:
        doc_id: the docid of the passage.
        vector: token to impact, integers from 1; empty if the passage quantizes to nothing.
        contents: the passage text, where the user asked to keep it.
        fields: with the text, the other fields of the passage.
    """

    doc_id: str
    vector: Mapping[str, int]
    contents: str | None = None
    fields: Mapping[str, Any] | None = None


class Hit(NamedTuple):
    """One retrieved passage.

    Attributes:
        doc_id: the external doc_id.
        score: on an impact index the exact integer dot product (as a float), on a BM25 index the BM25 score.
    """

    doc_id: str
    score: float


class Qrel(NamedTuple):
    """One relevance judgment; field names as in ir_measures."""

    query_id: str
    doc_id: str
    relevance: int


# What turns the output of a network, or a table, into weights; see ``encoding/``.
SideKind = Literal["mlm", "bge-m3", "static", "idf"]
Pooling = Literal["max", "sum"]
Activation = Literal["relu", "log1p_relu"]
# Of records from before there was a choice.
FIRST_KERNELS = "torch"


@dataclass(frozen=True)
class EncoderSide:
    """What identifies the encoder of one side, passages or queries.

    Attributes:
        model: ``tiny``, a hub id, an absolute folder, or ``idf`` for the collection's own statistics.
        revision: the hub's commit, None for other sources.
        weights_sha256: of the weights: safetensors files, or the table of token weights; empty for ``idf``.
        tokenizer_sha256: of the tokenizer's files.
        kind: ``mlm``, a masked language model with SPLADE pooling; ``bge-m3``, one weight per token of the text; ``static``, a table of
            token weights; ``idf``, a table made of the indexed collection.
        pooling: of an ``mlm``, over the tokens of a text: ``max`` or ``sum``.
        activation: of an ``mlm``, before the last log1p: ``relu``, or ``log1p_relu`` for a log1p more.
        prompt: put before each text.
        subfolder: of the repository or folder that the model was asked for in.
        max_active_dims: the number of weights that the model's configuration keeps of a text, the largest; None for all.
    """

    model: str
    revision: str | None
    weights_sha256: str
    tokenizer_sha256: str
    kind: SideKind = "mlm"
    pooling: Pooling = "max"
    activation: Activation = "relu"
    prompt: str = ""
    subfolder: str = ""
    max_active_dims: int | None = None


@dataclass(frozen=True)
class EncoderRecord:
    """What encoded a collection, and what encodes queries for it, as manifests, indexes, runs and results keep it.

    Attributes:
        document: the side that encoded the passages.
        query: the side that encodes queries; often the same.
        query_max_length: tokens that queries are cut at by default.
        scale: impacts are ``round(weight × scale)``.
        precision: of the arithmetic of the forward pass; ``unknown`` for what was encoded elsewhere.
        origin: ``encoded`` by us, or ``adopted from`` a folder: encoded elsewhere, and this record is what its owner said.
        query_top_k: tokens of a query that are kept, those of the largest weights; None for all.
        query_idf: query weights are multiplied by idf to this power; None leaves them as the model gives them.
        kernels: that computed matrix products, ``torch``, ``onednn`` or, for the head on a GPU, ``triton``; they round differently.
    """

    document: EncoderSide
    query: EncoderSide
    query_max_length: int
    scale: float
    precision: str
    origin: str = "encoded"
    query_top_k: int | None = None
    kernels: str = FIRST_KERNELS
    query_idf: float | None = None

    @property
    def model(self) -> str:
        """The name of the document encoder, with the query encoder's where that is another model."""
        return self.document.model if self.query.model == self.document.model else f"{self.document.model} + {self.query.model}"

    def to_json(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Reads :meth:`to_json`'s form, and the flat one from before there could be two encoders.

        Raises:
            KeyError: something is missing.
            TypeError: something is unknown, or of another type.
        """
        if "document" in data:
            return cls(**{**data, "document": EncoderSide(**data["document"]), "query": EncoderSide(**data["query"])})
        side = EncoderSide(*(data[name] for name in ("model", "revision", "weights_sha256", "tokenizer_sha256")))
        known = {each.name for each in fields(EncoderSide)} | {each.name for each in fields(cls)}
        if unknown := sorted(data.keys() - known):
            raise TypeError(f"unknown: {', '.join(unknown)}")
        return cls(
            side,
            side,
            data["query_max_length"],
            data["scale"],
            data["precision"],
            query_top_k=data.get("query_top_k"),
            kernels=data.get("kernels", FIRST_KERNELS),
            query_idf=data.get("query_idf"),
        )

    def flat(self) -> dict[str, Any]:
        """All values by name, those of the two sides as ``document.model`` and so on: for comparing and for tables."""
        data = self.to_json()
        sides = {side: data.pop(side) for side in ("document", "query")}
        return {f"{side}.{name}": value for side, values in sides.items() for name, value in values.items()} | data

    def with_queries(self, *, max_length: int | None = None, top_k: int | None = None, idf: float | None = None) -> EncoderRecord:
        """The same with other settings of queries; None leaves a setting as it is."""
        return replace(
            self,
            query_max_length=self.query_max_length if max_length is None else max_length,
            query_top_k=self.query_top_k if top_k is None else top_k,
            query_idf=self.query_idf if idf is None else idf,
        )


# Passages in one file of vectors. Anserini indexes one file per thread; a larger shard loses more work when interrupted.
SHARD_SIZE = 4096
_WHERE_GIVEN = ("split_words", "overlap", "max_ratio", "alpha_mass")


class VectorSettings(NamedTuple):
    """How passages became vectors.

    Attributes:
        max_length: tokens that passages were cut at; None if that is not known.
        top_k: the K largest weights of each passage were kept; None for all.
        min_weight: weights from here on were kept; None for all.
        bits: impacts are at most ``2^bits - 1``; None for no cap.
        contents: whether the texts of passages are beside their vectors.
        shard_size: the number of passages in a shard.
        split_words: documents were cut into passages of that many words; None if they are whole.
        overlap: words that two passages of a document share; None if they are whole.
        max_ratio: weights from this share of the passage's largest on were kept; None for all.
        alpha_mass: the largest weights with this share of the passage's sum were kept; None for all.
    """

    max_length: int | None = None
    top_k: int | None = None
    min_weight: float | None = None
    bits: int | None = None
    contents: bool = False
    shard_size: int = SHARD_SIZE
    split_words: int | None = None
    overlap: int | None = None
    max_ratio: float | None = None
    alpha_mass: float | None = None

    def to_json(self) -> dict[str, Any]:
        """As JSON holds it, what came later only where it was given."""
        return {name: value for name, value in self._asdict().items() if name not in _WHERE_GIVEN or value is not None}


class Bm25Settings(NamedTuple):
    """How a BM25 index was built, and how it is searched.

    Attributes:
        k1: saturation of term frequency.
        b: normalization by document length.
        fields: name → weight.
        language: of the text, a two-letter code; the default is that of records from before there was a choice.
        analyzer: its name in that language; likewise.
    """

    k1: float
    b: float
    fields: Mapping[str, float]
    language: str = "en"
    analyzer: str = "porter"

    def to_json(self) -> dict[str, Any]:
        """As JSON holds it."""
        return self._asdict() | {"fields": dict(self.fields)}


CardSettings = VectorSettings | Bm25Settings
"""How an index was made, of either kind."""
