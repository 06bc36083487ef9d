"""The record of an encoder: what manifests, cards, runs and results say of both sides, today and in files from before."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from splade_lucene.cli.main import main
from splade_lucene.encoding.loading import find_model
from splade_lucene.encoding.model import SpladeModel
from splade_lucene.errors import IndexMismatchError
from splade_lucene.evaluation.results import read_results, write_results
from splade_lucene.lucene.card import read_card
from splade_lucene.lucene.indexing import build_impact_index
from splade_lucene.lucene.updating import update_impact_index
from splade_lucene.pipeline.encode import encode_collection
from splade_lucene.pipeline.search import ImpactSearcher, search_queries
from splade_lucene.records import FIRST_KERNELS, EncoderRecord, EncoderSide, Passage, Query
from splade_lucene.vectors.idf import idf_impacts
from splade_lucene.vectors.manifest import read_manifest
from splade_lucene.vectors.reader import read_vectors
from tests.evaluation_sample import write_sample
from tests.oracle import brute_force

# As version 0.1 wrote it into manifests and cards of vectors of `tiny`.
OLD: dict[str, Any] = {
    "model": "tiny",
    "revision": None,
    "weights_sha256": "96e1dd8dbbc82439cf50677a15bcb9141172b289d20b41c9c28b621a0451a02a",
    "tokenizer_sha256": "91f1def9b9391fdabe028cd3f3fcc4efd34e5d1f08c3bf2de513ebb5911a1854",
    "query_max_length": 16,
    "scale": 100,
    "precision": "fp32",
}
PASSAGES = [
    Passage("glass", "Thermal stress breaks a glass pane."),
    Passage("heat", "Heat flows from the hot to the cold pane."),
    Passage("empty", ""),
    Passage("law", "A court decides what the law says of glass and of heat."),
]
QUERIES = [Query("q1", "why does glass break"), Query("q2", "the law of heat"), Query("q3", "glass")]


def rewrite(file: Path, encoder: object) -> None:
    data = json.loads(file.read_text())
    file.write_text(json.dumps({**data, "encoder": encoder}))


@pytest.fixture(scope="module")
def made(tiny: SpladeModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    encode_collection(PASSAGES, folder / "out", tiny, query_max_length=16)
    build_impact_index(folder / "out", folder / "index")
    return folder


def test_a_record_is_read_as_it_was_written(tiny: SpladeModel) -> None:
    record = replace(tiny.record(query_max_length=16), kernels=FIRST_KERNELS)
    assert EncoderRecord.from_json(json.loads(json.dumps(record.to_json()))) == record == EncoderRecord.from_json(OLD)


@pytest.mark.parametrize("change", [{"bits": 8}, {"document": None}], ids=str)
def test_a_record_with_something_unknown_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises((TypeError, KeyError)):
        EncoderRecord.from_json({**OLD, **change})


def test_vectors_and_indexes_from_before_there_were_two_sides_still_work(made: Path, tiny: SpladeModel, tmp_path: Path) -> None:
    old = Path(shutil.copytree(made, tmp_path / "old"))
    rewrite(old / "out" / "manifest.json", OLD)
    rewrite(old / "index" / "splade_lucene.json", OLD)
    encode_collection(PASSAGES, old / "out", tiny, query_max_length=16)  # resumes, and finds everything there
    build_impact_index(old / "out", old / "again")
    update_impact_index(old / "index", delete=_lines(tmp_path / "gone", "heat"))
    for index, model in (("index", None), ("again", tiny)):
        with ImpactSearcher(old / index, model=model) as searcher, ImpactSearcher(made / "index", model=tiny) as today:
            assert searcher.search(QUERIES[2].text) == today.search(QUERIES[2].text)
            assert searcher.encoder_record == replace(today.encoder_record, kernels=FIRST_KERNELS)
    assert read_card(old / "index").encoder == EncoderRecord.from_json(OLD)


def _lines(file: Path, *lines: str) -> Path:
    file.write_text("".join(f"{line}\n" for line in lines))
    return file


def test_results_from_before_are_read(tmp_path: Path) -> None:
    results = write_sample(tmp_path)
    write_results(tmp_path, results)
    assert read_results(tmp_path) == results
    data = json.loads((tmp_path / "results.json").read_text())
    for system in data["systems"]:
        system["encoder"] = OLD if system["kind"] == "impact" else {}
    (tmp_path / "results.json").write_text(json.dumps(data))
    again = read_results(tmp_path)
    assert [system.encoder for system in again.systems] == [None, EncoderRecord.from_json(OLD), None]


@pytest.fixture(scope="module")
def free(tiny: SpladeModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`tiny` with a table of token weights for queries, as OpenSearch publishes them."""
    folder = tmp_path_factory.mktemp("free") / "model"
    shutil.copytree(find_model("tiny").folder, folder, ignore=shutil.ignore_patterns("*.pt"))
    weights = {token: 1 + len(token) / 8 for token in tiny.vocabulary if not token.startswith("[")}
    (folder / "idf.json").write_text(json.dumps(weights), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def index(free: Path) -> Path:
    model = SpladeModel.load(free, device="cpu")
    encode_collection(PASSAGES, free.parent / "out", model)
    build_impact_index(free.parent / "out", free.parent / "index")
    return free.parent / "index"


def test_an_index_names_both_sides_and_searches_with_that_of_queries(index: Path, free: Path) -> None:
    model = SpladeModel.load(free, device="cpu")
    vectors = list(read_vectors(index.parent / "out"))
    record = read_card(index).encoder
    assert record == model.record() and record is not None
    assert (record.document.kind, record.query.kind, record.model) == ("mlm", "static", str(free))
    for loaded in (None, model):
        with ImpactSearcher(index, model=loaded) as searcher:
            for query in QUERIES:
                (impacts,) = model.encode_queries([query.text])
                assert searcher.search(query.text) == brute_force(vectors, impacts, 10)
            notes = search_queries(searcher, QUERIES, threads=2).notes
            assert EncoderRecord.from_json(notes["encoder"]) == record


def test_another_encoder_of_passages_or_queries_is_refused(index: Path, free: Path, tiny: SpladeModel, tmp_path: Path) -> None:
    with ImpactSearcher(index, model=tiny) as searcher:  # its passages' side is the same
        assert searcher.search("glass")
    other = Path(shutil.copytree(index, tmp_path / "index"))
    card = json.loads((other / "splade_lucene.json").read_text())
    for side, key in (("document", "pooling"), ("query", "weights_sha256"), ("query", "prompt")):
        changed = {**card["encoder"], side: {**card["encoder"][side], key: "sum"}}
        rewrite(other / "splade_lucene.json", changed)
        with pytest.raises(IndexMismatchError, match=rf"was made with the model .* \({key} '?sum"):
            ImpactSearcher(other, model=SpladeModel.load(free, device="cpu"))


def test_searching_with_a_table_imports_neither_torch_nor_transformers(index: Path, tmp_path: Path) -> None:
    (tmp_path / "queries.tsv").write_text("".join(f"{query.query_id}\t{query.text}\n" for query in QUERIES))
    code = (
        "import sys; from splade_lucene.cli.main import main\n"
        f"status = main(['search', {str(index)!r}, {str(tmp_path / 'queries.tsv')!r}, {str(tmp_path / 'run.trec')!r}, '--threads', '2'])\n"
        "print(status, *(name for name in ('torch', 'transformers') if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0"
    assert len((tmp_path / "run.trec").read_text().splitlines()) > 3


def test_the_query_model_idf_is_made_of_the_index_and_kept_in_its_card(tiny: SpladeModel, tmp_path: Path) -> None:
    model = SpladeModel.load("tiny", query_model="idf", device="cpu")
    encode_collection(PASSAGES, tmp_path / "out", model)
    build_impact_index(tmp_path / "out", tmp_path / "index")
    vectors = [vector for vector in read_vectors(tmp_path / "out") if vector.vector]
    frequencies = {token: sum(token in each.vector for each in vectors) for vector in vectors for token in vector.vector}
    expected = idf_impacts(frequencies, len(vectors), 100)
    card = read_card(tmp_path / "index")
    assert card.query_table() == expected
    words = [token for token in dict.fromkeys(["why", "does", "glass", "break"]) if token in expected]
    with ImpactSearcher(tmp_path / "index") as searcher:
        impacts = searcher.query_encoder().encode_queries(["Why does glass break? Glass!"])[0]
        assert {token: impacts[token] for token in words} == {token: expected[token] for token in words}
        assert searcher.search("why does glass break") == brute_force(vectors, {token: expected[token] for token in words}, 10)
    # The table follows the index.
    update_impact_index(tmp_path / "index", delete=_lines(tmp_path / "gone", "heat"), optimize=False)
    left = [vector for vector in vectors if vector.doc_id != "heat"]
    frequencies = {token: sum(token in each.vector for each in left) for vector in left for token in vector.vector}
    assert read_card(tmp_path / "index").query_table() == idf_impacts(frequencies, len(left), 100)


def test_export_writes_queries_of_the_right_side(index: Path, free: Path, tmp_path: Path) -> None:
    (tmp_path / "queries.tsv").write_text("q1\tglass\n")
    model = SpladeModel.load(free, device="cpu")
    for name, out, expected in (("table", index.parent / "out", model.encode_queries(["glass"])[0]),):
        folder = tmp_path / name
        assert main(["export", str(out), "--to", "qdrant", "--output", str(folder), "--queries", str(tmp_path / "queries.tsv")]) == 0
        body = json.loads((folder / "queries.jsonl").read_text())["body"]
        assert sorted(_values(body)) == sorted(expected.values())
        assert json.loads((folder / "export.json").read_text())["encoder"]["query"]["kind"] == "static"


def _values(body: Any) -> list[float]:
    if isinstance(body, dict):
        return body["values"] if "values" in body else [value for each in body.values() for value in _values(each)]
    return [value for each in body for value in _values(each)] if isinstance(body, list) else []


def test_export_knows_the_table_of_idf_without_an_index(tmp_path: Path) -> None:
    model = SpladeModel.load("tiny", query_model="idf", device="cpu")
    encode_collection(PASSAGES, tmp_path / "out", model)
    build_impact_index(tmp_path / "out", tmp_path / "index")
    (tmp_path / "queries.tsv").write_text("q1\tglass\n")
    arguments = ["--to", "qdrant", "--output", str(tmp_path / "x"), "--queries", str(tmp_path / "queries.tsv")]
    assert main(["export", str(tmp_path / "out"), *arguments]) == 0
    table = read_card(tmp_path / "index").query_table()
    assert table is not None
    assert _values(json.loads((tmp_path / "x" / "queries.jsonl").read_text())["body"]) == [table["glass"]]


def test_manifests_name_both_sides_from_every_worker(free: Path, tmp_path: Path) -> None:
    (tmp_path / "c.tsv").write_text("".join(f"{passage.doc_id}\t{passage.text}\n" for passage in PASSAGES if passage.text))
    outs = []
    for workers in ("1", "2"):
        out = tmp_path / f"out{workers}"
        arguments = ["--model", "tiny", "--query-model", str(free), "--workers", workers, "--device", "cpu"]
        assert main(["encode", str(tmp_path / "c.tsv"), str(out), *arguments]) == 0
        outs.append(read_manifest(out))
    assert outs[0] == outs[1] and outs[0] is not None
    assert outs[0].encoder.model == f"tiny + {free}"
    assert isinstance(outs[0].encoder.query, EncoderSide) and outs[0].encoder.query.kind == "static"


@pytest.mark.usefixtures("random_model")
def test_idf_has_no_weights_before_there_is_an_index(random_model: Callable[[str], Path]) -> None:
    from splade_lucene.errors import ModelError

    model = SpladeModel.load(random_model("bert"), query_model="idf", device="cpu")
    with pytest.raises(ModelError, match="the weights of the query model idf are those of an index"):
        model.encode_queries(["a word"])
    with pytest.raises(ModelError, match="leave --query-revision out"):
        SpladeModel.load(random_model("bert"), query_model="idf", query_revision="x", device="cpu")


def test_beir_s_table_names_the_other_query_model_and_needs_no_bm25(tiny: SpladeModel) -> None:
    from splade_lucene.experiment.systems import SpladeSettings, plan_systems

    free = SpladeModel.load("tiny", query_model="idf", device="cpu")
    labels = [plan_systems(["splade"], [model], SpladeSettings(None, None, 100)).all[0].label for model in (tiny, free)]
    assert labels == ["SPLADE tiny", "SPLADE tiny, queries idf"]
    assert plan_systems(["splade"], [tiny], SpladeSettings(None, None, 100)).baseline == "splade-tiny"
    assert plan_systems(["splade", "bm25-flat"], [tiny], SpladeSettings(None, None, 100)).baseline == "bm25-flat"
