"""PyTerrier's own pipelines and experiments over our transformers, against our own search of the same passages."""

from __future__ import annotations

import importlib.metadata
import math
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from splade_lucene.collections.passages import read_passages
from splade_lucene.collections.queries import read_qrels, read_queries
from splade_lucene.errors import IndexMismatchError, InputError
from splade_lucene.evaluation.measures import score_run
from splade_lucene.lucene.indexing import build_impact_index
from splade_lucene.pipeline.encode import encode_collection
from splade_lucene.pipeline.search import ImpactSearcher, search_queries
from splade_lucene.records import ImpactVector, Passage, Query
from tests.vector_factory import write_vectors

pt = pytest.importorskip("pyterrier", reason="pyterrier is not installed: pip install 'splade_lucene[pyterrier]'")
pd = pytest.importorskip("pandas")

if TYPE_CHECKING:
    from splade_lucene.encoding.model import SpladeModel

PASSAGES, QUERIES, K = 200, 12, 50


class Ours(NamedTuple):
    """Real passages and queries, and what our own functions make of them."""

    passages: list[Passage]
    queries: list[Query]
    qrels: list[Any]
    searcher: ImpactSearcher

    @property
    def topics(self) -> Any:
        return pd.DataFrame([{"qid": query.query_id, "query": query.text} for query in self.queries])

    def rows(self) -> Iterator[dict[str, str]]:
        for passage in self.passages:
            yield {"docno": passage.doc_id, "title": passage.title, "text": passage.text}


@pytest.fixture(scope="module")
def ours(tiny: SpladeModel, real_collection: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ours]:
    collection, folder = real_collection("cranfield"), tmp_path_factory.mktemp("cranfield")
    passages = list(islice(read_passages(collection), PASSAGES))
    known = {passage.doc_id for passage in passages}
    qrels = [qrel for qrel in read_qrels(collection) if qrel.doc_id in known]
    judged = {qrel.query_id for qrel in qrels if qrel.relevance > 0}
    queries = [query for query in read_queries(collection) if query.query_id in judged][:QUERIES]
    wanted = {query.query_id for query in queries}
    encode_collection(passages, folder / "out", tiny, max_length=64, query_max_length=32)
    build_impact_index(folder / "out", folder / "index")
    with ImpactSearcher(folder / "index", model=tiny) as searcher:
        yield Ours(passages, queries, [qrel for qrel in qrels if qrel.query_id in wanted], searcher)


@pytest.fixture(scope="module")
def encoder(tiny: SpladeModel) -> Any:
    from splade_lucene.integrations.pyterrier import DocumentEncoder

    return DocumentEncoder(tiny, max_length=64, query_max_length=32, fields=("title", "text"))


@pytest.fixture(scope="module")
def index(encoder: Any, ours: Ours, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made by a pipeline of PyTerrier, which hands the rows over in batches."""
    from splade_lucene.integrations.pyterrier import ImpactIndexer

    folder: Path = (encoder >> ImpactIndexer(tmp_path_factory.mktemp("pyterrier") / "index", encoder)).index(ours.rows())
    return folder


def results(frame: Any) -> dict[str, list[tuple[str, float, int]]]:
    return {
        query_id: list(zip(rows["docno"], rows["score"], rows["rank"], strict=True)) for query_id, rows in frame.groupby("qid", sort=False)
    }


def expected(ours: Ours, k: int = K) -> dict[str, list[tuple[str, float, int]]]:
    found = ours.searcher.search_batch(dict(ours.queries), k)
    return {query_id: [(hit.doc_id, hit.score, rank) for rank, hit in enumerate(hits)] for query_id, hits in found.items()}


def test_a_pipeline_indexes_and_retrieves_what_our_own_functions_do(ours: Ours, index: Path, tiny: SpladeModel) -> None:
    from splade_lucene.integrations.pyterrier import ImpactRetriever, QueryEncoder

    searching = ImpactRetriever(index, num_results=K, model=tiny)
    assert results(searching(ours.topics)) == expected(ours)
    encoding = QueryEncoder(tiny, max_length=32) >> ImpactRetriever(index, num_results=K)
    found: Any = encoding(ours.topics)
    assert results(found) == expected(ours)
    assert {"qid", "query", "query_toks", "docno", "score", "rank"} == set(found.columns)
    assert results((encoding % 5)(ours.topics)) == {query_id: hits[:5] for query_id, hits in expected(ours).items()}


def test_an_experiment_gives_the_figures_of_our_own_run(ours: Ours, index: Path, tiny: SpladeModel) -> None:
    measures: Any = pytest.importorskip("ir_measures")
    from splade_lucene.integrations.pyterrier import ImpactRetriever, QueryEncoder

    systems = [ImpactRetriever(index, model=tiny), QueryEncoder(tiny, max_length=8) >> ImpactRetriever(index)]
    qrels = pd.DataFrame([{"qid": qrel.query_id, "docno": qrel.doc_id, "label": qrel.relevance} for qrel in ours.qrels])
    wanted = [measures.nDCG @ 10, measures.R @ 100, measures.AP @ 1000]
    table = pt.Experiment(systems, ours.topics, qrels, wanted, names=["whole", "cut at 8"], baseline=0)
    run = search_queries(ours.searcher, ours.queries, k=1000).run
    mine = score_run(run, ours.qrels, "nDCG@10 R@100 AP@1000").mean
    assert table.iloc[0][["nDCG@10", "R@100", "AP@1000"]].tolist() == pytest.approx(list(mine.values()))
    assert table.iloc[1]["nDCG@10"] != table.iloc[0]["nDCG@10"]


def test_encoders_add_what_the_model_gives(encoder: Any, tiny: SpladeModel) -> None:
    from splade_lucene.integrations.pyterrier import QueryEncoder

    rows = pd.DataFrame(
        [{"docno": "a", "title": "Glass", "text": "under stress"}, {"docno": "b", "title": None, "text": "heat"}], index=[7, 3]
    )
    encoded = encoder(rows)
    assert encoded["toks"].tolist() == tiny.encode_documents(["Glass under stress", "heat"], max_length=64)
    assert encoded.index.tolist() == [7, 3]
    queries = QueryEncoder(tiny, max_length=16, scale=10).search("why does glass break")
    assert queries["query_toks"].tolist() == tiny.encode_queries(["why does glass break"], max_length=16, scale=10)


def test_weights_from_elsewhere_are_taken_and_queries_without_terms_have_no_row(ours: Ours, index: Path) -> None:
    from splade_lucene.integrations.pyterrier import ImpactRetriever

    topics = pd.DataFrame([{"qid": "1", "query_toks": {"flow": 1.5, "wing": 0.25}}, {"qid": "2", "query_toks": {}}])
    found: Any = ImpactRetriever(index, num_results=3)(topics)
    assert found["qid"].tolist() == ["1", "1", "1"]
    scores = [hit.score / 4 for hit in ours.searcher.search_impacts({"flow": 6, "wing": 1}, 3)]
    assert found["score"].tolist() == pytest.approx(scores)
    empty: Any = ImpactRetriever(index)(topics.iloc[1:])
    assert (len(empty), set(empty.columns)) == (0, {"qid", "query_toks", "docno", "score", "rank"})


def test_pyterrier_can_tell_columns_without_running_java_or_a_model(encoder: Any, tmp_path: Path) -> None:
    from splade_lucene.integrations.pyterrier import ImpactIndexer, ImpactRetriever, QueryEncoder

    searching = QueryEncoder(encoder.model) >> ImpactRetriever(tmp_path / "not there yet")
    assert set(pt.inspect.transformer_outputs(searching, ["qid", "query"])) == {"qid", "query", "query_toks", "docno", "score", "rank"}
    assert pt.inspect.transformer_outputs(encoder, ["docno", "title", "text"]) == ["docno", "title", "text", "toks"]
    with pytest.raises(KeyError):
        searching(pd.DataFrame([{"qid": "1"}]))
    assert ImpactIndexer(tmp_path / "x", encoder).index_inputs() == [["docno", "toks"]]


def test_bad_rows_and_indexes_are_refused(encoder: Any, index: Path, tmp_path: Path) -> None:
    from splade_lucene.integrations.pyterrier import ImpactIndexer, ImpactRetriever

    refused: list[tuple[Any, str]] = [
        ([], "there are no passages"),
        ([{"docno": "a", "text": "x"}], "a row has no 'toks'; put a DocumentEncoder before the indexer"),
        ([{"docno": "a b", "toks": {"x": 1}}], "the id 'a b'"),
        ([{"docno": "a", "toks": {"x": 0.5}}], "impacts are integers from 1"),
        ([{"docno": None, "toks": {"x": 1}}], "a row has the docno None, which is no text"),
        ([{"docno": math.nan, "toks": {"x": 1}}], "a row has the docno nan, which is no text"),
        ([{"docno": 1.0, "toks": {"x": 1}}], "a row has the docno 1.0, which is no text"),
        ([{"docno": "a", "toks": None}], "the passage 'a' has None as toks"),
        ([{"docno": "a", "toks": math.nan}], "the passage 'a' has nan as toks"),
        ([{"docno": "a", "toks": {"x": 1}}, {"docno": "a", "toks": {"y": 1}}], "duplicate docno 'a'"),
        ([{"docno": 1, "toks": {"x": 1}}, {"docno": "1", "toks": {"y": 1}}], "duplicate docno '1'"),
    ]
    for rows, sentence in refused:
        with pytest.raises(InputError, match=sentence):
            ImpactIndexer(tmp_path / "x", encoder).index(rows)
    with pytest.raises(InputError, match="overwrite=True"):
        ImpactIndexer(index, encoder).index(iter(lambda: pytest.fail("a passage was asked for"), None))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(IndexMismatchError, match="no index"):
        ImpactRetriever(tmp_path).search("anything")


def test_whole_numbers_are_docnos(encoder: Any, tmp_path: Path) -> None:
    from splade_lucene.integrations.pyterrier import ImpactIndexer, ImpactRetriever

    ImpactIndexer(tmp_path / "x", encoder).index([{"docno": 7, "toks": {"x": 1}}])
    found: Any = ImpactRetriever(tmp_path / "x")(pd.DataFrame([{"qid": "1", "query_toks": {"x": 2}}]))
    assert found["docno"].tolist() == ["7"]


@pytest.mark.parametrize("missing", [None, math.nan, pd.NA])
def test_queries_without_text_and_texts_that_are_none_are_named(index: Path, tiny: SpladeModel, encoder: Any, missing: object) -> None:
    from splade_lucene.integrations.pyterrier import ImpactRetriever, QueryEncoder

    topics = pd.DataFrame([{"qid": "q1", "query": "flow"}, {"qid": "q2", "query": missing}])
    for transformer in (QueryEncoder(tiny), ImpactRetriever(index, model=tiny)):
        with pytest.raises(InputError, match="query 'q2' has no text"):
            transformer(topics)
        with pytest.raises(InputError, match="row 'q3' holds 7, which is no text"):
            transformer(pd.DataFrame([{"qid": "q3", "query": 7}]))
    with pytest.raises(InputError, match="row 'd1' holds 7, which is no text"):
        encoder(pd.DataFrame([{"docno": "d1", "title": "x", "text": 7}]))
    found: Any = ImpactRetriever(index, model=tiny)(pd.DataFrame([{"qid": "q1", "query": " "}]))
    assert len(found) == 0


def test_a_copy_for_another_process_opens_the_index_itself(index: Path, tiny: SpladeModel) -> None:
    import pickle

    from splade_lucene.integrations.pyterrier import ImpactRetriever

    retriever = ImpactRetriever(index, num_results=3, model=tiny)
    found = retriever.search("flow past a wing")
    assert pickle.loads(pickle.dumps(retriever)).search("flow past a wing").equals(found)


def test_pyterrier_finds_what_adds_the_jar() -> None:
    entries = importlib.metadata.entry_points(group="pyterrier.java.init", name="splade_lucene")
    if not entries:
        pytest.skip("the package was installed before it had this entry point: run scripts/setup")
    from splade_lucene.integrations.pyterrier_java import AnseriniJar

    (entry,) = entries
    assert entry.load() is AnseriniJar


def python(code: str, *arguments: str) -> str:
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_jvm_that_pyterrier_starts_has_our_jar(index: Path) -> None:
    """Terrier's own jar comes from Maven and is left out; PyTerrier's initializer, which it is handed, does the rest."""
    out = python(
        """
        import sys
        import pyterrier as pt
        from splade_lucene.integrations.pyterrier_java import AnseriniJar

        class Entry:
            def __init__(self, kind): self.name, self.load = kind.__name__, lambda: kind

        class Core(pt.java.CoreJavaInit):
            def post_init(self, jnius): pass  # talks to classes of Terrier's jar

        pt.utils.entry_points = lambda group: [Entry(Core), Entry(AnseriniJar)]
        pt.java.set_memory_limit(700)
        pt.java.init()
        from splade_lucene.integrations.pyterrier import ImpactRetriever
        print(len(ImpactRetriever(sys.argv[1], num_results=3).search("flow past a wing")))
        import jnius
        print(jnius.autoclass("java.lang.Runtime").getRuntime().maxMemory() >> 20)
        """,
        str(index),
    )
    assert out.split() == ["3", "700"]


def test_terrier_after_our_own_jvm_is_refused_with_a_remedy(index: Path) -> None:
    out = python(
        """
        import sys
        import pyterrier as pt
        from splade_lucene.errors import JavaError
        from splade_lucene.integrations.pyterrier import ImpactRetriever
        from splade_lucene.integrations.pyterrier_java import AnseriniJar

        print(len(ImpactRetriever(sys.argv[1], num_results=3).search("flow past a wing")), pt.java.started())
        import jnius_config
        try:
            AnseriniJar().pre_init(jnius_config)
        except JavaError as error:
            print(error)
        """,
        str(index),
    )
    first, second = out.splitlines()
    assert first == "3 False"
    assert second.startswith("Java runs already, without Terrier: call pt.java.init() before the first ImpactRetriever is used")


def test_documents_come_by_their_best_passage(tmp_path: Path) -> None:
    from splade_lucene.integrations.pyterrier import ImpactRetriever

    vectors = [ImpactVector("a#0", {"t": 1}), ImpactVector("a#1", {"t": 3}), ImpactVector("b#0", {"t": 2}), ImpactVector("a#2", {"t": 2})]
    build_impact_index(write_vectors(tmp_path / "out", vectors), tmp_path / "index")
    retriever = ImpactRetriever(tmp_path / "index", max_passage=True)
    found = retriever.transform(pd.DataFrame([{"qid": "q", "query": "", "query_toks": {"t": 2}}]))
    assert list(zip(found["docno"], found["score"], found["rank"], strict=True)) == [("a", 6.0, 0), ("b", 4.0, 1)]
