"""Where the terms that matched are in a text."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from splade_lucene.errors import ModelError
from splade_lucene.serving.responses import Highlight

if TYPE_CHECKING:
    from splade_lucene.encoding.model import SpladeModel

_WORD = re.compile(r"[^\W_]+(?:['’.][^\W_]+)*")


class Marked(NamedTuple):
    """A text with its matching words.

    Attributes:
        highlights: in the order of the text.
        terms: those of the matching terms that are in it.
    """

    highlights: list[Highlight]
    terms: set[str]


def mark_tokens(model: SpladeModel, text: str, terms: Collection[str], max_length: int | None) -> Marked | None:
    """Marks the words whose tokens are among some terms, as far as the model read the text.

    Args:
        model: whose tokens the terms are.
        text: the text.
        terms: what matched.
        max_length: tokens the text was cut at.

    Returns:
        None if the tokenizer cannot say which words its tokens come from.
    """
    try:
        reading = model.read_words(text, max_length=max_length)
    except ModelError:
        return None
    highlights = []
    for word in reading.words:
        found = [token for token in dict.fromkeys(word.tokens) if token in terms]
        if found:
            highlights.append(Highlight(start=word.start, end=word.end, terms=found))
    return Marked(highlights, {term for each in highlights for term in each.terms})


def mark_stems(analyze: Callable[[str], Mapping[str, float]], text: str, terms: Collection[str]) -> Marked:
    """Marks the words whose stems are among some terms.

    Args:
        analyze: the analyzer of the index: text to stems.
        text: the text.
        terms: what matched.
    """
    stems = lru_cache(maxsize=None)(lambda word: list(analyze(word)))
    highlights = []
    for word in _WORD.finditer(text):
        found = [stem for stem in stems(word.group().lower()) if stem in terms]
        if found:
            highlights.append(Highlight(start=word.start(), end=word.end(), terms=found))
    return Marked(highlights, {term for each in highlights for term in each.terms})
