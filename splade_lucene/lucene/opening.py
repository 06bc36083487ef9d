"""Opens an index folder with Lucene's reader, and checks every byte of it on request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from splade_lucene.errors import IndexMismatchError, JavaError
from splade_lucene.lucene import jvm
from splade_lucene.lucene.card import IndexCard, read_card
from splade_lucene.lucene.java import lucene_version, open_reader


def open_index(index: Path, card: IndexCard) -> Any:
    """Lucene's reader of an index of ours; close it.

    Args:
        index: the folder.
        card: what it says of itself.

    Raises:
        IndexMismatchError: it is damaged, or of a Lucene that this one does not read.
        JavaError: Java has too little memory for it.
    """
    jvm.start()
    try:
        return open_reader(index)
    except jvm.jnius().JavaException as error:
        if memory := jvm.advice(error):
            raise JavaError(f"opening {index} failed: {jvm.reason(error)}{memory}") from None
        raise IndexMismatchError(
            f"{index}, written by Lucene {card.lucene}, cannot be opened by Lucene {lucene_version()} "
            f"({jvm.reason(error)}); build the index again"
        ) from None


def check_integrity(index: Path | str) -> None:
    """Reads every byte of an index and compares the checksums that Lucene wrote; opening it compares only those of small files.

    Args:
        index: the folder of an index of either kind.

    Raises:
        IndexMismatchError: the folder is no finished index of ours, or a file is not as it was written.
    """
    index = Path(index)
    reader = open_index(index, read_card(index))
    try:
        leaves = reader.leaves()
        for leaf in [leaves.get(number) for number in range(leaves.size())]:
            leaf_reader = leaf.reader()
            leaf_reader.checkIntegrity()
    except jvm.jnius().JavaException as error:
        raise IndexMismatchError(f"{index} is damaged ({jvm.reason(error)}); build the index again") from None
    finally:
        reader.close()
