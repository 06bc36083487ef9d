"""What belongs to a pair of encoders, one for passages and one for queries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from splade_lucene.encoding.defaults import CARD_LENGTHS, IDF, Lengths, default_lengths
from splade_lucene.encoding.loading import ModelFiles
from splade_lucene.encoding.texts import whole_number
from splade_lucene.errors import ModelError
from splade_lucene.records import EncoderSide


class IdfQueries:
    """Stands for queries that are weighted by the collection that is indexed, which is known only when there is an index.

    Args:
        files: of the encoder of passages, whose tokenizer cuts queries as well.
    """

    def __init__(self, files: ModelFiles) -> None:
        self._files = files

    @property
    def lengths(self) -> Lengths:
        """Tokens that texts are cut at by default: what the encoder of passages says, else ours."""
        ours = default_lengths(self._files.name)
        declared = None if ours == CARD_LENGTHS else self._files.max_length
        return ours if declared is None else Lengths(declared, declared)

    def check_length(self, max_length: int) -> None:
        """Makes sure that something is left of a query.

        Raises:
            ModelError: nothing is.
        """
        check_query_length(max_length)

    def side(self) -> EncoderSide:
        """What identifies it."""
        return EncoderSide(IDF, None, "", self._files.tokenizer_sha256, "idf")

    def encode_queries(self, texts: Iterable[str], **options: Any) -> list[dict[str, int]]:
        """Refused: there is no collection yet.

        Raises:
            ModelError: always.
        """
        raise ModelError("the weights of the query model idf are those of an index; search that, or encode queries with another model")

    def query_weights(self, texts: Iterable[str], **options: Any) -> list[dict[str, float]]:
        """Refused, as :meth:`encode_queries`.

        Raises:
            ModelError: always.
        """
        raise ModelError("the weights of the query model idf are those of an index; search that, or encode queries with another model")


def check_query_length(max_length: int) -> None:
    """Makes sure that something is left of a query whose special tokens are not counted.

    Raises:
        ModelError: nothing is.
    """
    if whole_number("max_length", max_length) < 1:
        raise ModelError(f"the maximum length {max_length} leaves nothing of a query; give 1 or more")


def check_pair(name: str, vocabulary: Sequence[str], query_name: str, query_vocabulary: Sequence[str]) -> None:
    """Weights of other tokens than the passages' would find nothing, or the wrong passages.

    Raises:
        ModelError: more than one in a hundred tokens are in only one of two vocabularies.
    """
    passages, queries = set(vocabulary), set(query_vocabulary)
    different = passages ^ queries
    if len(different) > max(len(passages), len(queries)) // 100:
        raise ModelError(
            f"{query_name} and {name} have different vocabularies ({len(different):,} tokens are in only one of them, such as "
            f"{min(different)!r}); queries and passages need the same"
        )
