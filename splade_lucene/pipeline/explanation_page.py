"""Draws what a model makes of a text as one HTML page: no script, nothing fetched."""

from __future__ import annotations

from html import escape

from splade_lucene.pipeline.explain import TextExplanation, TextWord

_STYLE = """
:root { color-scheme: light dark; --mark: 30 120 220; }
body { font: 16px/1.7 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2 { font-size: 1.1rem; }
p.text { white-space: pre-wrap; }
mark { color: inherit; border-radius: .2em; padding: .1em .15em; background: rgb(var(--mark) / var(--weight)); }
.unread { opacity: .45; }
table { border-collapse: collapse; }
td { padding: 0 .6rem 0 0; font-size: .9rem; line-height: 1.5; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
td.bar div { height: .7rem; background: rgb(var(--mark) / .6); }
small { opacity: .7; }
"""


def explanation_page(explanation: TextExplanation, caption: str) -> str:
    """Draws a text with its words shaded by their weight, and the expansion as bars.

    Args:
        explanation: of the text.
        caption: a line on the model and its settings.

    Returns:
        A whole HTML document in UTF-8; everything from the text is escaped.
    """
    read = len(explanation.weights) - len(explanation.expansion)
    unread = explanation.text[explanation.end :]
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>What a SPLADE model makes of a text</title><style>{_STYLE}</style></head><body>
<h1>{len(explanation.weights)} dimensions: {read} of the text, {len(explanation.expansion)} of expansion</h1>
<p><small>{escape(caption)}</small></p>
<p class="text">{_shaded(explanation)}{f'<span class="unread" title="not read">{escape(unread)}</span>' if unread else ""}</p>
<h2>Words of the text</h2>
{_bars([(word.text, word.weight, _pieces(word)) for word in explanation.words if word.weight])}
<h2>Expansion</h2>
{_bars([(token, weight, "") for token, weight in explanation.expansion.items()])}
</body></html>
"""


def _shaded(explanation: TextExplanation) -> str:
    text, most = explanation.text, max((word.weight for word in explanation.words), default=0) or 1
    parts, end = [], 0
    places = {place: word for word in explanation.words for place in word.places}
    for (start, stop), word in sorted(places.items()):
        shade = f"{0.8 * word.weight / most:.3f}"
        mark = f'<mark style="--weight:{shade}" title="{escape(_pieces(word))}">{escape(text[start:stop])}</mark>'
        parts += [escape(text[end:start]), mark if word.weight else escape(text[start:stop])]
        end = stop
    return "".join([*parts, escape(text[end : explanation.end])])


def _bars(rows: list[tuple[str, float, str]]) -> str:
    most = max((weight for _, weight, _ in rows), default=1)
    cells = [
        f'<tr><td>{escape(name)}</td><td class="number">{weight:.2f}</td><td class="bar" style="width:20rem">'
        f'<div style="width:{100 * weight / most:.1f}%"></div></td><td><small>{escape(note)}</small></td></tr>'
        for name, weight, note in rows
    ]
    return "\n".join(["<table>", *cells, "</table>"])


def _pieces(word: TextWord) -> str:
    return " + ".join(f"{token} {weight:.2f}" for token, weight in word.pieces)
