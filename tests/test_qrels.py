"""Relevance judgments in every order of columns; what cannot be told apart is refused."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from splade_lucene.collections.qrels import read_qrels
from splade_lucene.errors import InputError
from splade_lucene.records import Qrel

QRELS = [Qrel("q1", "d1", 2), Qrel("q1", "d2", 0), Qrel("q2", "d1", 1)]


def lines(form: str, separator: str = " ") -> str:
    return "".join(separator.join(form.format(*qrel).split()) + "\n" for qrel in QRELS)


@pytest.mark.parametrize(
    ("header", "form"),
    [
        ("", "{0} 0 {1} {2}"),
        ("query-id corpus-id score", "{0} {1} {2}"),
        ("query_id doc_id relevance iteration", "{0} {1} {2} 0"),  # ir_datasets
        ("qid docno label iteration", "{0} {1} {2} Q0"),  # PyTerrier
        ("queryid docid rel", "{0} {1} {2}"),
        ("qid Q0 docid rel", "{0} 0 {1} {2}"),
        ("topic iteration document_id judgment", "{0} 0 {1} {2}"),
        ("rel pid qid", "{2} {1} {0}"),
        ("Query-ID Doc-ID subtopic Grade", "{0} {1} 0 {2}"),
        ("qid docid rel source date", "{0} {1} {2} nist 2020"),
    ],
)
@pytest.mark.parametrize("separator", [" ", "\t", ","])
def test_a_header_decides_the_columns(tmp_path: Path, header: str, form: str, separator: str) -> None:
    text = "\n" + (separator.join(header.split()) + "\n" if header else "") + lines(form, separator)
    file = tmp_path / ("qrels.csv" if separator == "," else "qrels.txt.gz")
    file.write_bytes(text.encode() if separator == "," else gzip.compress(text.encode()))
    assert read_qrels(file) == QRELS


def test_a_header_of_other_names_is_taken_in_the_usual_order_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for header, form, order in (
        ("foo bar baz", "{0} {1} {2}", "query, document, relevance"),
        ("a b c d", "{0} 0 {1} {2}", "query, iteration, document, relevance"),
    ):
        file = tmp_path / header.replace(" ", "-")
        file.write_text(header + "\n" + lines(form))
        assert read_qrels(file) == QRELS
        assert capsys.readouterr().err == f"{file}: its first line ({header}) is taken for a header, and the columns for {order}\n"


@pytest.mark.parametrize(("grade", "value"), [("1.0", 1), ("2.", 2), ("-1", -1), ("+3", 3), ("0", 0)])
def test_grades_are_whole_numbers_however_they_are_written(tmp_path: Path, grade: str, value: int) -> None:
    (tmp_path / "qrels").write_text(f"q1 0 d1 {grade}\nq1 0 d2 1\n")
    assert read_qrels(tmp_path / "qrels")[0].relevance == value


@pytest.mark.parametrize("grade", ["0.5", "1_0", "high", "nan", "1e0", "１"])
def test_other_grades_are_refused(tmp_path: Path, grade: str) -> None:
    (tmp_path / "qrels").write_text(f"q1 0 d1 1\nq1 0 d2 {grade}\n")
    with pytest.raises(InputError, match=rf"line 2: the relevance '{grade}' is not an integer; write it as one, or name the columns"):
        read_qrels(tmp_path / "qrels")


@pytest.mark.parametrize("form", ["{0} {1} {2} 0", "{0}\t{1}\t{2}\t0.0"])
def test_four_columns_that_end_in_0_are_not_in_trecs_order(tmp_path: Path, form: str) -> None:
    (tmp_path / "qrels").write_text("".join(form.format(*qrel) + "\n" for qrel in QRELS))
    with pytest.raises(
        InputError, match="qrels: the fourth of its columns is 0 in every line; TREC's order is query, 0, document, relevance"
    ):
        read_qrels(tmp_path / "qrels")
    (tmp_path / "qrels").write_text(lines("{0} {1} {2} Q0"))
    with pytest.raises(InputError, match="line 1: the relevance 'Q0' is not an integer; write it as one, or name the columns in a header"):
        read_qrels(tmp_path / "qrels")


def test_ids_with_spaces_are_refused_not_cut(tmp_path: Path) -> None:
    (tmp_path / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\nq1\tMED 10\t1\n")
    with pytest.raises(InputError, match=r"line 2: the id 'MED 10' cannot be used; ids have 1 to .* none of them white space"):
        read_qrels(tmp_path / "qrels.tsv")


def test_columns_between_tabs_and_spaces(tmp_path: Path) -> None:
    (tmp_path / "qrels").write_text("q1 0 d1 2\nq1\t0 d2 0\nq2 0\td1\t1\n")
    assert read_qrels(tmp_path / "qrels") == QRELS


def test_parquet(tmp_path: Path) -> None:
    pa: Any = pytest.importorskip("pyarrow")
    import pyarrow.parquet

    columns = {"query-id": [each.query_id for each in QRELS], "corpus-id": [each.doc_id for each in QRELS]}
    pyarrow.parquet.write_table(pa.table({**columns, "score": [each.relevance for each in QRELS]}), tmp_path / "qrels.parquet")
    assert read_qrels(tmp_path / "qrels.parquet") == QRELS
    pyarrow.parquet.write_table(pa.table({"a": ["x"], "b": ["y"]}), tmp_path / "other.parquet")
    with pytest.raises(InputError, match=r"its columns \(a, b\) name no query, document and relevance; rename them"):
        read_qrels(tmp_path / "other.parquet")
