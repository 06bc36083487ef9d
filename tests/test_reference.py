"""Published figures, averages, and files of expected scores."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from splade_lucene.collections.beir_names import ALL, FORUMS, LICENSED, PUBLIC
from splade_lucene.errors import InputError
from splade_lucene.evaluation.averages import averages
from splade_lucene.evaluation.expectations import find_unexpected, read_expectations
from splade_lucene.evaluation.reference import published, published_average, published_documents, published_system, references, source
from splade_lucene.evaluation.result_records import Results, Row, System
from splade_lucene.records import EncoderRecord
from tests.vector_factory import ENCODER, SIDE

FLAT = System("bm25-flat", "BM25 flat", "bm25", {"k1": 0.9, "b": 0.4, "fields": {"contents": 1.0}})
MULTIFIELD = System("bm25-multifield", "BM25 multifield", "bm25", {"k1": 0.9, "b": 0.4, "fields": {"title": 1.0, "contents": 1.0}})
OTHER_K1 = System("bm25-flat", "BM25 flat", "bm25", {"k1": 1.2, "b": 0.4, "fields": {"contents": 1.0}})


def encoder(model: str) -> EncoderRecord:
    return replace(ENCODER, document=replace(SIDE, model=model), query=replace(SIDE, model=model))


PLUSPLUS = System("splade-ed", "SPLADE", "impact", {}, encoder("naver/splade-cocondenser-ensembledistil"))
PRITHIVIDA = System("splade-p", "SPLADE", "impact", {}, encoder("prithivida/Splade_PP_en_v2"))
TINY = System("splade-tiny", "SPLADE tiny", "impact", {}, encoder("tiny"))
FUSION = System("rrf", "fusion", "fusion", {"method": "rrf"}, None, ("bm25-flat", "splade-tiny"))
GROUPS = {"BEIR-13": PUBLIC, "BEIR-18": (*PUBLIC, "cqadupstack", *LICENSED)}


def test_every_beir_collection_has_its_four_published_systems() -> None:
    for name in (*ALL, "cqadupstack"):
        assert list(references(name)) == ["bm25-flat", "bm25-multifield", "splade-pp-ed", "splade-v3"]
        assert all(0 < figure < 1 for figures in references(name).values() for figure in figures.values())
    assert references("cranfield") == {}
    assert "Anserini" in source()


def test_the_published_average_over_the_13_is_near_the_one_that_its_authors_print() -> None:
    # naver's own: 50.5 for ensembledistil over the 13; Anserini's figures are of its own runs.
    mean = sum(references(name)["splade-pp-ed"]["nDCG@10"] for name in PUBLIC) / 13
    assert mean == pytest.approx(0.505, abs=0.005)


@pytest.mark.parametrize(
    ("system", "name"),
    [(FLAT, "bm25-flat"), (MULTIFIELD, "bm25-multifield"), (PLUSPLUS, "splade-pp-ed"), (OTHER_K1, None), (TINY, None), (FUSION, None)],
)
def test_only_the_same_settings_are_compared(system: System, name: str | None) -> None:
    assert published_system(system) == name
    assert bool(published("scifact", system, {"nDCG@10": 0.5})) == (name is not None)
    assert published_documents("scifact", system) == (5183 if name else None)
    assert published("cranfield", system, {"nDCG@10": 0.5}) == {}


@pytest.mark.parametrize(("measured", "off"), [(0.6789, False), (0.67844, False), (0.6784, False), (0.67831, True), (0.6795, True)])
def test_bm25_is_marked_where_it_is_off_by_more_than_five_ten_thousandths(measured: float, off: bool) -> None:
    figure = published("scifact", FLAT, {"nDCG@10": measured, "RR@10": 0.5})
    assert list(figure) == ["nDCG@10"]
    assert (figure["nDCG@10"].value, figure["nDCG@10"].off) == (0.6789, off)
    assert figure["nDCG@10"].difference == pytest.approx(measured - 0.6789)
    assert not published("scifact", PLUSPLUS, {"nDCG@10": 0.1})["nDCG@10"].off


def rows(names: tuple[str, ...], *systems: System) -> list[Row]:
    return [Row(name, system.name, "", "", {"nDCG@10": 0.01 * number}) for number, name in enumerate(names) for system in systems]


def test_means_are_over_the_data_sets_that_every_system_has() -> None:
    all_rows = [*rows(("a", "b", "c"), FLAT, TINY), Row("d", FLAT.name, "", "", {"nDCG@10": 0.9})]
    found = averages(all_rows, [FLAT, TINY], ["nDCG@10"], groups=GROUPS)
    assert [(each.name, each.system, each.datasets) for each in found] == [
        ("mean", FLAT.name, ("a", "b", "c")),
        ("mean", TINY.name, ("a", "b", "c")),
    ]
    assert found[0].scores == {"nDCG@10": pytest.approx(0.01)}
    assert averages(rows(("a",), FLAT), [FLAT], ["nDCG@10"]) == []


def test_the_forums_of_cqadupstack_count_as_one() -> None:
    found = averages(rows((*PUBLIC, *FORUMS, *LICENSED), FLAT), [FLAT], ["nDCG@10"], forums=FORUMS, groups=GROUPS)
    assert [each.name for each in found] == ["cqadupstack", "mean", "BEIR-13", "BEIR-18"]
    forums, mean, thirteen, eighteen = found
    assert forums.scores["nDCG@10"] == pytest.approx(0.01 * sum(range(13, 25)) / 12)
    assert thirteen.scores["nDCG@10"] == pytest.approx(0.06)
    parts = [*(0.01 * number for number in range(13)), forums.scores["nDCG@10"], *(0.01 * number for number in range(25, 29))]
    assert mean.scores["nDCG@10"] == eighteen.scores["nDCG@10"] == pytest.approx(sum(parts) / 18)
    assert len(mean.datasets) == len(eighteen.datasets) == 18
    assert eighteen.published["nDCG@10"].value == pytest.approx(
        sum(references(name)["bm25-flat"]["nDCG@10"] for name in (*PUBLIC, "cqadupstack", *LICENSED)) / 18
    )
    some = averages(rows((*PUBLIC, *FORUMS[:3]), FLAT), [FLAT], ["nDCG@10"], forums=FORUMS, groups=GROUPS)
    assert [(each.name, len(each.datasets)) for each in some] == [("mean", 16), ("BEIR-13", 13)]


def test_an_average_is_compared_only_where_all_its_members_are() -> None:
    """Corpora of other sizes have no published figures, so their average has none either."""
    names = (*PUBLIC, *FORUMS, *LICENSED)
    for unlike, compared in (("scifact", {"cqadupstack"}), (FORUMS[3], {"BEIR-13"}), ("robust04", {"cqadupstack", "BEIR-13"})):
        found = averages(
            rows(names, FLAT),
            [FLAT],
            ["nDCG@10"],
            forums=FORUMS,
            groups=GROUPS,
            comparable=lambda dataset, system, unlike=unlike: dataset != unlike,  # type: ignore[misc]
        )
        assert {each.name for each in found if each.published} == compared
        assert len(found) == 4


def test_prithividas_average_is_the_one_of_the_model_card() -> None:
    assert published_average("BEIR-13", PUBLIC, PRITHIVIDA, {"nDCG@10": 0.5})["nDCG@10"].value == 0.494
    assert published_average("mean", ("scifact", "nq"), PRITHIVIDA, {"nDCG@10": 0.5}) == {}
    assert published_average("mean", ("scifact", "cranfield"), FLAT, {"nDCG@10": 0.5}) == {}
    pair = published_average("mean", ("scifact", "nfcorpus"), FLAT, {"nDCG@10": 0.5})
    assert pair["nDCG@10"].value == pytest.approx((0.6789 + 0.3218) / 2)


def results(*all_rows: Row) -> Results:
    return Results("", "", {}, {}, {}, ("nDCG@10",), "", (), (), all_rows)


def test_scores_within_the_tolerance_are_as_expected(tmp_path: Path) -> None:
    file = tmp_path / "e.yaml"
    file.write_text("tolerance: 0.01\nscores:\n  a:\n    bm25-flat: {nDCG@10: 0.5}\n")
    for value, differing in ((0.5, 0), (0.51, 0), (0.49, 0), (0.5101, 1)):
        found = find_unexpected(read_expectations(file), results(Row("a", "bm25-flat", "", "", {"nDCG@10": value})))
        assert len(found) == differing
    (missing,) = find_unexpected(read_expectations(file), results())
    assert (missing.expected, missing.measured) == (0.5, None)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "holds no expected scores"),
        ("[1, 2]", "holds no expected scores"),
        ("tolerance: 1", "holds no expected scores"),
        ("scores: {}\nscore: {}", "holds no expected scores"),
        ("scores: {a: {b: {nDCG@10: high}}}", "the value 'high' for nDCG@10 of b of a is not"),
        ("scores: {a: [b]}", r"the value \['b'\] for a is not"),
        ("scores: {}\ntolerance: wide", "the value 'wide' for tolerance is not"),
        ("a: [", "is not YAML"),
        ("scores: !!python/object/apply:os.system [ls]", "is not YAML"),
    ],
)
def test_a_file_that_is_no_expectation_is_refused(text: str, reason: str, tmp_path: Path) -> None:
    file = tmp_path / "e.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match=rf"e\.yaml: {reason}"):
        read_expectations(file)
