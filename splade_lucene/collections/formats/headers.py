"""Header lines of tables: which first lines are names of columns, not a record."""

from __future__ import annotations

from collections.abc import Sequence

from splade_lucene.collections.formats.names import DOCUMENT_IDS, QUERY_IDS, TEXTS, TITLE
from splade_lucene.core.notices import notice
from splade_lucene.core.streams import AnyPath

_IDS = frozenset((*DOCUMENT_IDS, *QUERY_IDS, "corpus-id", "query-id"))
_TEXTS = frozenset((*TEXTS, TITLE))


def header_columns(columns: Sequence[str], file: AnyPath) -> list[str] | None:
    """The names of columns if a first line is a header, which is said on stderr; None if it is a record.

    A header names an id in its first column and a text in one of the others, in any case of letters.
    """
    names = [column.strip().lower() for column in columns]
    if not names or names[0] not in _IDS or not _TEXTS & set(names[1:]) or len(set(names)) < len(names):
        return None
    notice(f"{file}: its first line is a header ({', '.join(names)}), not a record")
    return names
