"""Header lines of tables: which first lines are names of columns, not a record."""

from __future__ import annotations

import re
from collections.abc import Sequence

from splade_lucene.collections.formats.names import DOCUMENT_IDS, QUERY_IDS, TEXTS, TITLE
from splade_lucene.core.notices import notice
from splade_lucene.core.streams import AnyPath

_IDS = frozenset((*DOCUMENT_IDS, *QUERY_IDS, "corpus-id", "query-id"))
_TEXTS = frozenset((*TEXTS, TITLE))
# Words that may be the id of a record too.
_WORDS = {"id", "number"}
_NAME = re.compile(r"[\w.-]{1,40}")


def header_columns(columns: Sequence[str], file: AnyPath) -> list[str] | None:
    """The names of columns if a first line is a header, which is said on stderr; None if it is a record.

    A header names an id in its first column, in any case of letters, and in the others a text, or single words if the first is no
    plausible id. What of those is the text can be named with ``--text-field``.
    """
    names = [column.strip().lower() for column in columns]
    if names[0] not in _IDS or len(set(names)) < len(names):
        return None
    if not _TEXTS & set(names[1:]) and (names[0] in _WORDS or not all(map(_NAME.fullmatch, names[1:]))):
        return None
    notice(f"{file}: its first line is a header ({', '.join(names)}), not a record")
    return names
