"""Plain BERT in NumPy gives the impacts that torch gives, and a search for a handful of queries never imports torch."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from splade_lucene.collections.queries import read_queries
from splade_lucene.encoding.defaults import FEW_QUERIES
from splade_lucene.encoding.loading import find_model
from splade_lucene.encoding.model import SpladeModel
from splade_lucene.encoding.numpy_bert import NumpyModel, read_numpy_model
from splade_lucene.errors import ModelError
from splade_lucene.lucene.indexing import build_impact_index
from splade_lucene.pipeline.encode import encode_collection
from splade_lucene.pipeline.search import ImpactSearcher, search_queries
from splade_lucene.records import Passage, Query
from tests.effort import rounds

PASSAGES = [Passage(f"d{number}", f"The glass of pane {number} cracks under thermal stress.") for number in range(5)]


def differences(left: list[dict[str, int]], right: list[dict[str, int]]) -> list[int]:
    return [abs(one.get(token, 0) - other.get(token, 0)) for one, other in zip(left, right, strict=True) for token in one | other]


def loaded(name: str) -> NumpyModel:
    model = read_numpy_model(find_model(name))
    assert model is not None
    return model


def test_all_queries_of_a_collection_have_the_impacts_of_torch(tiny: SpladeModel, real_collection: Callable[[str], Path]) -> None:
    texts = [query.text for query in read_queries(real_collection("scifact"))]
    texts = texts[: rounds(len(texts), 100)]
    ours = loaded("tiny").encode_queries(texts, max_length=64, scale=100)
    found = differences(ours, tiny.encode_queries(texts, max_length=64))
    assert len(texts) >= rounds(300, 100) and max(found) <= 1 and sum(found) < 0.001 * len(found)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, tiny: SpladeModel) -> Path:
    """A folder of the shape of BERT-base, two layers of it, with random weights and the tokenizer of tiny."""
    import torch
    from transformers import BertConfig, BertForMaskedLM

    folder = tmp_path_factory.mktemp("base")
    torch.manual_seed(0)
    network = BertForMaskedLM(BertConfig(num_hidden_layers=2))
    torch.nn.init.normal_(network.cls.predictions.bias)
    network.save_pretrained(folder)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(find_model("tiny").folder / file, folder)
    return folder


TEXTS = ["what breaks glass?", "", "stress", "a much longer question about heat in the panes of a greenhouse " * 8, "Größe “naïve”"]


@pytest.mark.parametrize("max_length", [3, 24, 64])
def test_a_folder_of_the_size_of_bert_base_has_the_impacts_of_torch(base: Path, max_length: int) -> None:
    model, exact = loaded(str(base)), SpladeModel.load(str(base), device="cpu", precision="fp32")
    assert list(model.vocabulary) == list(exact.vocabulary)
    for top_k in (None, 20):
        ours = model.encode_queries(TEXTS, max_length=max_length, scale=100, top_k=top_k)
        found = differences(ours, exact.encode_queries(TEXTS, max_length=max_length, top_k=top_k))
        assert max(found) <= 1 and sum(found) < 0.001 * len(found)


@pytest.mark.parametrize("length", [2, 513])
def test_lengths_are_refused_as_by_the_model(tiny: SpladeModel, length: int) -> None:
    sentences = []
    for model in (loaded("tiny"), tiny):
        with pytest.raises(ModelError) as caught:
            model.check_length(length)
        sentences.append(str(caught.value))
    assert sentences[0] == sentences[1]


@pytest.mark.parametrize("change", ["activation", "half", "untied", "another tokenizer", "no config", "cut off"])
def test_what_is_not_plain_is_left_to_torch(base: Path, tmp_path: Path, change: str, random_model: Callable[[str], Path]) -> None:
    from safetensors.torch import load_file, save_file

    folder = Path(shutil.copytree(base, tmp_path / "changed"))
    weights, config = folder / "model.safetensors", json.loads((folder / "config.json").read_text())
    if change == "activation":
        (folder / "config.json").write_text(json.dumps(config | {"hidden_act": "relu"}))
    elif change == "half":
        save_file({name: tensor.half() for name, tensor in load_file(weights).items()}, weights)
    elif change == "untied":
        tensors = load_file(weights)
        save_file(tensors | {"cls.predictions.decoder.weight": tensors["bert.embeddings.word_embeddings.weight"] + 1}, weights)
    elif change == "another tokenizer":
        shutil.copy(random_model("roberta") / "tokenizer.json", folder)
    elif change == "no config":
        (folder / "config.json").unlink()
    else:
        weights.write_bytes(weights.read_bytes()[:-1000])
    assert read_numpy_model(find_model(str(base))._replace(folder=folder, weights=(weights,))) is None


@pytest.mark.parametrize(
    "setting", [{"pooling": "sum"}, {"activation": "log1p_relu"}, {"prompt": "query: "}, {"lower": True}, {"top_k": 9}], ids=str
)
def test_what_the_models_configuration_asks_for_is_left_to_torch(base: Path, setting: dict[str, Any]) -> None:
    files = find_model(str(base))
    assert read_numpy_model(files) is not None
    assert read_numpy_model(files._replace(**setting)) is None


def test_other_architectures_are_left_to_torch(random_model: Callable[[str], Path]) -> None:
    for family in ("distilbert", "roberta"):
        assert read_numpy_model(find_model(str(random_model(family)))) is None


@pytest.fixture(scope="module")
def index(tiny: SpladeModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("few")
    encode_collection(PASSAGES, folder / "vectors", tiny, max_length=32)
    build_impact_index(folder / "vectors", folder / "index")
    return folder / "index"


def test_many_queries_load_the_model_and_few_do_not(index: Path) -> None:
    few, many = ([Query(f"q{number}", f"glass number {number}") for number in range(count)] for count in (FEW_QUERIES, FEW_QUERIES + 1))
    with ImpactSearcher(index, device="cpu") as searcher:
        hits = search_queries(searcher, few, k=3).run
        assert searcher._lazy._loaded is None
        assert search_queries(searcher, many, k=3).run.keys() == {query.query_id for query in many}
        assert searcher._lazy._loaded is not None
        assert search_queries(searcher, few, k=3).run.keys() == hits.keys()


def test_a_search_for_a_query_does_not_import_torch_and_takes_one_thread_of_numpys(index: Path, tmp_path: Path) -> None:
    (tmp_path / "q.tsv").write_text("1\tthermal stress\n")
    script = f"""if True:
        import sys
        from splade_lucene.cli.main import main
        assert main(["search", {str(index)!r}, {str(tmp_path / "q.tsv")!r}, {str(tmp_path / "run.txt")!r}]) == 0
        assert not {{"torch", "transformers"}} & sys.modules.keys()
        import threadpoolctl  # comes with scikit-learn
        threads = [each["num_threads"] for each in threadpoolctl.threadpool_info() if each["internal_api"] == "openblas"]
        assert threads and set(threads) == {{1}}
    """
    subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[1], check=True)
    assert (tmp_path / "run.txt").read_text().count("\n") == len(PASSAGES)
