"""Documents that a search is restricted to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple


class DocumentFilter(NamedTuple):
    """The documents of one searcher that searches may find; made by ``searcher.filter``, for that searcher alone.

    Attributes:
        documents: how many they are; docids that the index does not have are not among them.
        search: the Java function that searches them.
    """

    documents: int
    search: Any


Within = Iterable[str] | DocumentFilter
"""What ``within=`` takes: docids, or a filter made of them before."""
