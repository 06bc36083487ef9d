"""The card of an index: its kind and what a query needs; written last, so an index without a card is not finished."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from splade_lucene.core.files import atomic_file
from splade_lucene.errors import IndexMismatchError
from splade_lucene.lucene.defaults import FLAT
from splade_lucene.lucene.filters import FilterKind
from splade_lucene.records import Bm25Settings, CardSettings, EncoderRecord, VectorSettings
from splade_lucene.vectors.idf import idf_impacts

FILE = "splade_lucene.json"
FORMAT = "splade_lucene index 1"

Kind = Literal["impact", "bm25"]


class IndexCard(NamedTuple):
    """What ``splade_lucene.json`` says.

    Attributes:
        kind: ``impact`` or ``bm25``.
        documents: the number of documents in the index.
        empty: the number of passages without a single term; they are not in the index and can never be found.
        lucene: the version of Lucene that wrote it.
        encoder: for ``impact``, what encoded the passages, and what encodes queries for them; else None.
        settings: for ``impact`` how passages were encoded, for ``bm25`` what the score and the analysis of text depend on.
        rejected: for ``bm25``, how many bad lines of the collection were left out; ``rejected.jsonl`` lists them.
        source: checksums of what it was built from, as far as the builder was told.
        filter_fields: fields to filter by, with their kinds.
        frequencies: for the query model ``idf``: token → the number of documents of this index that have it.
    """

    kind: Kind
    documents: int
    empty: int
    lucene: str
    encoder: EncoderRecord | None
    settings: CardSettings
    rejected: int = 0
    source: Mapping[str, str] = MappingProxyType({})
    filter_fields: Mapping[str, FilterKind] = MappingProxyType({})
    frequencies: Mapping[str, int] | None = None

    @property
    def bm25(self) -> Bm25Settings:
        """The settings of an index of the kind ``bm25``."""
        assert isinstance(self.settings, Bm25Settings)
        return self.settings

    @property
    def vectors(self) -> VectorSettings:
        """The settings of an index of the kind ``impact``."""
        assert isinstance(self.settings, VectorSettings)
        return self.settings

    @property
    def fields(self) -> Mapping[str, float]:
        """The fields that hold terms, with their weights."""
        return self.settings.fields if isinstance(self.settings, Bm25Settings) else FLAT

    def encoder_values(self) -> dict[str, Any]:
        """All values of the encoder by name; empty for ``bm25``."""
        return {} if self.encoder is None else self.encoder.flat()

    def query_table(self, query_idf: float | None = None) -> dict[str, int] | None:
        """Token → impact of the query model ``idf``, its weights times idf to the power ``query_idf``; None for another query encoder."""
        if self.encoder is None or self.frequencies is None:
            return None
        return idf_impacts(self.frequencies, self.documents, self.encoder.scale, 1 + (query_idf or 0))


def write_card(index: Path, card: IndexCard) -> None:
    """Writes the card into an index folder."""
    with atomic_file(index / FILE) as stream:
        json.dump({"format": FORMAT, **_to_json(card)}, stream, indent=1)
        stream.write("\n")


def _to_json(card: IndexCard) -> dict[str, Any]:
    encoder = {} if card.encoder is None else card.encoder.to_json()
    maps = {"source": dict(card.source), "filter_fields": dict(card.filter_fields)}
    return card._asdict() | {"encoder": encoder, "settings": card.settings.to_json()} | maps


def _settings(kind: Kind, data: Mapping[str, Any]) -> CardSettings:
    return VectorSettings(**data) if kind == "impact" else Bm25Settings(**data)


def read_card(index: Path | str, kind: Kind | None = None) -> IndexCard:
    """Reads the card of an index.

    Args:
        index: the folder.
        kind: the kind that it must be; any if None.

    Raises:
        IndexMismatchError: the folder is no finished index of ours, or of the other kind.
    """
    index = Path(index)
    if not index.is_dir():
        raise IndexMismatchError(f"no index folder {index}")
    if not (index / FILE).is_file():
        if parts := part_folders(index):
            raise IndexMismatchError(f"{index} is an index in {len(parts)} parts; this works on one of them at a time: {parts[0]}, …")
        raise IndexMismatchError(f"{index} holds no {FILE}, so it is no index that `splade-lucene index` or `bm25` finished")
    try:
        data = json.loads((index / FILE).read_text(encoding="utf-8"))
        if data.pop("format") != FORMAT:
            raise IndexMismatchError(f"{index} was written by another version of splade_lucene; build it again")
        data["encoder"] = EncoderRecord.from_json(data["encoder"]) if data["encoder"] else None
        data["settings"] = _settings(data["kind"], data["settings"])
        card = IndexCard(**data)
    except (ValueError, KeyError, TypeError) as error:
        raise IndexMismatchError(f"{index / FILE} is damaged ({error!r}); build the index again") from None
    check_kind(index, card, kind)
    return card


def check_kind(index: Path, card: IndexCard, kind: Kind | None) -> None:
    """Makes sure that an index is of a kind, if that matters.

    Raises:
        IndexMismatchError: it is of the other one.
    """
    if kind is not None and card.kind != kind:
        builder = {"impact": "splade-lucene index", "bm25": "splade-lucene bm25"}[kind]
        raise IndexMismatchError(f"{index} is an index of the kind {card.kind}, not {kind}; `{builder}` builds one")


def part_folder(number: int, of: int) -> str:
    """The name of a part's folder in an index in parts; ``number`` counts from 1."""
    return f"part-{number}-of-{of}"


def part_folders(index: Path) -> list[Path]:
    """The parts in a folder that ``index --parts`` made, in order; none if it is another folder.

    Raises:
        IndexMismatchError: some parts are missing, or parts of several divisions lie together.
    """
    found = [(file, re.fullmatch(r"part-(\d+)-of-(\d+)", file.name)) for file in index.glob("part-*-of-*")]
    numbers = {(int(match[1]), int(match[2])): file for file, match in found if match}
    if not numbers:
        return []
    of = next(iter(numbers))[1]
    if missing := [part_folder(number, of) for number in range(1, of + 1) if (number, of) not in numbers]:
        raise IndexMismatchError(f"{index} lacks {', '.join(missing)}; bring them back, or build the index again")
    if len(numbers) != of:
        raise IndexMismatchError(f"{index} holds more than the {of} parts of one index; remove those that do not belong to it")
    return [numbers[number, of] for number in range(1, of + 1)]


def folder_bytes(index: Path | str) -> int:
    """The size of an index on disk in bytes."""
    return sum(file.stat().st_size for file in Path(index).iterdir() if file.is_file())
