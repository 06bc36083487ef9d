"""Several indexes searched as one, with Lucene's ``MultiReader``: statistics, scores and ties are those of one index."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from splade_lucene.errors import IndexMismatchError
from splade_lucene.lucene import jvm
from splade_lucene.lucene.card import FILE, IndexCard, Kind, check_kind, part_folders, read_card
from splade_lucene.lucene.java import java_class, upcast
from splade_lucene.lucene.opening import open_index

# What may differ between indexes of which the scores compare: names of the same files.
_FREE = {*(f"{side}.{name}" for side in ("document", "query") for name in ("model", "revision", "subfolder")), "precision", "origin"}

AnyIndex = Path | str | Sequence[Path | str]
"""An index, a folder of parts that ``index --parts`` made, or several of either."""


class FoundIndex(NamedTuple):
    """What is to be searched as one index, its cards read.

    Attributes:
        name: for messages and records.
        cards: folder of each index → its card.
        card: of all together.
    """

    name: str
    cards: Mapping[Path, IndexCard]
    card: IndexCard


class OpenIndex(NamedTuple):
    """What is searched as one index.

    Attributes:
        name: for messages and records.
        parts: the folders of the indexes.
        card: of all together: counts are added up.
        reader: Lucene's; close it.
    """

    name: str
    parts: tuple[Path, ...]
    card: IndexCard
    reader: Any


def find_parts(index: AnyIndex) -> tuple[Path, ...]:
    """The folders of the indexes that are searched as one.

    Raises:
        IndexMismatchError: there are none, or a folder of parts is not whole.
    """
    given = [Path(index)] if isinstance(index, str | Path) else [Path(each) for each in index]
    if not given:
        raise IndexMismatchError("no index to search; give at least one folder")
    found: list[Path] = []
    for folder in given:
        parts = [] if (folder / FILE).is_file() else part_folders(folder)
        found += parts or [folder]
    resolved = [folder.resolve() for folder in found]
    for number, folder in enumerate(resolved):
        if folder in resolved[:number]:
            raise IndexMismatchError(f"{found[number]} is given twice; its documents would be found twice")
    return tuple(found)


def find_index(index: AnyIndex | FoundIndex, kind: Kind | None = None) -> FoundIndex:
    """Finds one index, or several that are searched as one, and reads their cards.

    Args:
        index: what to look for; what was found already is only checked.
        kind: the kind that they must be; if None any, but all the same.

    Raises:
        IndexMismatchError: one is no index of the kind, or they were not built in the same way.
    """
    if isinstance(index, FoundIndex):
        for part, card in index.cards.items():
            check_kind(part, card, kind)
        return index
    cards = {part: read_card(part, kind) for part in find_parts(index)}
    name = str(index) if isinstance(index, str | Path) else ", ".join(map(str, index))
    return FoundIndex(name, cards, combine_cards({str(part): card for part, card in cards.items()}))


def combine_cards(cards: Mapping[str, IndexCard]) -> IndexCard:
    """The card of indexes that are searched as one.

    Args:
        cards: of each, under its name for messages.

    Raises:
        IndexMismatchError: they were not built in the same way.
    """
    (name, first), *others = cards.items()
    for part, card in others:
        if card.kind != first.kind:
            raise IndexMismatchError(f"{part} is an index of the kind {card.kind}, {name} of the kind {first.kind}; search them apart")
        for what, one, other, free in (
            ("encoder", first.encoder_values(), card.encoder_values(), _FREE),
            ("settings", first.settings.to_json(), card.settings.to_json(), {"contents", "shard_size"}),
            ("filter field", first.filter_fields, card.filter_fields, set[str]()),
        ):
            for key in sorted((one.keys() | other.keys()) - free):
                if one.get(key) != other.get(key):
                    raise IndexMismatchError(
                        f"{part} was built with the {what} value {key} = {other.get(key)}, {name} with {one.get(key)}; "
                        "scores of the two do not compare, so search them apart"
                    )
    if not others:
        return first
    documents, empty, rejected = (sum(getattr(card, field) for card in cards.values()) for field in ("documents", "empty", "rejected"))
    frequencies: Counter[str] = Counter()
    for card in cards.values():
        frequencies.update(card.frequencies or {})
    return first._replace(
        documents=documents, empty=empty, rejected=rejected, source={}, frequencies=None if first.frequencies is None else dict(frequencies)
    )


def open_parts(index: AnyIndex | FoundIndex, kind: Kind | None = None) -> OpenIndex:
    """Opens one index, or several as one.

    Args:
        index: what to open.
        kind: the kind that it must be; any if None.

    Raises:
        IndexMismatchError: one is no index of the kind, is damaged, or was not built as the others were.
        JavaError: Java has too little memory.
    """
    name, cards, card = find_index(index, kind)
    with ExitStack() as stack:
        readers = []
        for part, of_part in cards.items():
            readers.append(open_index(part, of_part))
            stack.callback(readers[-1].close)
        whole = readers[0] if len(readers) == 1 else multi_reader(readers)
        stack.pop_all()
    return OpenIndex(name, tuple(cards), card, whole)


def multi_reader(readers: Sequence[Any]) -> Any:
    """One reader of the documents of all, in their order; closing it closes them."""
    every = [upcast("IndexReader", reader) for reader in readers]
    try:
        return java_class("MultiReader")(*every)
    except jvm.jnius().JavaException as error:
        raise IndexMismatchError(f"the parts cannot be searched as one index ({jvm.reason(error)})") from None
