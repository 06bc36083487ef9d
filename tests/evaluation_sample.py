"""Small finished evaluations, written as ``beir`` and ``compare`` write them, for the tests of what reads them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from splade_lucene.evaluation.cost import Cost, Latency, QueryTime, Timings, UnderLoad
from splade_lucene.evaluation.result_files import (
    TOP,
    Evidence,
    write_evidence,
    write_latency,
    write_passages,
    write_scores,
)
from splade_lucene.evaluation.result_records import Average, Comparison, Dataset, Published, Results, Row, Skipped, System
from splade_lucene.evaluation.results import write_results
from splade_lucene.records import EncoderRecord, EncoderSide, Hit, Passage

TINY = EncoderSide("tiny", None, "0", "0")
SYSTEMS = (
    System("bm25", "BM25 flat", "bm25", {"k1": 0.9, "b": 0.4}),
    System("splade", "SPLADE tiny", "impact", {"max_length": 256}, EncoderRecord(TINY, TINY, 64, 100, "fp32")),
    System("both", "BM25 + SPLADE", "fusion", {"k": 60}, components=("bm25", "splade")),
)
MEASURES = ("nDCG@10", "R@100")


def write_sample(folder: Path, *, datasets: int = 1, queries: int = 20, systems: int = 3, suffix: str = "", **changes: Any) -> Results:
    """Writes an evaluation with all its files.

    On query ``number`` of ``queries`` BM25 scores .5 and finds ``d0`` first, which is not relevant; SPLADE gains
    ``(queries - 2 * number) / (2 * queries)`` over it and finds ``d<number>`` first, which is; the fusion gains half as much.

    Args:
        folder: where to.
        datasets: how many.
        queries: how many each has.
        systems: how many of ``SYSTEMS``.
        suffix: stands at the end of every text, title, id, name and label.
        **changes: fields of the results to replace.

    Returns:
        What ``results.json`` holds.
    """
    used = tuple(dataclasses.replace(system, label=system.label + suffix) for system in SYSTEMS[:systems])
    written = tuple(_write_dataset(folder, f"set{number}", queries, used, suffix) for number in range(datasets))
    results = Results(
        name="sample" + suffix,
        created="2026-11-23T10:00:00+00:00",
        versions={"splade_lucene": "0.1" + suffix},
        machine={"cpu": "a processor" + suffix, "cores": 2, "memory_bytes": 8_000_000_000},
        settings={"hits": 1000, "remove_query": True, "note" + suffix: suffix},
        measures=MEASURES,
        baseline="bm25",
        systems=used,
        datasets=written,
        rows=tuple(_row(dataset, system, number) for dataset in written for number, system in enumerate(used)),
        averages=tuple(
            Average("mean" + suffix, tuple(each.name for each in written), system.name, {"nDCG@10": 0.5}) for system in used if datasets > 1
        ),
        references={each.name: {"splade-v3" + suffix: {"nDCG@10": 0.7654}} for each in written},
        skipped=(Skipped("trec-covid" + suffix, "cannot be had" + suffix),),
        notes=("a note" + suffix,),
    )
    results = dataclasses.replace(results, **changes)
    write_results(folder, results)
    return results


def gain(number: int, queries: int) -> float:
    """What SPLADE gains over BM25 on a query."""
    return (queries - 2 * number) / (2 * queries)


def _write_dataset(folder: Path, name: str, queries: int, systems: tuple[System, ...], suffix: str) -> Dataset:
    inside = folder / name
    ids = [f"q{number}{suffix}" for number in range(queries)]
    documents = [f"d{number}{suffix}" for number in range(queries + TOP)]
    shares = {"bm25": 0.0, "splade": 1.0, "both": 0.5}
    scores = {
        system.name: {
            m: {query_id: 0.5 + shares[system.name] * gain(number, queries) for number, query_id in enumerate(ids)} for m in MEASURES
        }
        for system in systems
    }
    write_scores(inside / "scores.csv", scores)
    times = {
        system.name: {query_id: QueryTime(3.0 * place, 5.0 + number % 7 + place) for number, query_id in enumerate(ids)}
        for place, system in enumerate(systems)
    }
    write_latency(inside / "latency.csv", times)
    evidence = []
    for number, query_id in enumerate(ids):
        ours, theirs = [documents[number + 1], *documents[:1]], documents[:TOP]
        top = {"bm25": theirs, "splade": ours, "both": ours}
        matches = {
            "bm25": {doc_id: {f"word{suffix}": 3.0 if doc_id == documents[0] else 2.5} for doc_id in {*ours, *theirs}},
            "splade": {doc_id: {f"stem{suffix}": 900.0 if doc_id == ours[0] else 400.0, "same": 70.0} for doc_id in {*ours, *theirs}},
        }
        hits = {system.name: [Hit(doc_id, 1000.0 - place) for place, doc_id in enumerate(top[system.name])] for system in systems}
        known = {system.name: matches[system.name] for system in systems if system.name in matches}
        evidence.append(Evidence(query_id, f"question {number}{suffix}", {documents[number + 1]: 2}, hits, known))
    write_evidence(inside / "evidence.jsonl", evidence)
    write_passages(inside / "passages.jsonl", [Passage(doc_id, f"text{suffix}", f"title of {doc_id}") for doc_id in documents])
    return Dataset(
        name,
        "../" + name + suffix,
        "test",
        "ab" * 32,
        1234,
        queries,
        queries,
        1,
        None,
        f"{name}/scores.csv",
        f"{name}/latency.csv",
        f"{name}/evidence.jsonl",
        f"{name}/passages.jsonl",
        ("noted" + suffix,),
    )


def _row(dataset: Dataset, system: System, number: int) -> Row:
    times = Latency(7.5 + number, 6.25 + number, 20.0 + number)
    comparison = Comparison((number - 1.5) / 100, 12, 3, 5, 0.001, 0.002, 0.00001, 0.00002)
    return Row(
        dataset.name,
        system.name,
        f"{dataset.name}/runs/{system.name}.trec",
        "cd",
        {"nDCG@10": 0.6111 + number / 100, "R@100": 0.9},
        {"nDCG@10": Published(0.62, 0.6111 - 0.62, True)} if system.kind == "bm25" else {},
        dict.fromkeys(MEASURES, comparison) if number else {},
        2,
        1,
        Cost(1234, 9.92 + number, 52.3, 247.0, 2_972_612 * (number + 1)),
        Timings(155.5 if number else 0.0, 2.5, times, times, dataset.queries, UnderLoad(2, 150.0 - number, times)),
    )
