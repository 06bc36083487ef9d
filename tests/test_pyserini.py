"""Our encoders in stock Pyserini's place: the same impacts, and the same hits from its searcher and its command line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from splade_lucene.encoding.loading import find_model
from splade_lucene.encoding.model import SpladeModel
from splade_lucene.errors import InputError, ModelError
from splade_lucene.evaluation.runs import read_run
from splade_lucene.integrations.pyserini import IndexQueryEncoder, SpladeDocumentEncoder, SpladeQueryEncoder, main, write_encoded_queries
from splade_lucene.lucene.indexing import Engine, build_impact_index
from splade_lucene.pipeline.encode import encode_collection
from splade_lucene.pipeline.search import ImpactSearcher
from splade_lucene.records import Passage, Query
from tests.pages import FROM_PYSERINI, ROOT, blocks, imports_pyserini

PASSAGES = [
    Passage("glass", "Thermal stress breaks a pane that gets hotter on one side.", "Glass"),
    Passage("heat", "Heat makes a window crack if its parts expand differently."),
    Passage("lucene", "Lucene is a library for full-text search with an inverted index.", "Search"),
    Passage("sort", "Return the index where to insert an item in a sorted list."),
    Passage("unicode", "Größe, naïveté and “quotes” | pipes"),
]
# Its vector has no terms.
EMPTY = Passage("nothing", "")
ENGINES: tuple[Engine, ...] = ("lucene", "anserini")
QUERIES = [Query("1", "why does glass break"), Query("2", "search engine library"), Query("3", "insert an item – sorted")]
STOCK = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
# The page's program comes first, as it has to do without what the others import.
IN_PROCESS = """
import contextlib, io, json, sys
from tests.stock_pyserini import without_catalogue
without_catalogue()
with contextlib.redirect_stdout(io.StringIO()) as printed:
    exec(compile(sys.argv.pop(), "the page", "exec"), {"__name__": "__main__"})
from pyserini.encode import JsonlCollectionIterator, JsonlRepresentationWriter
from pyserini.encode import SpladeDocumentEncoder as StockDocumentEncoder, SpladeQueryEncoder as StockQueryEncoder
from pyserini.index.lucene import LuceneIndexReader
from pyserini.search.lucene import LuceneImpactSearcher
from splade_lucene.integrations.pyserini import IndexQueryEncoder, SpladeDocumentEncoder, SpladeQueryEncoder

folder, indexes, model, passages, queries = json.loads(sys.argv[1])
texts, titles = [text for _, text, *_ in passages], [title for _, _, title, *_ in passages]
found = {"documents": {}, "queries": {}, "hits": {}, "counts": {}, "page": printed.getvalue()}
for name, document, query in (
    ("stock", StockDocumentEncoder(model, device="cpu"), StockQueryEncoder(model)),
    ("ours", SpladeDocumentEncoder(model, device="cpu"), SpladeQueryEncoder(model)),
):
    found["documents"][name] = document.encode(texts, titles=titles, max_length=16)
    found["queries"][name] = [query.encode(text) for _, text in queries]
    # As pyserini.encode's command does it.
    writer = JsonlRepresentationWriter(f"{folder}/{name}")
    with writer:
        for batch in JsonlCollectionIterator(f"{folder}/corpus", ["title", "text"])(2, 0, 1):
            batch["vector"] = document.encode(
                texts=batch["text"], titles=batch["title"], fp16=False, max_length=256, add_sep=False)
            writer.write(batch, ["title", "text"])
for index in indexes:
    searcher = LuceneImpactSearcher(index, IndexQueryEncoder(index))
    found["hits"][index] = {query_id: [[hit.docid, hit.score] for hit in searcher.search(text, k=5)] for query_id, text in queries}
    found["counts"][index] = LuceneIndexReader(index).stats()["documents"]
print(json.dumps(found), flush=True)
# What `python -m pyserini.search.lucene` runs, with the Java that we found.
import runpy
sys.argv[1:] = json.loads(sys.argv[2])
runpy.run_module("pyserini.search.lucene", run_name="__main__")
"""


@pytest.fixture(scope="module")
def folder(tiny: SpladeModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pyserini")
    encode_collection(PASSAGES, folder / "out", tiny, max_length=32, query_max_length=16)
    build_impact_index(folder / "out", folder / "index")
    encode_collection([*PASSAGES, EMPTY], folder / "out-empty", tiny, max_length=32, query_max_length=16)
    for engine in ENGINES:
        build_impact_index(folder / "out-empty", folder / f"index-{engine}", engine=engine)
    (folder / "corpus").mkdir()
    lines = [json.dumps({"id": each.doc_id, "title": each.title, "text": each.text}) + "\n" for each in PASSAGES]
    (folder / "corpus" / "docs.jsonl").write_text("".join(lines))
    (folder / "queries.tsv").write_text("".join(f"{query_id}\t{text}\n" for query_id, text in QUERIES))
    return folder


@pytest.fixture(scope="module")
def stock(folder: Path) -> Any:
    """What stock Pyserini finds, with its encoders and ours, on the page and by its command, in one process: importing it takes long."""
    encoded, run = folder / "queries.jsonl", folder / "run"
    assert main([str(folder / "index"), str(folder / "queries.tsv"), str(encoded)]) == 0
    command = ["--index", folder / "index", "--topics", folder / "queries.tsv", "--encoder", encoded, "--impact", "--hits", "5"]
    # Pyserini 2 reads no safetensors: beside them the same weights in the form that it reads.
    model = folder / "model"
    shutil.copytree(find_model("tiny").folder, model)
    torch.save(load_file(model / "model.safetensors"), model / "pytorch_model.bin")
    indexes = [str(folder / name) for name in ("index", *(f"index-{engine}" for engine in ENGINES))]
    job = [str(folder), indexes, str(model), PASSAGES, QUERIES]
    (block,) = filter(imports_pyserini, blocks(FROM_PYSERINI))
    # Stock Pyserini hands relative paths, such as the page's, to Java, whose working directory is the one that it started in.
    (folder / "page").mkdir()
    (folder / "page" / "index-splade").symlink_to(folder / "index")
    child = subprocess.run(
        [sys.executable, "-c", IN_PROCESS, json.dumps(job), json.dumps([*map(str, command), "--output", str(run)]), block.code],
        cwd=folder / "page",
        capture_output=True,
        text=True,
        env=STOCK,
        timeout=600,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    return json.loads(next(line for line in child.stdout.splitlines() if line.startswith('{"documents": ')))


def same(ours: Mapping[str, int], theirs: Mapping[str, int]) -> bool:
    """The same tokens and impacts, but for zeros, which ours leave out, and halves, which float noise may round either way."""
    positive = {token: impact for token, impact in theirs.items() if impact}
    apart = {token: ours.get(token, 0) - positive.get(token, 0) for token in ours.keys() | positive.keys()}
    off = [difference for difference in apart.values() if difference]
    return bool(ours) and all(abs(difference) == 1 for difference in off) and len(off) <= len(ours) / 50


@pytest.mark.parametrize("kind", ["documents", "queries"])
def test_impacts_are_stock_pyserinis(kind: str, stock: Any) -> None:
    assert len(stock[kind]["ours"]) == len(stock[kind]["stock"]) >= 3
    for ours, theirs in zip(stock[kind]["ours"], stock[kind]["stock"], strict=True):
        assert same(ours, theirs)


def test_files_written_by_pyserinis_own_writer_agree(folder: Path, stock: Any) -> None:
    """Where passages have titles: for an empty title Pyserini's reader hands on None, and its encoder encodes the word “None”."""
    ours, theirs = (
        {line["id"]: line for line in map(json.loads, (folder / name / "embeddings.jsonl").read_text().splitlines())}
        for name in ("ours", "stock")
    )
    assert ours.keys() == theirs.keys() == {passage.doc_id for passage in PASSAGES}
    for doc_id, line in ours.items():
        assert line["contents"] == theirs[doc_id]["contents"]
    titled = [passage.doc_id for passage in PASSAGES if passage.title]
    for doc_id in titled:
        assert same(ours[doc_id]["vector"], theirs[doc_id]["vector"])
    untitled = [passage for passage in PASSAGES if not passage.title]
    bare = SpladeDocumentEncoder("tiny", device="cpu").encode([passage.text for passage in untitled], max_length=256)
    assert [ours[passage.doc_id]["vector"] for passage in untitled] == bare


def expected_hits(index: Path, tiny: SpladeModel, text: str) -> list[tuple[str, float]]:
    with ImpactSearcher(index, model=tiny) as searcher:
        impacts = IndexQueryEncoder(index).encode(text)
        # Pyserini drops the terms that every document has.
        everywhere = {term for term, count in searcher.document_frequencies(impacts).items() if count == searcher.card.documents}
        return [(hit.doc_id, hit.score) for hit in searcher.search_impacts({t: i for t, i in impacts.items() if t not in everywhere}, 5)]


@pytest.mark.parametrize(("name", "documents"), [("index", 5), *((f"index-{engine}", 6) for engine in ENGINES)])
def test_the_stock_searcher_with_our_encoder_returns_our_hits(
    name: str, documents: int, folder: Path, stock: Any, tiny: SpladeModel
) -> None:
    assert stock["counts"][str(folder / name)] == documents
    for query_id, text in QUERIES:
        # It writes ties a hair apart.
        hits = [(doc_id, float(round(score))) for doc_id, score in stock["hits"][str(folder / name)][query_id]]
        assert hits
        assert hits == expected_hits(folder / name, tiny, text)


def test_our_command_says_what_it_wrote(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(folder / "index"), str(folder / "queries.tsv"), str(tmp_path / "queries.jsonl")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'queries.jsonl'}: 3 queries\n"


def test_the_stock_command_takes_our_queries(folder: Path, stock: Any, tiny: SpladeModel) -> None:
    run = read_run(folder / "run")
    for query_id, text in QUERIES:
        assert [(hit.doc_id, float(round(hit.score))) for hit in run[query_id]] == expected_hits(folder / "index", tiny, text)


def test_the_program_of_the_page_prints_our_hits(folder: Path, stock: Any, tiny: SpladeModel) -> None:
    printed = [(doc_id, float(round(float(score)))) for doc_id, score in map(str.split, stock["page"].splitlines())]
    assert printed == expected_hits(folder / "index", tiny, "how do I insert into a sorted list")[:3]
    assert len(printed) == 3


def test_the_encoder_of_an_index_is_the_searchers(folder: Path, tiny: SpladeModel) -> None:
    text = QUERIES[0].text * 10
    assert IndexQueryEncoder(folder / "index").encode(text) == tiny.encode_queries([text], max_length=16)[0]


def test_prefix_lengths_and_scales(tiny: SpladeModel) -> None:
    encoder = SpladeDocumentEncoder("tiny", prefix="query:", weight_range=1, quant_range=100)
    assert encoder.encode(["glass"], titles=["stress"], max_length=8) == tiny.encode_documents(["stress query: glass"], max_length=8)
    query = SpladeQueryEncoder("tiny", max_length=4, weight_range=1, quant_range=100)
    assert query.encode("glass stress heat") == tiny.encode_queries(["glass stress"])[0]
    assert query.encode("glass stress heat", max_length=5) == tiny.encode_queries(["glass stress heat"])[0]


def test_what_cannot_be_done_is_refused(folder: Path, tmp_path: Path, tiny: SpladeModel, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ModelError, match="own tokenizer, not with bert-base-uncased"):
        SpladeQueryEncoder("tiny", "bert-base-uncased")
    encoder = SpladeDocumentEncoder("tiny")
    with pytest.raises(ModelError, match="fp16 is chosen when"):
        encoder.encode(["text"], fp16=True)
    with pytest.raises(ModelError, match="add_sep is not supported"):
        encoder.encode(["text"], add_sep=True)
    with pytest.raises(InputError, match=r"must end in \.jsonl"):
        write_encoded_queries(QUERIES, SpladeQueryEncoder("tiny"), tmp_path / "queries.txt")
    assert main([str(folder / "out"), str(folder / "queries.tsv"), str(tmp_path / "q.jsonl")]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
