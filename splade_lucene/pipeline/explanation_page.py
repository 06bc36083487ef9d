"""Renders the encoding of a text as one HTML page, without scripts or requests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from splade_lucene.evaluation.report.templates import render
from splade_lucene.pipeline.explain import TextExplanation, TextWord


class _Part(NamedTuple):
    """A piece of the text: a word with a weight has a title and a shade from 0 to 0.8."""

    text: str
    title: str = ""
    shade: float = 0.0


class _Bar(NamedTuple):
    name: str
    weight: float
    share: float
    note: str


def explanation_page(explanation: TextExplanation, caption: str) -> str:
    """Draws a text with its words shaded by their weight, and the expansion as bars.

    Args:
        explanation: of the text.
        caption: a line on the model and its settings.

    Returns:
        A whole HTML document in UTF-8; everything from the text is escaped.

    Raises:
        SpladeLuceneError: Jinja2 is not installed.
    """
    return render(
        "explanation.html",
        dimensions=len(explanation.weights),
        caption=caption,
        parts=_parts(explanation),
        unread=explanation.text[explanation.end :],
        words=_bars([(word.text, word.weight, _pieces(word)) for word in explanation.words if word.weight]),
        expansion=_bars([(token, weight, "") for token, weight in explanation.expansion.items()]),
    )


def _parts(explanation: TextExplanation) -> list[_Part]:
    text, most = explanation.text, max((word.weight for word in explanation.words), default=0) or 1
    parts, end = [], 0
    places = {place: word for word in explanation.words for place in word.places}
    for (start, stop), word in sorted(places.items()):
        parts.append(_Part(text[end:start]))
        word_text = text[start:stop]
        parts.append(_Part(word_text, _pieces(word), 0.8 * word.weight / most) if word.weight else _Part(word_text))
        end = stop
    return [*parts, _Part(text[end : explanation.end])]


def _bars(rows: Sequence[tuple[str, float, str]]) -> list[_Bar]:
    most = max((weight for _, weight, _ in rows), default=1)
    return [_Bar(name, weight, 100 * weight / most, note) for name, weight, note in rows]


def _pieces(word: TextWord) -> str:
    return " + ".join(f"{token} {weight:.2f}" for token, weight in word.pieces)
