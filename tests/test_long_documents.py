"""Documents as passages: cut, encoded, and found again by the best of them."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from splade_lucene.cli.main import main
from splade_lucene.errors import InputError
from splade_lucene.lucene.impact_searcher import ImpactIndexSearcher
from splade_lucene.lucene.indexing import build_impact_index
from splade_lucene.pipeline.encode import encode_collection
from splade_lucene.pipeline.split import split_passages
from splade_lucene.records import Hit, ImpactVector, Passage
from splade_lucene.vectors.reader import read_vectors
from tests.oracle import brute_force
from tests.vector_factory import write_vectors

if TYPE_CHECKING:
    from splade_lucene.encoding.model import SpladeModel

TOKENS = [f"t{number}" for number in range(12)]


def best_passages(vectors: list[ImpactVector], query: dict[str, int], k: int) -> list[Hit]:
    best: dict[str, float] = {}
    for doc_id, score in brute_force(vectors, query, len(vectors)):
        document = re.sub(r"#\d+$", "", doc_id)
        best[document] = max(score, best.get(document, 0))
    return [Hit(*item) for item in sorted(best.items(), key=lambda item: (-item[1], item[0]))[:k]]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[ImpactVector]]:
    """Documents of 1 to 90 passages, some of whose ids look like a passage's and are none."""
    dice, vectors = random.Random(1), []
    for number in range(120):
        name = f"d{number}{dice.choice(['', '#', '#x', '#1x', '##', '#1'])}"
        for passage in range(dice.choice([1, 2, 5, 90])):
            weights = {token: dice.choice([1, 2, 3]) for token in dice.sample(TOKENS, dice.randint(1, 6))}
            vectors.append(ImpactVector(f"{name}#{passage}", weights))
    vectors += [ImpactVector("#7", {"t1": 3}), ImpactVector("plain", {"t1": 2, "t2": 1})]
    folder = tmp_path_factory.mktemp("passages")
    build_impact_index(write_vectors(folder / "out", vectors), folder / "index")
    return folder / "index", vectors


@pytest.fixture(scope="module", params=[True, False], ids=["in memory", "from disk"])
def searcher(request: pytest.FixtureRequest, index: tuple[Path, list[ImpactVector]]) -> Iterator[ImpactIndexSearcher]:
    with ImpactIndexSearcher(index[0], in_memory=request.param) as opened:
        yield opened


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from([*TOKENS, "unknown"]), st.integers(1, 4), max_size=5), st.sampled_from([1, 3, 10, 119, 500]))
def test_documents_come_by_their_best_passage(
    searcher: ImpactIndexSearcher, index: tuple[Path, list[ImpactVector]], query: dict[str, int], k: int
) -> None:
    _, vectors = index
    assert searcher.search_impacts(query, k, max_passage=True) == best_passages(vectors, query, k)


def test_documents_can_be_chosen(searcher: ImpactIndexSearcher, index: tuple[Path, list[ImpactVector]]) -> None:
    _, vectors = index
    documents = sorted({re.sub(r"#\d+$", "", vector.doc_id) for vector in vectors})[::3]
    left = [vector for vector in vectors if re.sub(r"#\d+$", "", vector.doc_id) in documents]
    query = {"t1": 2, "t2": 1, "t5": 3}
    assert searcher.search_impacts(query, 30, within=documents, max_passage=True) == best_passages(left, query, 30)
    chosen = searcher.filter(documents, max_passage=True)
    assert chosen.documents == len(left)
    assert searcher.search_impacts_batch({"q": query}, 30, within=chosen, max_passage=True) == {"q": best_passages(left, query, 30)}


@pytest.mark.parametrize(
    ("text", "words", "overlap", "parts"),
    [
        ("a b c d e", 2, 0, ["a b", "c d", "e"]),
        ("a b c d e", 3, 1, ["a b c", "c d e"]),
        ("a b c d e", 3, 2, ["a b c", "b c d", "c d e"]),
        ("a  b\n\tc ", 2, 0, ["a  b", "c"]),
        ("a b c", 3, 2, ["a b c"]),
        ("a b", 3, 2, ["a b"]),
        ("", 3, 0, [""]),
        (" \n", 3, 2, [""]),
    ],
)
def test_documents_are_cut_into_passages_of_words(text: str, words: int, overlap: int, parts: list[str]) -> None:
    found = list(split_passages([Passage("d", text, "title")], words, overlap))
    assert found == [Passage(f"d#{number}", part, "title") for number, part in enumerate(parts)]


@given(st.text(), st.integers(1, 6), st.data())
def test_no_word_is_lost_and_no_passage_is_only_overlap(text: str, words: int, data: st.DataObject) -> None:
    overlap = data.draw(st.integers(0, words - 1))
    passages = [passage.text.split() for passage in split_passages([Passage("d", text)], words, overlap)]
    joined = [*passages[0], *(word for passage in passages[1:] for word in passage[overlap:])]
    assert joined == re.findall(r"\S+", text)
    assert all(len(passage) > overlap for passage in passages[1:])


def test_ids_that_look_like_a_passages_are_refused() -> None:
    with pytest.raises(InputError, match=r"the id 'd#1' ends like that of a passage"):
        list(split_passages([Passage("d#1", "text")], 3))
    with pytest.raises(ValueError, match="cannot overlap by 3"):
        list(split_passages([], 3, 3))


def test_from_documents_to_a_run(tiny: SpladeModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = tmp_path / "corpus.jsonl"
    texts = {
        "glass": "The window is closed at night. " * 12 + "Thermal stress makes glass break when it is heated.",
        "search": "An inverted index finds documents. " * 9,
        "short": "Glass.",
    }
    corpus.write_text("".join(json.dumps({"_id": name, "text": text}) + "\n" for name, text in texts.items()))
    (tmp_path / "queries.tsv").write_text("q\twhy does glass break when heated\n")
    out, index, run = (str(tmp_path / name) for name in ("out", "index", "run"))
    assert main(["encode", str(corpus), out, "--model", "tiny", "--split-words", "20", "--overlap", "5"]) == 0
    assert main(["index", out, index]) == 0
    (tmp_path / "docids").write_text("glass\nsearch\nmissing\n")
    for more, expected in (([], {"glass", "short", "search"}), (["--filter", str(tmp_path / "docids")], {"glass", "search"})):
        capsys.readouterr()
        assert main(["search", index, str(tmp_path / "queries.tsv"), run, "--max-passage", *more]) == 0
        lines = [line.split() for line in Path(run).read_text().splitlines()]
        assert lines[0][2] == "glass"
        assert {line[2] for line in lines} <= expected
    assert "passages of 3 docids in" in capsys.readouterr().err
    vectors = list(read_vectors(Path(out)))
    manifest = json.loads((Path(out) / "manifest.json").read_text())
    assert (manifest["settings"]["split_words"], manifest["settings"]["overlap"]) == (20, 5)
    assert [vector.doc_id for vector in vectors][-1] == "short#0"
    encode_collection([Passage(*item) for item in texts.items()], tmp_path / "again", tiny, split_words=20, overlap=5)
    assert list(read_vectors(tmp_path / "again")) == vectors
    with pytest.raises(SystemExit):
        main(["encode", str(corpus), out, "--model", "tiny", "--overlap", "5"])
    assert "less than --split-words" in capsys.readouterr().err
