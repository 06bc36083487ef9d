from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path

import pytest

from splade_lucene.errors import InputError
from splade_lucene.evaluation import tables
from splade_lucene.evaluation.cost import Cost, Latency, QueryTime, Timings, UnderLoad
from splade_lucene.evaluation.figures import COSTS
from splade_lucene.evaluation.numbers import DIFFERENCE, P_VALUE, PAGE, PLAIN, SCORE, NumberFormat, write
from splade_lucene.evaluation.result_files import (
    Evidence,
    read_evidence,
    read_evidence_passages,
    read_latency,
    read_scores,
    write_evidence,
    write_latency,
    write_passages,
    write_scores,
)
from splade_lucene.evaluation.result_records import Average, Comparison, Dataset, Published, Results, Row, Skipped, System
from splade_lucene.evaluation.result_tables import markdown_table, write_tables
from splade_lucene.evaluation.results import FILE, locate, place, read_results, write_results
from splade_lucene.records import Hit, Passage
from tests.vector_factory import ENCODER

COST = Cost(documents=5183, flops=9.92, terms_per_query=52.3, terms_per_document=247.0, index_bytes=2972612)
LOAD = UnderLoad(2, 123.46, Latency(16.0, 15.5, 40.0))
TIMINGS = Timings(None, 2.5, Latency(9.0, 8.5, 20.25), Latency(13.0, 12.5, 30.0), 300, LOAD)
RESULTS = Results(
    name="main",
    created="2026-11-23T10:00:00+00:00",
    versions={"python": "3.11"},
    machine={"cpu": "AMD EPYC", "cores": 2},
    settings={"hits": 1000, "remove_query": True},
    measures=("nDCG@10", "R@100"),
    baseline="bm25-flat",
    systems=(
        System("bm25-flat", "BM25 flat", "bm25", {"k1": 0.9, "b": 0.4, "fields": {"contents": 1.0}}),
        System("splade-tiny", "SPLADE tiny", "impact", {"max_length": 256, "top_k": None}, ENCODER),
        System("rrf-splade-tiny", "fusion", "fusion", {"k": 60}, components=("bm25-flat", "splade-tiny")),
    ),
    datasets=(
        Dataset("scifact", "../scifact", "test", "ab12", 5183, 300, 339, 0, "q.tsv", "scifact/scores.csv", None, None, None, ("a note",)),
    ),
    rows=(
        Row("scifact", "bm25-flat", "scifact/runs/bm25-flat.trec", "cd", {"nDCG@10": 0.6789}, {"nDCG@10": Published(0.6789, 0.0, False)}),
        Row(
            "scifact",
            "splade-tiny",
            "scifact/runs/splade-tiny.trec",
            "ef",
            {"nDCG@10": 0.6436},
            comparisons={"nDCG@10": Comparison(-0.0353, 50, 180, 70, 0.01, 0.02, 0.012, 0.024)},
            missing=1,
            unjudged=2,
            cost=COST,
            timings=TIMINGS,
        ),
    ),
    averages=(Average("mean", ("scifact",), "splade-tiny", {"nDCG@10": 0.6436}),),
    references={"scifact": {"splade-pp-ed": {"nDCG@10": 0.7036}}},
    skipped=(Skipped("trec-covid", "no network"),),
    notes=("one", "two"),
)


def test_results_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    file = write_results(tmp_path / "main", RESULTS)
    assert file == tmp_path / "main" / FILE
    assert read_results(file) == read_results(tmp_path / "main") == RESULTS
    assert [each.name for each in file.parent.iterdir()] == [FILE]


def test_rows_and_systems_are_found_by_name() -> None:
    assert RESULTS.row("scifact", "splade-tiny") is RESULTS.rows[1]
    assert RESULTS.row("scifact", "rrf-splade-tiny") is None
    assert RESULTS.system("bm25-flat").kind == "bm25"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"format": "splade_lucene results 0"}, "has the format 'splade_lucene results 0'"),
        ({"measures": 7}, "measures: "),
        ({"systems": [{"name": "a", "label": "a", "kind": "magic"}]}, "systems.0.kind: "),
        ({"rows": [{}]}, "rows.0.dataset: "),
    ],
)
def test_files_of_another_kind_are_refused_and_the_field_named(tmp_path: Path, change: dict[str, object], reason: str) -> None:
    write_results(tmp_path, RESULTS)
    data = json.loads((tmp_path / FILE).read_text())
    (tmp_path / FILE).write_text(json.dumps(data | change))
    with pytest.raises(InputError, match=reason):
        read_results(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"name": "x"'])
def test_a_damaged_or_missing_file_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_results(tmp_path / "absent.json")
    (tmp_path / FILE).write_text(text)
    with pytest.raises(InputError, match="is no results file of splade-lucene"):
        read_results(tmp_path)


def test_places_are_relative_inside_the_folder_and_absolute_outside(tmp_path: Path) -> None:
    inside, outside = tmp_path / "out" / "a" / "b.trec", tmp_path / "elsewhere.trec"
    assert place(inside, tmp_path / "out") == "a/b.trec"
    for path in (inside, outside):
        assert locate(place(path, tmp_path / "out"), tmp_path / "out") == path


def test_scores_of_queries_are_read_back(tmp_path: Path) -> None:
    scores = {
        "bm25-flat": {"nDCG@10": {"q1": 0.1 + 0.2, "q,2": 0.0}, "R@100": {"q1": 1.0, "q,2": 1 / 3}},
        'a "b"': {"nDCG@10": {"q1": 0.5, "q,2": 1e-17}, "R@100": {"q1": 0.0, "q,2": 1.0}},
    }
    write_scores(tmp_path / "scores.csv", scores)
    assert (tmp_path / "scores.csv").read_text().splitlines()[0] == "system,query_id,nDCG@10,R@100"
    assert read_scores(tmp_path / "scores.csv") == scores


def test_latencies_of_queries_are_read_back(tmp_path: Path) -> None:
    times = {"bm25-flat": {"1": QueryTime(0.0, 3.25)}, "splade-tiny": {"1": QueryTime(8.5, 9.125), "2": QueryTime(7.0, 10.0)}}
    write_latency(tmp_path / "latency.csv", times)
    assert read_latency(tmp_path / "latency.csv") == times


def test_evidence_and_its_passages_are_read_back(tmp_path: Path) -> None:
    evidence = [
        Evidence("q1", "why “does”\nglass break", {"d1": 2}, {"a": [Hit("d1", 12.0), Hit("d2", 2.5)]}, {"a": {"d1": {"glass": 10.0}}}),
        Evidence("q2", "nothing", {}, {"a": []}),
    ]
    write_evidence(tmp_path / "evidence.jsonl", evidence)
    assert list(read_evidence(tmp_path / "evidence.jsonl")) == evidence
    passages = {"d1": Passage("d1", "text", "title"), "d2": Passage("d2", "näher")}
    write_passages(tmp_path / "passages.jsonl", passages.values())
    assert read_evidence_passages(tmp_path / "passages.jsonl") == passages


def test_files_of_queries_that_are_something_else_are_refused_with_their_line(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("system,query_id,nDCG@10\na,q1,0.5\na,q2,high\n")
    with pytest.raises(InputError, match=r"a\.csv, line 3: is not what an evaluation writes"):
        read_scores(tmp_path / "a.csv")
    (tmp_path / "b.csv").write_text("system,nDCG@10\na,0.5\n")
    with pytest.raises(InputError, match=r"b\.csv, line 2"):
        read_latency(tmp_path / "b.csv")
    (tmp_path / "c.jsonl").write_text('{"id": "q1"}\n')
    with pytest.raises(InputError, match=r"c\.jsonl, line 1: is no line of evidence"):
        list(read_evidence(tmp_path / "c.jsonl"))
    with pytest.raises(InputError, match=r"c\.jsonl, line 1: is no passage"):
        read_evidence_passages(tmp_path / "c.jsonl")


def test_a_row_of_which_only_some_costs_are_known_has_dashes_for_the_others() -> None:
    rows = [Row("scifact", "splade-tiny", "a.trec", "cd", {}, cost=COST), Row("scifact", "bm25-flat", "b.trec", "ef", {})]
    lines = markdown_table(tables.costs(dataclasses.replace(RESULTS, rows=tuple(rows)))).splitlines()
    heading, _, *cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert len(cells) == 1  # nothing at all is known of the other
    assert dict(zip(heading, cells[0], strict=True)) == {
        "data set": "scifact",
        "system": "SPLADE tiny",
        "documents": "5,183",
        "FLOPS": "9.92",
        "terms a query": "52.3",
        "terms a document": "247.0",
        "index MB": "2.97",
        "encode s": "-",
        "index s": "-",
        "search ms": "-",
        "with encoding": "-",
        "under load": "-",
        "threads": "-",
        "queries/s": "-",
    }


def test_latencies_share_a_column_where_there_is_little_space() -> None:
    table = tables.costs(RESULTS)
    assert [column.name for column in table.columns][-11:-8] == ["search ms, mean", "search ms, p50", "search ms, p99"]
    line = " ".join(markdown_table(table).split())
    assert "| 9.00 / 8.50 / 20.25 | 13.00 / 12.50 / 30.00 | 16.00 / 15.50 / 40.00 | 2 | 123.5 |" in line


def test_results_from_before_latency_under_load_was_measured_have_dashes_for_it(tmp_path: Path) -> None:
    data = json.loads(write_results(tmp_path, RESULTS).read_text())
    del data["rows"][1]["timings"]["under_load"]
    (tmp_path / FILE).write_text(json.dumps(data))
    old = read_results(tmp_path)
    assert old.rows[1].timings == dataclasses.replace(TIMINGS, under_load=None)
    assert "13.00 / 12.50 / 30.00 | - | - | - |" in " ".join(markdown_table(tables.costs(old)).split())


def test_the_csv_has_the_figures_under_load_in_full(tmp_path: Path) -> None:
    write_tables(tmp_path, RESULTS)
    (row,) = [row for row in csv.DictReader((tmp_path / "table.csv").open()) if row["load_threads"]]
    assert [row[key] for key in ("load_ms mean", "load_ms p50", "load_ms p99")] == ["16.0", "15.5", "40.0"]
    assert (row["load_threads"], row["queries_per_second"]) == ("2", "123.46")


def test_every_cost_is_in_every_table() -> None:
    table = tables.costs(RESULTS, RESULTS.datasets[0])
    assert table.names == [figure.name for figure in COSTS]
    assert {field.name for field in dataclasses.fields(Cost)} <= {figure.key for figure in COSTS}


def test_a_measure_that_one_system_lacks_is_a_dash_in_every_file(tmp_path: Path) -> None:
    write_tables(tmp_path, RESULTS)  # R@100 was not measured
    for name in ("table.md", "table.tex"):
        assert any(".6436*" in line and line.rstrip(" |\\").endswith("-") for line in (tmp_path / name).read_text().splitlines())
    assert [row["R@100"] for row in csv.DictReader((tmp_path / "table.csv").open())] == ["", ""]


@pytest.mark.parametrize(
    ("value", "form", "plain", "page"),
    [
        (0.67891, SCORE, ".6789", "0.6789"),
        (1.0, SCORE, "1.0000", "1.0000"),
        (1234.5, SCORE, "1,234.5000", "1,234.5000"),
        (-0.0353, DIFFERENCE, "-.0353", "−0.0353"),
        (0.00001, DIFFERENCE, "0", "±0.0000"),
        (0.00009, P_VALUE, "<.0001", "<0.0001"),
        (0.0001, P_VALUE, ".0001", "0.0001"),
        (0.25, NumberFormat(1), "0.2", "0.2"),
        (None, SCORE, "-", "–"),
        (float("nan"), SCORE, "-", "–"),
        ("128/24", SCORE, "128/24", "128/24"),
    ],
)
def test_numbers_look_alike_in_a_medium(value: float | str | None, form: NumberFormat, plain: str, page: str) -> None:
    assert (write(value, form, PLAIN), write(value, form, PAGE)) == (plain, page)


def test_a_fusion_costs_what_its_parts_cost_together() -> None:
    assert Cost.together([COST, dataclasses.replace(COST, documents=9, flops=0.08)]) == Cost(5183, 10.0, 104.6, 494.0, 5945224)
    assert Cost.together([COST, None]) is None
    assert Cost.from_notes({**vars(COST), "hits": 1000}) == COST
    assert Cost.from_notes({"documents": 5183}) is None
