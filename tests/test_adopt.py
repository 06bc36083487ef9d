"""Vectors and indexes of other makers: adopted, checked against the model, and used by every command; wrong ones are refused."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from splade_lucene.cli.main import main
from splade_lucene.encoding.model import SpladeModel
from splade_lucene.lucene.anserini import index_collection
from splade_lucene.lucene.card import read_card
from splade_lucene.pipeline.search import ImpactSearcher
from splade_lucene.vectors.manifest import read_manifest
from splade_lucene.vectors.reader import read_vectors
from tests.oracle import brute_force

TEXTS = {
    "glass": "Thermal stress breaks a glass pane.",
    "heat": "Heat flows from the hot to the cold side of a wall.",
    "law": "A court decides what the law says of glass and of heat.",
}


def write(folder: Path, vectors: Sequence[dict[str, Any]], *, contents: bool = True, packed: bool = False) -> Path:
    folder.mkdir(parents=True)
    lines = []
    for (doc_id, text), vector in zip(TEXTS.items(), vectors, strict=True):
        lines.append(json.dumps({"id": doc_id, **({"contents": text} if contents else {}), "vector": vector}) + "\n")
    data = "".join(lines).encode()
    (folder / ("docs00.jsonl.gz" if packed else "docs00.jsonl")).write_bytes(gzip.compress(data) if packed else data)
    return folder


def pyserini_impacts(tiny: SpladeModel) -> list[dict[str, Any]]:
    """As Pyserini's encoder quantizes: round(weight / 5 × 256)."""
    weights = tiny.document_weights(TEXTS.values())
    return [{token: impact for token, weight in bag.items() if (impact := round(weight * 51.2))} for bag in weights]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("contents", [False, True])
def test_vectors_of_anserini_are_adopted_and_searched(tiny: SpladeModel, tmp_path: Path, packed: bool, contents: bool) -> None:
    impacts = pyserini_impacts(tiny)
    source = write(tmp_path / "theirs", impacts, contents=contents, packed=packed)
    arguments = ["--model", "tiny", "--scale", "51.2", "--query-max-length", "32", "--device", "cpu"]
    assert main(["adopt", str(source), "--output", str(tmp_path / "out"), *arguments]) == 0
    manifest = read_manifest(tmp_path / "out")
    assert manifest is not None and manifest.complete
    assert manifest.encoder.origin == f"adopted from {source}" and manifest.encoder.scale == 51.2
    assert manifest.settings.contents == contents and manifest.settings.max_length is None
    vectors = list(read_vectors(tmp_path / "out"))
    assert [dict(vector.vector) for vector in vectors] == impacts
    assert main(["index", str(tmp_path / "out"), str(tmp_path / "index")]) == 0
    with ImpactSearcher(tmp_path / "index", model=tiny) as searcher:
        (query,) = tiny.encode_queries(["why does glass break"], max_length=32, scale=51.2)
        assert searcher.search("why does glass break") == brute_force(vectors, query, 10)


def test_floats_are_quantized_and_counted(tiny: SpladeModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = tiny.document_weights(TEXTS.values())
    source = write(tmp_path / "theirs", weights)
    assert main(["adopt", str(source), "--output", str(tmp_path / "out"), "--model", "tiny", "--device", "cpu"]) == 0
    assert f"{sum(map(len, weights)):,} weights were floats and became impacts with the scale 100" in capsys.readouterr().err
    assert [dict(vector.vector) for vector in read_vectors(tmp_path / "out")] == tiny.encode_documents(TEXTS.values())


def test_whole_numbers_written_as_floats_are_impacts(tiny: SpladeModel, tmp_path: Path) -> None:
    impacts = tiny.encode_documents(TEXTS.values())
    source = write(tmp_path / "theirs", [{token: float(impact) for token, impact in bag.items()} for bag in impacts])
    assert main(["adopt", str(source), "--output", str(tmp_path / "out"), "--model", "tiny", "--scale", "100", "--device", "cpu"]) == 0
    assert [dict(vector.vector) for vector in read_vectors(tmp_path / "out")] == impacts


def test_a_table_for_queries_can_be_named_when_vectors_are_adopted(tiny: SpladeModel, tmp_path: Path) -> None:
    source = write(tmp_path / "theirs", tiny.encode_documents(TEXTS.values()))
    options = ["--model", "tiny", "--query-model", "idf", "--device", "cpu"]
    assert main(["adopt", str(source), "--output", str(tmp_path / "out"), *options]) == 0
    assert main(["index", str(tmp_path / "out"), str(tmp_path / "index")]) == 0
    with ImpactSearcher(tmp_path / "index") as searcher:
        assert searcher.search("glass pane")[0].doc_id == "glass"


@pytest.mark.parametrize("contents", [False, True])
def test_a_wrong_scale_is_noticed(tiny: SpladeModel, tmp_path: Path, contents: bool, capsys: pytest.CaptureFixture[str]) -> None:
    source = write(tmp_path / "theirs", pyserini_impacts(tiny), contents=contents)
    scale = "100" if contents else "2000"  # without texts only what no weight can be is noticed
    assert main(["adopt", str(source), "--output", str(tmp_path / "out"), "--model", "tiny", "--scale", scale, "--device", "cpu"]) == 1
    error = capsys.readouterr().err
    assert ("times the model's weights, not 100 times; give --scale 51" if contents else "with the scale 2000, where models give") in error
    assert not (tmp_path / "out").exists()


def test_tokens_that_are_not_the_models_are_noticed(tiny: SpladeModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = [{f"Ġ{token}": impact for token, impact in bag.items()} for bag in tiny.encode_documents(TEXTS.values())]
    source = write(tmp_path / "theirs", other, contents=False)
    assert main(["adopt", str(source), "--output", str(tmp_path / "out"), "--model", "tiny", "--device", "cpu"]) == 1
    assert "tokens that the model's tokenizer does not have, such as 'Ġ" in capsys.readouterr().err


def test_few_unknown_tokens_are_counted(tiny: SpladeModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vectors = [{**bag, "Ġodd": 7} for bag in tiny.encode_documents(TEXTS.values())]
    source = write(tmp_path / "theirs", vectors, contents=False)
    assert main(["adopt", str(source), "--output", str(tmp_path / "out"), "--model", "tiny", "--device", "cpu"]) == 0
    assert "1 tokens are not the model's; no query can have them" in capsys.readouterr().err


def test_an_impact_index_of_anserini_gets_a_card(tiny: SpladeModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    impacts = tiny.encode_documents(TEXTS.values())
    source = write(tmp_path / "theirs", impacts)
    index = tmp_path / "index"
    index_collection(collection="JsonVectorCollection", input=source, index=index, threads=1, impact=True, store_raw=True, optimize=True)
    arguments = ["adopt", str(index), "--model", "tiny", "--device", "cpu"]
    with pytest.raises(SystemExit):
        main([*arguments, "--overwrite"])
    assert "--output and --overwrite are for vectors" in capsys.readouterr().err
    assert main([*arguments, "--scale", "51.2"]) == 1
    assert "times the model's weights, not 51.2 times; give --scale 100" in capsys.readouterr().err
    assert main(arguments) == 0
    card = read_card(index)
    assert card.documents == 3 and card.encoder is not None and card.encoder.origin == f"adopted from {index}"
    (tmp_path / "q.tsv").write_text("q1\twhy does glass break\n")
    assert main(["search", str(index), str(tmp_path / "q.tsv"), str(tmp_path / "run.trec"), "--device", "cpu"]) == 0
    (query,) = tiny.encode_queries(["why does glass break"])
    scores = [round(float(line.split()[4])) for line in (tmp_path / "run.trec").read_text().splitlines()]
    expected = [sum(query[token] * bag[token] for token in query.keys() & bag.keys()) for bag in impacts]
    assert scores == sorted((score for score in expected if score), reverse=True)
    capsys.readouterr()
    assert main(arguments) == 1
    assert "has a card already" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "reason"), [("empty", "holds no vectors"), ("none", "holds no vectors")])
def test_what_holds_no_vectors_is_refused(tmp_path: Path, name: str, reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    assert main(["adopt", str(tmp_path / name), "--output", str(tmp_path / "out"), "--model", "tiny"]) == 1
    assert reason in capsys.readouterr().err


def test_queries_are_cut_where_the_model_ends(random_model: Callable[[str], Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(random_model("bert"), tmp_path / "model"))
    modules = [("", "base.modules.transformer.Transformer"), ("pooling", "sparse_encoder.modules.splade_pooling.SpladePooling")]
    listed = [
        {"idx": at, "name": str(at), "path": path, "type": f"sentence_transformers.{kind}"} for at, (path, kind) in enumerate(modules)
    ]
    (folder / "pooling").mkdir()
    files = {
        "modules.json": listed,
        "pooling/config.json": {"pooling_strategy": "max", "activation_function": "relu"},
        "sentence_bert_config.json": {"max_seq_length": 4096, "transformer_task": "fill-mask"},
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    model = SpladeModel.load(folder, device="cpu")
    assert model.lengths.queries == 320  # its positions
    source = write(tmp_path / "theirs", model.encode_documents(TEXTS.values()))
    arguments = ["adopt", str(source), "--output", str(tmp_path / "out"), "--model", str(folder), "--device", "cpu"]
    assert main(arguments) == 0
    manifest = read_manifest(tmp_path / "out")
    assert manifest is not None
    assert manifest.encoder.query_max_length == 320


def test_a_query_model_of_another_vocabulary_or_a_length_that_no_model_reads_is_refused(
    tiny: SpladeModel, random_model: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write(tmp_path / "theirs", tiny.encode_documents(TEXTS.values()))
    arguments = ["adopt", str(source), "--output", str(tmp_path / "out"), "--model", "tiny", "--device", "cpu"]
    assert main([*arguments, "--query-model", str(random_model("bert"))]) == 1
    assert "have different vocabularies" in capsys.readouterr().err
    assert main([*arguments, "--query-max-length", "513"]) == 1
    assert "the maximum length 513 is not between 3 and the 512 tokens that tiny reads" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
