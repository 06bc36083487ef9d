"""Published figures to compare measured ones with: ``data/beir.json`` and ``data/msmarco.json`` say where each comes from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from splade_lucene.evaluation.result_records import Published, System

TOLERANCE = 0.0005
"""A BM25 figure that is further off its published one is marked: BM25 has nothing that may differ."""

_BEIR, _MSMARCO = (Path(__file__).parent / "data" / name for name in ("beir.json", "msmarco.json"))
_MEASURES = ("nDCG@10", "R@100", "R@1000")
# The checkpoints behind Anserini's figures.
_CHECKPOINTS = {"naver/splade-cocondenser-ensembledistil": "splade-pp-ed", "naver/splade-v3": "splade-v3"}
# k1, b and hits of Anserini's figures.
_BM25_SETTINGS = (0.9, 0.4)
HITS = 1000


@cache
def _data(file: Path = _BEIR) -> Mapping[str, Any]:
    data: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return data


def source(dataset: str | None = None) -> str:
    """Where the figures come from, in a sentence: those of MS MARCO for its data sets, else BEIR's."""
    return str(_data(_MSMARCO if dataset in _msmarco() else _BEIR)["source"])


def _msmarco() -> Mapping[str, Any]:
    datasets: Mapping[str, Any] = _data(_MSMARCO)["datasets"]
    return datasets


def settings_match(dataset: str, *, split: str | None, queries: int, hits: int, remove_query: bool) -> bool:
    """Whether a data set was evaluated as for its published figures.

    BEIR's are of the test split, without the passage that has the query's id. MS MARCO's are of ``queries`` judged queries, and keep
    all passages: its queries and passages are numbered, so that ids agree by chance.
    """
    if dataset in _msmarco():
        return hits == HITS and not remove_query and all(figures["queries"] == queries for figures in _msmarco()[dataset].values())
    return hits == HITS and remove_query and split == "test"


def references(dataset: str) -> dict[str, dict[str, float]]:
    """The published figures of a collection of BEIR or MS MARCO: system → measure → figure; empty for other collections.

    Those of ``cqadupstack`` are the means of its 12 forums. MS MARCO's are ``msmarco`` (the small dev set), ``dl19`` and ``dl20``.
    """
    if dataset in _msmarco():
        rest = {"documents", "queries"}
        return {name: {key: value for key, value in row.items() if key not in rest} for name, row in _msmarco()[dataset].items()}
    known: Mapping[str, Mapping[str, Mapping[str, float]]] = _data()["datasets"]
    forums = [systems for name, systems in known.items() if dataset == "cqadupstack" and name.startswith("cqadupstack-")]
    rows = forums or ([known[dataset]] if dataset in known else [])
    systems = rows[0] if rows else {}
    return {name: {measure: sum(row[name][measure] for row in rows) / len(rows) for measure in _MEASURES} for name in systems}


def published_system(system: System) -> str | None:
    """The published system that has the settings of this one; None if none has.

    BM25 must have the same k1, b and fields. SPLADE must have the same checkpoint; the lengths of the published runs are those of
    Anserini's encoders.
    """
    if system.kind == "bm25" and (system.bm25.k1, system.bm25.b) == _BM25_SETTINGS:
        return {"contents": "bm25-flat", "contents title": "bm25-multifield"}.get(" ".join(sorted(system.bm25.fields)))
    return _CHECKPOINTS.get(_checkpoint(system))


def _checkpoint(system: System) -> str:
    """The model of a system whose weights are as that gives them; empty for others."""
    return system.encoder.model if system.encoder and system.encoder.query_idf is None else ""


def published_lengths(system: System) -> str:
    """Tokens that passages and queries were cut at for the published figures beside a system's: ``documents/queries``; empty for BM25.

    Anserini's SPLADE runs read 512 (castorini/pyserini, issue 2199); prithivida's model cards say 128 and 24.
    """
    if system.encoder is None:
        return ""
    return "128/24" if system.encoder.document.model.startswith("prithivida/") else "512/512"


def published_documents(dataset: str, system: System) -> int | None:
    """How many documents the published index has; None if there is no such published figure."""
    figures = (_msmarco().get(dataset) or _data()["datasets"].get(dataset, {})).get(published_system(system))
    return int(figures["documents"]) if figures else None


def corpus_documents(dataset: str) -> int | None:
    """How many documents the corpus of the published figures has, with or without text; None where there are none."""
    figures = _data()["datasets"].get(dataset)
    return max(int(each["documents"]) for each in figures.values()) if figures else None


def published(dataset: str, system: System, scores: Mapping[str, float]) -> dict[str, Published]:
    """The published figures beside a system's measured ones, where the settings match and there is one.

    Args:
        dataset: a BEIR collection.
        system: the system.
        scores: measure → measured.
    """
    known = references(dataset).get(published_system(system) or "", {})
    return _beside(scores, known, system)


def published_average(group: str, datasets: Sequence[str], system: System, scores: Mapping[str, float]) -> dict[str, Published]:
    """The same for a mean over data sets.

    Args:
        group: the name of the average; prithivida's models have a published nDCG@10 for ``BEIR-13``.
        datasets: over which the mean is.
        system: the system.
        scores: measure → measured.
    """
    quoted = _data()["published_averages"]["models"].get(_checkpoint(system), {}).get(group)
    if quoted is not None:
        return _beside(scores, {"nDCG@10": quoted / 100}, system)
    name = published_system(system)
    rows = [references(dataset).get(name or "", {}) for dataset in datasets]
    if not rows or not all(rows):
        return {}
    return _beside(scores, {measure: sum(row[measure] for row in rows) / len(rows) for measure in _MEASURES}, system)


def _beside(scores: Mapping[str, float], known: Mapping[str, float], system: System) -> dict[str, Published]:
    return {
        measure: Published(known[measure], value - known[measure], system.kind == "bm25" and _is_off(value, known[measure]))
        for measure, value in scores.items()
        if measure in known
    }


def _is_off(value: float, figure: float) -> bool:
    # Both as they are printed: with four digits.
    return abs(round(value, 4) - figure) > TOLERANCE + 1e-9
