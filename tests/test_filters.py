"""Searches restricted to some documents."""

from __future__ import annotations

import json
import operator
import random
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from splade_lucene.cli.main import main
from splade_lucene.errors import InputError
from splade_lucene.lucene.bm25_indexing import build_bm25_index
from splade_lucene.lucene.bm25_searcher import Bm25Searcher
from splade_lucene.lucene.impact_searcher import ImpactIndexSearcher
from splade_lucene.lucene.indexing import build_impact_index
from splade_lucene.lucene.updating import update_impact_index
from splade_lucene.records import ImpactVector, Passage
from tests.deleting import mark_deleted
from tests.oracle import brute_force
from tests.vector_factory import NASTY, made_up, write_vectors

if TYPE_CHECKING:
    from splade_lucene.encoding.model import SpladeModel

TOKENS = [*NASTY, *(f"t{number}" for number in range(40)), "unknown"]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[ImpactVector]]:
    """Two segments with deleted documents."""
    folder, vectors = tmp_path_factory.mktemp("filters"), made_up(1000)
    build_impact_index(write_vectors(folder / "out", vectors[:800]), folder / "index")
    (folder / "gone").write_text("\n".join(vector.doc_id for vector in vectors[:100]))
    update_impact_index(folder / "index", add=write_vectors(folder / "more", vectors[800:]), delete=folder / "gone", optimize=False)
    mark_deleted(folder / "index", [vector.doc_id for vector in (*vectors[100:120], *vectors[900:910])])
    return folder / "index", [*vectors[120:900], *vectors[910:]]


@pytest.fixture(scope="module", params=[True, False], ids=["in memory", "from disk"])
def searcher(request: pytest.FixtureRequest, index: tuple[Path, list[ImpactVector]]) -> Iterator[ImpactIndexSearcher]:
    with ImpactIndexSearcher(index[0], in_memory=request.param) as opened:
        yield opened


@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(st.sampled_from(TOKENS), st.integers(1, 9), max_size=8),
    st.tuples(st.sampled_from([0, 1, 3, 30, 60, 400, 1000]), st.integers(0, 9)),
    st.sampled_from([1, 10, 2000]),
)
def test_hits_are_those_of_an_index_of_these_documents(
    searcher: ImpactIndexSearcher, index: tuple[Path, list[ImpactVector]], query: dict[str, int], sample: tuple[int, int], k: int
) -> None:
    _, vectors = index
    size, seed = sample
    chosen = random.Random(seed).sample([f"d{number}" for number in range(1100)], size)  # deleted ones, too, and some that never were
    left = [vector for vector in vectors if vector.doc_id in set(chosen)]
    assert searcher.search_impacts(query, k, within=chosen) == brute_force(left, query, k)


def test_a_filter_is_made_once_and_used_often(searcher: ImpactIndexSearcher, index: tuple[Path, list[ImpactVector]]) -> None:
    _, vectors = index
    chosen = searcher.filter(["d121", "d122", "d950", "nobody", "d1", "d101", "d900"])
    assert chosen.documents == 3
    left = [vector for vector in vectors if vector.doc_id in {"d121", "d122", "d950"}]
    queries = {token: {token: 3, "t1": 1} for token in TOKENS}
    expected = {name: brute_force(left, query, 2) for name, query in queries.items()}
    assert searcher.search_impacts_batch(queries, 2, 2, within=chosen) == expected
    assert searcher.search_impacts({"t1": 1}, 5, within=()) == []


def test_one_string_is_no_list_of_docids(searcher: ImpactIndexSearcher) -> None:
    with pytest.raises(TypeError, match=r"write \['d1'\]"):
        searcher.search_impacts({"t1": 1}, within="d1")


def test_bm25_scores_are_those_of_the_whole_index(tmp_path: Path) -> None:
    passages = [Passage(f"p{number}", f"glass {'pane ' * number} breaks") for number in range(9)]
    build_bm25_index(passages, tmp_path / "index")
    with Bm25Searcher(tmp_path / "index") as searcher:
        every = searcher.search("glass pane", 9)
        assert searcher.search("glass pane", 2, within=["p3", "p7", "p0"]) == [hit for hit in every if hit.doc_id in {"p3", "p7", "p0"}][:2]


def test_the_command_reads_a_file_of_docids(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    passages = [Passage(f"p{number}", f"glass {'pane ' * number} breaks") for number in range(9)]
    build_bm25_index(passages, tmp_path / "index")
    (tmp_path / "q.tsv").write_text("q\tglass\n")
    (tmp_path / "docids").write_text("p3\n\np7\nnobody\n")
    command = ["search", str(tmp_path / "index"), str(tmp_path / "q.tsv"), str(tmp_path / "run"), "--filter", str(tmp_path / "docids")]
    assert main(command) == 0
    assert {line.split()[2] for line in (tmp_path / "run").read_text().splitlines()} == {"p3", "p7"}
    assert "searching 2 documents of 3 docids in" in capsys.readouterr().err
    (tmp_path / "docids").write_text("p3\np7\np3\n")
    assert main(command) == 1
    assert "line 3: duplicate id 'p3'; remove it" in capsys.readouterr().err


# Of each document: what a search may be filtered by, as the source has it.
FIELDS: list[dict[str, Any] | None] = [
    {"lang": "de", "year": 2020, "price": 9.5, "tags": ["a", "b c"], "metadata": {"year": 1}},
    {"lang": "fr", "year": 1999, "price": -0.0, "tags": []},
    {"lang": "d,e", "year": -(1 << 63), "price": 0},
    {"lang": "", "year": [2019, 2021], "price": None, "metadata": {"year": [2, 3], "x": {"y": "z"}}},
    {"lang": "Ärger", "year": (1 << 63) - 1, "price": 1e300},
    {"other": [1, {"deep": [[None]]}, '\\ " { } ☃'], "lang": True, "tags": ["a"]},
    None,
]
KINDS = ["lang", "year:int", "price:float", "tags", "metadata.year:int"]
COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "!=": operator.eq,
}


def holds(condition: str, fields: dict[str, Any] | None) -> bool:
    """The oracle: whether any value of the field is so, for != whether none is."""
    match = re.fullmatch(r"([\w.]+)(!=|<=|>=|=|<|>)(.*)", condition)
    assert match
    name, sign, text = match.groups()
    value: Any = fields or {}
    for key in name.split("."):
        value = value.get(key, {}) if isinstance(value, dict) else {}
    found = [each for each in (value if isinstance(value, list) else [value]) if each is not None and each != {}]
    kind = {"year": int, "metadata.year": int, "price": float}.get(name, str)
    if kind is str:
        found = [str(each).lower() if isinstance(each, bool) else str(each) for each in found]
    wanted = [kind(each) for each in (text.split(",") if sign in {"=", "!="} else [text])]
    some = any(COMPARE[sign](each, other) for each in found for other in wanted)
    return not some if sign == "!=" else some


@pytest.fixture(scope="module")
def fielded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[ImpactVector]]:
    folder = tmp_path_factory.mktemp("fields")
    vectors = [
        vector._replace(contents=f"text {number}", fields=FIELDS[number % len(FIELDS)]) for number, vector in enumerate(made_up(200))
    ]
    out = write_vectors(folder / "out", vectors, contents=True)
    build_impact_index(out, folder / "index", filter_fields=KINDS, store_contents=True)
    (folder / "gone").write_text("d3\nd77\n")
    added = [vector._replace(doc_id=f"new{vector.doc_id}") for vector in vectors[:20]]
    more = write_vectors(folder / "more", added, contents=True)
    update_impact_index(folder / "index", add=more, delete=folder / "gone", optimize=False)
    return folder / "index", [vector for vector in [*vectors, *added] if vector.doc_id not in {"d3", "d77"}]


VALUES = {
    "lang": st.sampled_from(["de", "fr", "d", "de,fr", "Ärger", "true", "", "d,e", "x"]),
    "year": st.sampled_from(["2020", "1999", "2021", "-9223372036854775808", "9223372036854775807", "0", "2020,1999"]),
    "price": st.sampled_from(["9.5", "0", "-0.0", "1e300", "9.4999", "-1", "9.5,0"]),
    "tags": st.sampled_from(["a", "b c", "b", "a,b c"]),
    "metadata.year": st.sampled_from(["1", "2", "3", "4"]),
}


@st.composite
def conditions(draw: st.DrawFn) -> str:
    name, sign = draw(st.sampled_from(sorted(VALUES))), draw(st.sampled_from(sorted(COMPARE)))
    value = draw(VALUES[name])
    return f"{name}{sign}{value if sign in {'=', '!='} or name == 'lang' else value.split(',')[0]}"


@settings(deadline=None, max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(conditions(), min_size=1, max_size=3), st.booleans(), st.none() | st.just([f"d{number}" for number in range(0, 300, 3)]))
def test_conditions_choose_the_documents_whose_fields_are_so(
    fielded: tuple[Path, list[ImpactVector]], chosen: list[str], in_memory: bool, docids: list[str] | None
) -> None:
    index, vectors = fielded
    left = [
        vector
        for vector in vectors
        if all(holds(condition, dict(vector.fields or {})) for condition in chosen) and (docids is None or vector.doc_id in docids)
    ]
    query = {"t1": 2, "t2": 1, "|": 1, "t5": 1}
    with ImpactIndexSearcher(index, in_memory=in_memory) as searcher:
        found = searcher.filter(docids, where=" ".join(map(shlex.quote, chosen)))
        assert found.documents == len(left)
        assert searcher.search_impacts(query, 50, within=found) == brute_force(left, query, 50)


def test_stored_fields_are_as_the_source_has_them(fielded: tuple[Path, list[ImpactVector]]) -> None:
    index, vectors = fielded
    with ImpactIndexSearcher(index) as searcher:
        for vector in vectors[:20]:
            assert searcher.contents(vector.doc_id) == vector.contents
            assert searcher.fields(vector.doc_id) == (vector.fields or {})


@pytest.mark.parametrize(
    ("where", "problem"),
    [
        ("lang", "no condition"),
        ("", "there is no condition"),
        ("lang='de", "cannot be read"),
        ("colour=red", r"no field 'colour' to filter by; it has: lang \(text\), year \(int\)"),
        ("year=x", "'x' is no integer of 64 bits"),
        ("year=9223372036854775808", "no integer of 64 bits"),
        ("price<nan", "'nan' is no number"),
    ],
)
def test_a_condition_that_cannot_be_met_is_named(fielded: tuple[Path, list[ImpactVector]], where: str, problem: str) -> None:
    with ImpactIndexSearcher(fielded[0]) as searcher, pytest.raises(ValueError, match=problem):
        searcher.filter(where=where)


@pytest.mark.parametrize("value", ["2020", 2020.0, True, 1 << 63, [1, "x"]])
def test_a_field_of_another_kind_is_named_with_its_line(tmp_path: Path, value: object) -> None:
    vectors = [vector._replace(contents="", fields={"year": 1}) for vector in made_up(5)]
    vectors[3] = vectors[3]._replace(fields={"year": value})
    out = write_vectors(tmp_path / "out", vectors, contents=True)
    with pytest.raises(InputError, match=r"part-00000.jsonl, line 4: document 'd3' has 'year': .*, which is not an integer of 64 bits"):
        build_impact_index(out, tmp_path / "index", filter_fields=["year:int"])
    assert not (tmp_path / "index").exists()


@pytest.mark.parametrize("field", ["year:date", "id", "a b", "", "year:int:int"])
def test_a_field_that_cannot_be_filtered_by_is_refused(tmp_path: Path, field: str) -> None:
    out = write_vectors(tmp_path / "out", made_up(3), contents=True)
    with pytest.raises(ValueError, match=r"is no field to filter by"):
        build_impact_index(out, tmp_path / "index", filter_fields=[field])
    with pytest.raises(InputError, match="holds no text to store"):
        build_impact_index(write_vectors(tmp_path / "plain", made_up(3)), tmp_path / "index", filter_fields=["year:int"])


def test_from_fields_of_a_collection_to_a_filtered_run(tiny: SpladeModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    items: list[dict[str, Any]] = [
        {"_id": "a", "text": "glass breaks", "lang": "en", "year": 2020, "metadata": {"url": "u"}},
        {"_id": "b", "text": "glass breaks", "lang": "de", "year": 2021},
        {"_id": "c", "text": "glass breaks", "title": "Old", "lang": "de", "year": 1990},
    ]
    (tmp_path / "corpus.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    (tmp_path / "q.tsv").write_text("q\tglass\n")
    corpus, out, index, queries, run = (str(tmp_path / name) for name in ("corpus.jsonl", "out", "index", "q.tsv", "run"))
    assert main(["encode", corpus, out, "--model", "tiny", "--store-contents"]) == 0
    assert main(["index", out, index, "--store-contents", "--filter-field", "lang", "--filter-field", "year:int"]) == 0
    for where, expected in (("lang=de year>=2000", ["b"]), ("lang=de", ["b", "c"]), ("year<2021", ["a", "c"])):
        assert main(["search", index, queries, run, "--where", where]) == 0
        assert sorted(line.split()[2] for line in Path(run).read_text().splitlines()) == expected
    assert main(["search", index, queries, run, "--where", "color=red"]) == 1
    assert "it has: lang (text), year (int)" in capsys.readouterr().err
    with ImpactIndexSearcher(index) as searcher:
        assert searcher.fields("a") == {"lang": "en", "year": 2020, "metadata": {"url": "u"}}
