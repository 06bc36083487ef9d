"""What `explain` prints: the tables of a text, of a document's score, and of what sets two documents apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import NamedTuple

from splade_lucene.evaluation.table import markdown_table
from splade_lucene.lucene.explanation import Match
from splade_lucene.pipeline.explain import RANKS, Ranked, TermDifference, TextExplanation, TextWord, differences

Row = Mapping[str, str]


class ExplainedSystem(NamedTuple):
    """One side of the tables.

    Attributes:
        name: ``SPLADE`` or ``BM25``.
        source: the index that its figures come from.
        documents: one, or two to compare.
    """

    name: str
    source: str
    documents: Sequence[Ranked]


def print_text(found: TextExplanation) -> None:
    """Prints the words of a text with their pieces, then the expansion."""
    print(f"of the text: {len(found.weights) - len(found.expansion)}, of expansion: {len(found.expansion)}")
    if found.end < len(found.text):
        print(f"not read: {found.text[found.end :].strip()}")
    weighed = [word for word in found.words if word.weight]
    if weighed:
        print(f"\n{markdown_table([_word_row(word) for word in weighed])}")
    if len(weighed) < len(found.words):
        print(f"\nwords without weight: {' '.join(word.text for word in found.words if not word.weight)}")
    if found.expansion:
        print(f"\n{markdown_table([{'expansion': token, 'weight': f'{weight:.2f}'} for token, weight in found.expansion.items()])}")


def print_documents(systems: Sequence[ExplainedSystem], top: int | None) -> None:
    """Prints the scores and ranks, then the systems' terms side by side.

    Args:
        systems: with the same documents.
        top: the number of terms to show, those that contribute most; all if None.
    """
    for system in systems:
        for explanation, rank in system.documents:
            terms = len({match.token for match in explanation.matches})
            place = f"rank {rank:,}" if rank else f"not among the first {RANKS:,}"
            print(
                f"{system.name}, {system.source}: {explanation.doc_id} scores {_number(explanation.score)}, {place}; "
                f"{terms} of {terms + len(explanation.unmatched)} terms of the query match"
            )
    compared = len(systems[0].documents) > 1
    sides = [_difference_rows(system, top) if compared else _match_rows(system, top) for system in systems]
    if any(sides):
        print(f"\n{markdown_table(_side_by_side([side for side in sides if side]))}")
    for system in systems if not compared else ():
        unmatched = list(system.documents[0].explanation.unmatched.items())
        if unmatched:
            shown = ", ".join(f"{term} {weight:g}" for term, weight in unmatched[:top])
            more = f" and {len(unmatched) - top:,} more" if top and len(unmatched) > top else ""
            print(f"\n{system.name}, in the query only: {shown}{more}")


def _word_row(word: TextWord) -> Row:
    pieces = " + ".join(f"{token} {weight:.2f}" for token, weight in word.pieces) if len(word.pieces) > 1 else ""
    return {"word of the text": word.text, "weight": f"{word.weight:.2f}", "pieces": pieces}


def _match_rows(system: ExplainedSystem, top: int | None) -> list[Row]:
    explanation = system.documents[0].explanation
    matches, total = explanation.matches, sum(match.product for match in explanation.matches)
    row = _bm25_row if system.name == "BM25" else _impact_row
    rows = [row(match, match.product / total) for match in matches[:top]]
    if top and len(matches) > top:
        rest = sum(match.product for match in matches[top:])
        rows.append(_summary(rows[0], f"{len(matches) - top:,} others", _number(rest), f"{rest / total:.1%}"))
    if matches:
        rows.append(_summary(rows[0], "sum", _number(explanation.score), "100.0%"))
    return rows


def _impact_row(match: Match, share: float) -> Row:
    return {
        "SPLADE token": match.token,
        "in query": f"{match.query_weight:g}",
        "in passage": f"{match.document_weight:g}",
        "product": _number(match.product),
        "share": f"{share:.1%}",
    }


def _bm25_row(match: Match, share: float) -> Row:
    return {
        "BM25 term": _term(match),
        "times in query": f"{match.query_weight:g}",
        "times in passage": f"{match.frequency}",
        "idf": f"{match.idf:.2f}",
        "weight": f"{match.document_weight:.3f}",
        "score": f"{match.product:.3f}",
        "share of BM25": f"{share:.1%}",
    }


def _difference_rows(system: ExplainedSystem, top: int | None) -> list[Row]:
    first, second = (document.explanation for document in system.documents)
    found = differences(first, second)

    def row(name: str, ours: float, others: float, query_weight: str = "") -> Row:
        cells = [query_weight, _number(ours), _number(others), _number(ours - others, sign=True)]
        names = ["in query", first.doc_id, second.doc_id if second.doc_id != first.doc_id else "again", "difference"]
        return {f"{system.name} term": name, **{f"{system.name} {key}": cell for key, cell in zip(names, cells, strict=True)}}

    rows = [row(_term(each), each.first, each.second, f"{each.query_weight:g}") for each in found[:top]]
    rest = found[top:] if top else []
    if rest:
        rows.append(row(f"{len(rest):,} others", sum(each.first for each in rest), sum(each.second for each in rest)))
    return [*rows, row("sum", first.score, second.score)] if found else []


def _side_by_side(sides: Sequence[Sequence[Row]]) -> list[Row]:
    blanks = [dict.fromkeys(side[0], "") for side in sides]
    return [
        {key: cell for row, blank in zip(rows, blanks, strict=True) for key, cell in (row or blank).items()} for rows in zip_longest(*sides)
    ]


def _summary(like: Row, name: str, score: str, share: str) -> Row:
    first, *between, last_but_one, last = like
    return {first: name, **dict.fromkeys(between, ""), last_but_one: score, last: share}


def _term(match: Match | TermDifference) -> str:
    return match.token if match.field == "contents" else f"{match.field}:{match.token}"


def _number(value: float, *, sign: bool = False) -> str:
    text = f"{value:+,.3f}" if sign else f"{value:,.3f}"
    return text.removesuffix(".000") if float(value).is_integer() else text
