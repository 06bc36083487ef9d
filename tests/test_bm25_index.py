from __future__ import annotations

import math
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from splade_lucene.cli.main import main
from splade_lucene.collections.passages import read_passages
from splade_lucene.errors import IndexMismatchError, InputError, JavaError
from splade_lucene.lucene import jvm
from splade_lucene.lucene.analyzers import java_analyzer, plan_analysis
from splade_lucene.lucene.bm25_indexing import build_bm25_index
from splade_lucene.lucene.bm25_searcher import Bm25Searcher, separate_ties
from splade_lucene.lucene.defaults import LANGUAGES
from splade_lucene.pipeline.search import open_searcher
from splade_lucene.records import Hit, Passage

PASSAGES = [
    Passage("d1", "Thermal stress is created when glass gets hot.", "Glass"),
    Passage("d2", "The glass pane cracked; glasses crack."),
    Passage("d3", "Nothing to do with it.", "Glass and stress"),
    Passage("d4", ""),
    Passage("d5", "The glass pane cracked; glasses crack."),
]


@pytest.fixture(scope="module", params=[False, True], ids=["flat", "multifield"])
def index(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bm25") / "index"
    build_bm25_index(PASSAGES, folder, multifield=request.param, threads=2)
    return folder


@pytest.mark.parametrize("text", ["cracked glass", "stress", "thermal glass panes", "the"])
def test_hits_equal_anserinis_own_searcher(index: Path, text: str) -> None:
    simple = jvm.jnius().autoclass("io.anserini.search.SimpleSearcher")(str(index))
    simple.set_bm25(0.9, 0.4)
    with Bm25Searcher(index) as searcher:
        if len(searcher.card.fields) == 1:
            found = simple.search(text, 10)
        else:
            fields = jvm.jnius().autoclass("java.util.HashMap")()
            for field in ("contents", "title"):
                fields.put(field, jvm.jnius().autoclass("java.lang.Float")(1.0))
            found = simple.search_fields(text, fields, 10)
        hits = searcher.search(text, 10)
    assert [hit.doc_id for hit in hits] == [hit.docid for hit in found]
    assert [hit.score for hit in hits] == pytest.approx([hit.score for hit in found], abs=2e-6)


def test_passages_without_text_are_counted(index: Path) -> None:
    with Bm25Searcher(index) as searcher:
        assert (searcher.card.documents, searcher.card.empty) == (4, 1)


def test_titles_are_found_in_both_layouts(index: Path) -> None:
    with Bm25Searcher(index) as searcher:
        assert {hit.doc_id for hit in searcher.search("stress")} == {"d1", "d3"}


def test_equal_scores_keep_the_order_of_docids(index: Path) -> None:
    with Bm25Searcher(index) as searcher:
        first, second = searcher.search("pane", 2)
    assert (first.doc_id, second.doc_id) == ("d2", "d5")
    assert first.score > second.score > first.score - 1e-5


@pytest.mark.parametrize("text", ["cracked glass, glass", "stress", "thermal glass panes"])
def test_explanations_add_up_to_the_scores(index: Path, text: str) -> None:
    with Bm25Searcher(index) as searcher:
        hits = searcher.search(text)
        assert hits
        for hit in hits:
            found = searcher.explain(text, hit.doc_id)
            assert found.score == pytest.approx(hit.score, abs=1e-4)
            assert sum(match.product for match in found.matches) == pytest.approx(found.score, rel=1e-6)
            for match in found.matches:
                assert match.idf is not None
                assert match.frequency is not None
                assert 0 < match.document_weight < match.idf  # the saturated term frequency is below 1
                assert match.frequency >= 1


def test_k1_and_b_change_the_scores(tmp_path: Path) -> None:
    scores = []
    for number, (k1, b) in enumerate([(0.9, 0.4), (1.2, 0.4), (0.9, 0.75)]):
        build_bm25_index(PASSAGES, tmp_path / str(number), k1=k1, b=b)
        with Bm25Searcher(tmp_path / str(number)) as searcher:
            scores.append(searcher.search("crack")[0].score)
    assert len(set(scores)) == 3


def test_separated_ties_fall_strictly_and_stay_close() -> None:
    hits = [Hit(f"d{number:04}", 7.00012 if number < 300 else 7.0) for number in range(600)]
    separated = separate_ties(hits)
    assert [hit.doc_id for hit in separated] == [hit.doc_id for hit in hits]
    assert all(first.score > second.score for first, second in pairwise(separated))
    assert all(abs(before.score - after.score) < 1e-3 for before, after in zip(hits, separated, strict=True))


def test_a_broken_collection_leaves_nothing(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text('{"_id":"a","text":"x"}\n{"_id":"b"}\n')
    with pytest.raises(InputError, match="line 2"):
        build_bm25_index(read_passages(corpus), tmp_path / "index")
    with pytest.raises(InputError, match="no passages"):
        build_bm25_index([], tmp_path / "index")
    assert [path.name for path in tmp_path.iterdir()] == ["corpus.jsonl"]


def test_a_query_length_is_refused_where_nothing_is_cut(index: Path) -> None:
    with pytest.raises(IndexMismatchError, match="does not cut queries"):
        open_searcher(index, query_max_length=24)


TEXTS = {
    "ar": ("أقر مجلس الوزراء الخطة الجديدة", "الخطة الجديدة للمجلس"),
    "de": ("Die Häuser der Städte wurden verkauft", "Haus Stadt"),
    "ja": ("日本語の文章を検索します", "文章の検索"),
    "sw": ("Watoto wanasoma vitabu", "vitabu"),
}


@pytest.mark.parametrize("language", TEXTS)
def test_passages_and_queries_are_analyzed_in_the_language_of_the_index(language: str, tmp_path: Path) -> None:
    passage, query = TEXTS[language]
    build_bm25_index([Passage("d1", passage), Passage("d2", "nothing of it")], tmp_path / "index", language=language)
    simple = jvm.jnius().autoclass("io.anserini.search.SimpleSearcher")(str(tmp_path / "index"))
    simple.set_bm25(0.9, 0.4)
    simple.set_language(language)
    with Bm25Searcher(tmp_path / "index") as searcher:
        assert searcher.card.bm25.language == language
        hits = searcher.search(query)
        assert [hit.doc_id for hit in hits] == ["d1"]
        theirs = [(hit.docid, hit.score) for hit in simple.search(query, 10)]
        assert theirs == [("d1", pytest.approx(hits[0].score, abs=2e-6))]
        explanation = searcher.explain(query, "d1")
        assert explanation.score == pytest.approx(hits[0].score, abs=1e-4)
        assert sum(match.product for match in explanation.matches) == pytest.approx(explanation.score, rel=1e-5)


def test_all_languages_of_anserini_are_there_and_their_analyzers_can_be_made() -> None:
    analyzers = jvm.jnius().autoclass("io.anserini.analysis.AnalyzerMap").analyzerMap
    keys = analyzers.keySet().toArray()
    assert {*keys, "en", "ha", "so", "sw", "yo"} == set(LANGUAGES)
    for language in LANGUAGES:
        if language == "th" and not (jvm.java_home() / "lib" / "ct.sym").exists():  # no complete JDK
            with pytest.raises(JavaError, match=r"'th' does not run in this Java \(.*Thai.*\); set JAVA_HOME to a complete JDK"):
                java_analyzer(plan_analysis(language))
        else:
            java_analyzer(plan_analysis(language))


@pytest.mark.parametrize(
    ("analyzer", "found"),
    [
        (None, {"horse": {"d1", "d2"}, "Horses.": {"d1", "d2"}, "cats": {"d3"}, "caty": set(), "the": set()}),
        ("porter", {"horse": {"d1", "d2"}, "running": {"d2"}, "runs": {"d2"}, "the": set()}),
        ("krovetz", {"horse": {"d1", "d2"}, "running": set(), "the": set()}),
        ("nostem", {"horse": {"d2"}, "horses": {"d1"}, "the": set()}),
        ("whitespace", {"horse": {"d2"}, "Horses.": {"d1"}, "horses": set(), "the": {"d2"}}),
    ],
)
def test_analyzers_of_english_stem_or_not(analyzer: str | None, found: dict[str, set[str]], tmp_path: Path) -> None:
    build_bm25_index(
        [Passage("d1", "Horses."), Passage("d2", "a horse can run the race"), Passage("d3", "cat")], tmp_path / "index", analyzer=analyzer
    )
    with Bm25Searcher(tmp_path / "index") as searcher:
        assert {query: {hit.doc_id for hit in searcher.search(query)} for query in found} == found


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"k1": -1.0}, "k1 must be a finite number from 0, not -1.0"),
        ({"k1": math.nan}, "k1 must be a finite number from 0, not nan"),
        ({"k1": math.inf}, "k1 must be a finite number from 0, not inf"),
        ({"b": 1.5}, "b must be from 0 to 1, not 1.5"),
        ({"b": -0.5}, "b must be from 0 to 1, not -0.5"),
        ({"b": math.nan}, "b must be from 0 to 1, not nan"),
        ({"language": "xx"}, "no analyzer for the language 'xx'; it has ar, bn"),
        ({"language": "de", "analyzer": "porter"}, "no analyzer 'porter' for the language 'de'; there is language, whitespace"),
        ({"analyzer": "snowball"}, "there is porter, krovetz, nostem, whitespace"),
    ],
)
def test_what_bm25_does_not_take_is_refused_before_anything_is_written(options: dict[str, Any], reason: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        build_bm25_index(PASSAGES, tmp_path / "index", **options)
    corpus = tmp_path / "corpus.tsv"
    corpus.write_text("d1\tglass\n")
    command = [f"--{name}={value}" for name, value in options.items()]
    with pytest.raises(SystemExit, match="2"):
        main(["bm25", str(corpus), str(tmp_path / "index"), *command])
    assert list(tmp_path.iterdir()) == [corpus]


@pytest.mark.parametrize(("k1", "b"), [(0.0, 0.0), (0.0, 1.0), (5.0, 1.0)])
def test_extreme_settings_that_bm25_takes_can_be_searched(k1: float, b: float, tmp_path: Path) -> None:
    build_bm25_index(PASSAGES, tmp_path / "index", k1=k1, b=b)
    with Bm25Searcher(tmp_path / "index") as searcher:
        assert len(searcher.search("glass")) == 4
