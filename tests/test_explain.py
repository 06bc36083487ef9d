"""Explanations: of a text against its own bag of words, of scores against the searchers' and Lucene's formula."""

from __future__ import annotations

import math
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from splade_lucene.cli.main import main
from splade_lucene.encoding.model import SpladeModel
from splade_lucene.errors import InputError
from splade_lucene.lucene.bm25_indexing import build_bm25_index
from splade_lucene.lucene.bm25_searcher import Bm25Searcher
from splade_lucene.lucene.indexing import build_impact_index
from splade_lucene.lucene.updating import update_impact_index
from splade_lucene.pipeline.encode import encode_collection
from splade_lucene.pipeline.explain import differences, explain_documents, explain_text
from splade_lucene.pipeline.explanation_page import explanation_page
from splade_lucene.pipeline.search import ImpactSearcher
from splade_lucene.records import Passage
from splade_lucene.vectors.reader import read_vectors

PASSAGES = [
    Passage("glass", "Thermal stress breaks glass: a glass pane gets hotter than the glass around it.", "Glass"),
    Passage("heat", "Heat makes a window crack if its parts expand differently."),
    Passage("lucene", "Lucene is a library for full-text search with an inverted index.", "Search"),
    Passage("sort", "Return the index where to insert an item in a sorted list."),
]
QUERY = "why does glass, glass under stress, break"


@pytest.fixture(scope="module")
def folder(tiny: SpladeModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("explain")
    encode_collection(PASSAGES, folder / "out", tiny, max_length=32, query_max_length=16)
    build_impact_index(folder / "out", folder / "splade")
    build_bm25_index(PASSAGES, folder / "flat")
    build_bm25_index(PASSAGES, folder / "fields", multifield=True)
    return folder


def test_words_and_expansion_share_out_the_bag_of_words(tiny: SpladeModel) -> None:
    text = "Biomaterials and biomaterials lack the inductive properties of Zażółć"
    (bag,) = tiny.document_weights([text])
    found = explain_text(tiny, text)
    assert found.weights == bag
    assert list(found.weights.values()) == sorted(bag.values(), reverse=True)
    pieces = {token for word in found.words for token, _ in word.pieces}
    assert found.expansion.keys() == bag.keys() - pieces
    assert found.expansion
    assert found.end == len(text)
    word = next(word for word in found.words if word.text == "Biomaterials")
    assert [token for token, _ in word.pieces] == ["bio", "##mate", "##rial", "##s"]
    assert word.places == [(0, 12), (17, 29)]
    assert word.weight == pytest.approx(sum(bag.get(token, 0) for token, _ in word.pieces))
    assert {word.text for word in found.words} >= {"inductive", "properties", "Zażółć"}


def test_what_is_not_read_is_told(tiny: SpladeModel) -> None:
    text = "glass breaks under stress and heat"
    found = explain_text(tiny, text, max_length=5)
    assert text[found.end :] == " stress and heat"
    assert [word.text for word in sorted(found.words, key=lambda word: word.places)] == ["glass", "breaks", "under"]


@pytest.mark.parametrize("family", ["roberta", "modernbert", "bert"])
def test_words_of_other_tokenizers_are_joined_without_their_spaces(family: str, random_model: Callable[[str], Path]) -> None:
    found = explain_text(SpladeModel.load(str(random_model(family)), device="cpu"), "unbelievable größe, twice: unbelievable")
    assert {"unbelievable", "größe", "twice"} <= {word.text for word in found.words}


@pytest.mark.parametrize("text", ["", "  ", "the"])
def test_texts_of_hardly_anything(text: str, tiny: SpladeModel) -> None:
    found = explain_text(tiny, text)
    assert len(found.words) == len(text.split())
    assert "<table>" in explanation_page(found, "caption")


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def test_markup_in_a_text_is_shown_and_not_obeyed(tiny: SpladeModel) -> None:
    text = """glass <script>alert("1")</script> & <img src=x onerror='alert(2)'> "><b>stress</b> </mark> not <i>read</i> at all"""
    found = explain_text(tiny, text, max_length=48)
    assert found.end < len(text)
    page = _Tags()
    page.feed(explanation_page(found, "<u>caption</u>"))
    assert page.tags <= {
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "h1",
        "h2",
        "p",
        "small",
        "mark",
        "span",
        "table",
        "tr",
        "td",
        "div",
    }
    assert page.attributes <= {"lang", "charset", "name", "content", "class", "style", "title"}
    assert text in page.text
    assert "<u>caption</u>" in page.text
    assert "mark" in page.tags


def test_impact_explanations_are_the_searchers_exact_scores(folder: Path, tiny: SpladeModel) -> None:
    vectors = {vector.doc_id: vector.vector for vector in read_vectors(folder / "out")}
    (impacts,) = tiny.encode_queries([QUERY], max_length=16)
    with ImpactSearcher(folder / "splade", model=tiny) as searcher:
        scores = {hit.doc_id: hit.score for hit in searcher.search(QUERY)}
        assert len(scores) > 1
        for doc_id, vector in vectors.items():
            found = searcher.explain(QUERY, doc_id)
            assert {match.token: (match.query_weight, match.document_weight) for match in found.matches} == {
                token: (impacts[token], vector[token]) for token in impacts.keys() & vector.keys()
            }
            assert sum(match.product for match in found.matches) == found.score == scores.get(doc_id, 0)
            assert found.unmatched == {token: impact for token, impact in impacts.items() if token not in vector}


def test_documents_of_every_segment_are_explained(folder: Path, tiny: SpladeModel, tmp_path: Path) -> None:
    more = [Passage(f"{passage.doc_id}-{copy}", passage.text, f"{passage.title} {copy}") for copy in "ab" for passage in PASSAGES]
    encode_collection(more, tmp_path / "more", tiny, max_length=32, query_max_length=16)
    (tmp_path / "gone").write_text("heat\n")
    shutil.copytree(folder / "splade", tmp_path / "index")
    update_impact_index(tmp_path / "index", add=tmp_path / "more", delete=tmp_path / "gone", optimize=False)
    with ImpactSearcher(tmp_path / "index", model=tiny) as searcher:
        hits = searcher.search(QUERY, 100)
        assert {"glass", "glass-a", "glass-b"} < {hit.doc_id for hit in hits}
        assert [searcher.explain(QUERY, hit.doc_id).score for hit in hits] == [hit.score for hit in hits]
        assert [sum(match.product for match in searcher.explain(QUERY, hit.doc_id).matches) for hit in hits] == [hit.score for hit in hits]
        with pytest.raises(InputError, match="has no document 'heat'"):
            searcher.explain(QUERY, "heat")


@pytest.mark.parametrize("index", ["flat", "fields"])
def test_bm25_explanations_are_the_searchers_scores_and_the_formula(index: str, folder: Path) -> None:
    with Bm25Searcher(folder / index) as searcher:
        hits = searcher.search(QUERY)
        assert [hit.doc_id for hit in hits] == ["glass"]
        found = searcher.explain(QUERY, "glass")
        nothing = searcher.explain(QUERY, "sort")
    assert found.score == pytest.approx(hits[0].score, abs=1e-4)
    assert sum(match.product for match in found.matches) == pytest.approx(found.score, rel=1e-6)
    match = found.matches[0]
    titles = index == "flat"  # which has them in the contents
    assert (match.token, match.field, match.query_weight, match.frequency) == ("glass", "contents", 2, 3 + titles)
    documents = 4
    assert match.idf == pytest.approx(math.log(1 + (documents - 1 + 0.5) / 1.5), rel=1e-5)
    assert {match.field for match in found.matches} == ({"contents"} if titles else {"contents", "title"})
    assert found.unmatched == {"why": 1, "doe": 1, "under": 1}
    assert (nothing.score, nothing.matches) == (0, [])


@pytest.mark.parametrize("index", ["splade", "flat", "fields"])
@pytest.mark.parametrize("query", [QUERY, "glass", "", "zzz the"])
def test_contributions_are_the_explanations_of_many_documents(index: str, query: str, folder: Path, tiny: SpladeModel) -> None:
    doc_ids = [passage.doc_id for passage in PASSAGES]
    with ImpactSearcher(folder / index, model=tiny) if index == "splade" else Bm25Searcher(folder / index) as searcher:
        found = searcher.contributions({"q1": query, "q2": "sorted list"}, {"q1": [*doc_ids, "nowhere"], "q2": ["sort"]})
        explained = {doc_id: searcher.explain(query, doc_id).matches for doc_id in doc_ids}
    assert list(found) == ["q1", "q2"]
    assert list(found["q1"]) == doc_ids
    assert found["q2"]["sort"]
    for doc_id, matches in explained.items():
        names = [match.token if match.field == "contents" else f"{match.field}:{match.token}" for match in matches]
        expected = dict(zip(names, (match.product for match in matches), strict=True))
        assert found["q1"][doc_id] == pytest.approx(expected)
        assert list(found["q1"][doc_id].values()) == sorted(found["q1"][doc_id].values(), reverse=True)


def test_ranks_and_differences(folder: Path, tiny: SpladeModel) -> None:
    with ImpactSearcher(folder / "splade", model=tiny) as searcher:
        hits = searcher.search(QUERY)
        first, second = explain_documents(searcher, QUERY, [hits[0].doc_id, hits[1].doc_id])
        (none,) = explain_documents(searcher, "", ["sort"])
    assert (first.rank, second.rank) == (1, 2)
    found = differences(first.explanation, second.explanation)
    assert sum(each.gain for each in found) == hits[0].score - hits[1].score
    assert [abs(each.gain) for each in found] == sorted((abs(each.gain) for each in found), reverse=True)
    assert none.rank is None or none.explanation.score > 0


@pytest.mark.parametrize("index", ["splade", "flat"])
def test_a_docid_that_is_not_there(index: str, folder: Path, tiny: SpladeModel) -> None:
    searcher = ImpactSearcher(folder / index, model=tiny) if index == "splade" else Bm25Searcher(folder / index)
    with searcher, pytest.raises(InputError, match="has no document 'nowhere'"):
        searcher.explain(QUERY, "nowhere")


def test_the_command_shows_both_systems_side_by_side(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["explain", "--index", str(folder / "splade"), "--bm25", str(folder / "flat"), "--query", QUERY, "--doc", "glass"]
    assert main([*command, "--top", "3"]) == 0
    out = capsys.readouterr().out
    splade, bm25 = (re.search(rf"{name}, .* glass scores ([\d,.]+), rank 1; \d+ of \d+ terms", out) for name in ("SPLADE", "BM25"))
    assert splade is not None
    assert bm25 is not None
    total = next(line for line in out.splitlines() if line.startswith("| sum"))
    assert f" {splade.group(1)} " in total
    header = next(line for line in out.splitlines() if line.startswith("| SPLADE token"))
    assert "BM25 term" in header
    assert "others" in out
    assert main([*command, "--doc", "heat"]) == 0
    assert "SPLADE heat" in capsys.readouterr().out


def test_the_command_explains_the_score_that_a_search_with_the_same_options_gives(
    folder: Path, capsys: pytest.CaptureFixture[str], tiny: SpladeModel
) -> None:
    options = ["--query-idf", ".5", "--query-top-k", "4", "--query-max-length", "6"]
    assert main(["explain", "--index", str(folder / "splade"), "--query", QUERY, "--doc", "glass", *options]) == 0
    with ImpactSearcher(folder / "splade", model=tiny, query_idf=0.5, query_top_k=4, query_max_length=6) as searcher:
        score = next(hit.score for hit in searcher.search(QUERY, 10) if hit.doc_id == "glass")
    with ImpactSearcher(folder / "splade", model=tiny) as searcher:
        assert score not in {hit.score for hit in searcher.search(QUERY, 10)}
    assert f"glass scores {score:,.0f}, rank" in capsys.readouterr().out


def test_the_command_without_a_match(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "--bm25", str(folder / "flat"), "--query", "xylophone", "--doc", "sort"]) == 0
    out = capsys.readouterr().out
    assert "sort scores 0, not among the first 1,000; 0 of 1 terms" in out
    assert "in the query only: xylophon 1" in out


def test_the_command_draws_a_page(tiny: SpladeModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "a glass & its stress", "--model", "tiny", "--html", str(tmp_path / "page.html")]) == 0
    assert "glass &amp; its stress" in re.sub("</?mark[^>]*>", "", (tmp_path / "page.html").read_text(encoding="utf-8"))
    assert capsys.readouterr().out.startswith("number of actual dimensions:")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["text", "--index", "i", "--query", "q", "--doc", "d"],
        ["--index", "i", "--query", "q"],
        ["--index", "i", "--doc", "d"],
        ["--query", "q", "--doc", "d"],
        ["--index", "i", "--query", "q", "--doc", "d", "--doc", "e", "--doc", "f"],
        ["--index", "i", "--query", "q", "--doc", "d", "--html", "page"],
        ["--index", "i", "--query", "q", "--doc", "d", "--model", "tiny"],
        ["--index", "i", "--query", "q", "--doc", "d", "--subfolder", "s"],
        ["--index", "i", "--query", "q", "--doc", "d", "--query-revision", "r"],
        ["text", "--top", "3"],
        ["text", "--query-idf", ".5"],
        ["--bm25", "i", "--query", "q", "--doc", "d", "--query-top-k", "3"],
    ],
)
def test_options_that_do_not_go_together(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["explain", *arguments])
    assert caught.value.code == 2
