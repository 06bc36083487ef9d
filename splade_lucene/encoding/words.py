"""Which words of a text a tokenizer cuts into which tokens."""

from __future__ import annotations

from typing import Any, NamedTuple

from splade_lucene.errors import ModelError


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
        cut: True if the text goes on after them.
    """

    words: list[Word]
    cut: bool


def read_words(tokenizer: Any, text: str, max_length: int) -> Reading:
    """Splits a text into words and their tokens.

    Args:
        tokenizer: a tokenizer of transformers.
        text: the text.
        max_length: tokens it is cut at, special tokens included.

    Raises:
        ModelError: the tokenizer keeps no record of places in the text, as the ones written in Python.
    """
    if not tokenizer.is_fast:
        raise ModelError(
            f"the tokenizer {type(tokenizer).__name__} cannot say which words its tokens come from; give a model with tokenizer.json"
        )
    encoding = tokenizer(text, truncation=True, max_length=max_length, return_offsets_mapping=True, return_overflowing_tokens=True)
    tokens = tokenizer.convert_ids_to_tokens(encoding["input_ids"][0])
    words: dict[int, Word] = {}
    for token, number, (start, end) in zip(tokens, encoding.word_ids(0), encoding["offset_mapping"][0], strict=True):
        if number is not None:
            first = words.get(number, Word(start, end, ()))
            words[number] = Word(first.start, max(first.end, end), (*first.tokens, token))
    return Reading(list(words.values()), len(encoding["input_ids"]) > 1)
