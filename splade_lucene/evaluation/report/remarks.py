"""What the report says beside its tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from splade_lucene.evaluation.numbers import DIFFERENCE, PAGE, SCORE, write
from splade_lucene.evaluation.result_records import Dataset, Results


def remarks(results: Results, dataset: Dataset) -> list[str]:
    """Notes on a data set's figures, a sentence each."""
    said = list(dataset.notes)
    for system in results.systems:
        row = results.row(dataset.name, system.name)
        if row is None or system.kind == "run":
            continue  # the notes of a comparison say it already
        if row.missing:
            said.append(f"{system.label}: judged queries without hits: {row.missing:,}. They count 0.")
        if row.unjudged:
            said.append(f"{system.label}: queries of the run without judgments: {row.unjudged:,}. They are left out.")
        for measure, published in row.published.items():
            if published.off:
                off = f"{write(published.difference, DIFFERENCE, PAGE)} off the published {write(published.value, SCORE, PAGE)}"
                said.append(f"{system.label}: {measure} is {off}: something differs from the published setting.")
    return said


def flat(settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Settings as pairs of names and texts, nested ones joined with dots, unset ones left out."""
    pairs: list[tuple[str, str]] = []
    for name, value in settings.items():
        if isinstance(value, Mapping):
            pairs += [(f"{name}.{inner}", text) for inner, text in flat(value)]
        elif value is not None:
            pairs.append((name, _text(value)))
    return pairs


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_text, value))
    return f"{value:,}" if isinstance(value, int) else str(value)
