"""Which words of a text a tokenizer cuts into which tokens."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Word(NamedTuple):
    """A word of a text, as the tokenizer splits it.

    Attributes:
        start: where it begins in the text, in characters.
        end: where it ends.
        tokens: its pieces.
    """

    start: int
    end: int
    tokens: tuple[str, ...]


class Reading(NamedTuple):
    """What a model reads of a text.

    Attributes:
        words: in the order of the text, without special tokens; the last may be cut.
        cut: True if there is more text after them.
    """

    words: list[Word]
    cut: bool


def join_tokens(tokens: Iterable[str], numbers: Iterable[int | None], offsets: Iterable[tuple[int, int]]) -> list[Word]:
    """Puts the tokens of each word together.

    Args:
        tokens: of a text.
        numbers: of the word that each is from; None for special tokens, which are left out.
        offsets: where each begins and ends in the text.
    """
    words: dict[int, Word] = {}
    for token, number, (start, end) in zip(tokens, numbers, offsets, strict=True):
        if number is not None:
            first = words.get(number, Word(start, end, ()))
            words[number] = Word(first.start, max(first.end, end), (*first.tokens, token))
    return list(words.values())
