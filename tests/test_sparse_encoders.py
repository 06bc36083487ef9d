"""Every published layout of sparse encoders gives the numbers of the library that wrote it, or is refused by file, key and value."""

from __future__ import annotations

import json
import pickle
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SparseEncoder
from sentence_transformers.base.modules import Router, Transformer
from sentence_transformers.sparse_encoder.modules import SparseStaticEmbedding, SpladePooling
from transformers import AutoTokenizer

from splade_lucene.encoding.loading import find_model
from splade_lucene.encoding.model import SpladeModel
from splade_lucene.errors import IndexMismatchError, ModelError
from splade_lucene.pipeline.query_encoder import bind_encoder
from splade_lucene.records import EncoderRecord

TEXTS = ["a word", "", "Wrap a single paragraph of text, returning a list of wrapped lines. " * 9, "text, text and a WORD of text"]
Folder = Callable[[str], Path]


def oracle(folder: Path, texts: list[str] = TEXTS) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    """What sentence-transformers makes of texts as documents and as queries."""
    library = SparseEncoder(str(folder), device="cpu", local_files_only=True)
    tokens = {entry: token for token, entry in library.tokenizer.get_vocab().items()}

    def bags(encoded: Any) -> list[dict[str, float]]:
        return [{tokens[entry]: float(row[entry]) for entry in row.nonzero().flatten().tolist() if entry in tokens} for row in encoded]

    options: dict[str, Any] = {"convert_to_sparse_tensor": False}
    return bags(library.encode_document(texts, **options)), bags(library.encode_query(texts, **options))


def check(folder: Path, model: SpladeModel | None = None) -> SpladeModel:
    """Holds both sides of a folder to the library: floats within 1e-4, impacts equal but for halves."""
    model = model or SpladeModel.load(folder, device="cpu")
    documents, queries = oracle(folder)
    for ours, impacts, theirs in (
        (model.document_weights(TEXTS), model.encode_documents(TEXTS), documents),
        (model.query_weights(TEXTS), model.encode_queries(TEXTS), queries),
    ):
        assert any(theirs)
        for bag, rounded, expected in zip(ours, impacts, theirs, strict=True):
            assert all(abs(bag.get(token, 0) - expected.get(token, 0)) < 1e-4 for token in bag.keys() | expected.keys())
            for token in rounded.keys() | expected.keys():
                exact = expected.get(token, 0) * 100
                assert rounded.get(token, 0) == round(exact) or abs(exact % 1 - 0.5) < 0.02
    return model


def transformer(folder: Path) -> Any:
    return Transformer(str(folder), transformer_task="fill-mask")


def save(folder: Path, modules: list[Any], **options: Any) -> Path:
    encoder = SparseEncoder(modules=modules, device="cpu", **options)
    encoder.save(str(folder), create_model_card=False)
    return folder


@pytest.fixture(scope="session")
def plain(random_model: Folder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("plain") / "model", [transformer(random_model("bert")), SpladePooling("max")])


@pytest.fixture
def copy(plain: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(plain, tmp_path / "copy"))


def table(folder: Path) -> tuple[Any, torch.Tensor]:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    torch.manual_seed(1)
    return tokenizer, torch.rand(len(tokenizer.get_vocab())) * 3


@pytest.fixture(scope="session")
def free(random_model: Folder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose queries are looked up in a table."""
    tokenizer, weight = table(random_model("bert"))
    modules = Router.for_query_document(
        query_modules=[SparseStaticEmbedding(tokenizer, weight=weight)],
        document_modules=[transformer(random_model("bert")), SpladePooling("max", activation_function="log1p_relu")],
    )
    return save(tmp_path_factory.mktemp("free") / "model", [modules])


def edit(file: Path, change: Mapping[str, Any]) -> None:
    old = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    file.write_text(json.dumps({**old, **change}), encoding="utf-8")


def refusal(folder: Path, **options: Any) -> str:
    with pytest.raises(ModelError) as refused:
        SpladeModel.load(folder, device="cpu", **options)
    message = str(refused.value)
    assert "\n" not in message and not re.search(r"[.!?]\s+[A-Z]", message), f"not one sentence: {message}"
    return message


@pytest.mark.parametrize("family", ["bert", "distilbert", "modernbert"])
@pytest.mark.parametrize("activation", ["relu", "log1p_relu"])
@pytest.mark.parametrize("strategy", ["max", "sum"])
def test_pooling_and_activation_are_obeyed(random_model: Folder, tmp_path: Path, strategy: Any, activation: Any, family: str) -> None:
    modules = [transformer(random_model(family)), SpladePooling(strategy, activation_function=activation)]
    model = check(save(tmp_path / "model", modules))
    side = model.record().document
    assert (side.pooling, side.activation, model.record().query) == (strategy, activation, side)


def test_prompts_are_put_before_texts(random_model: Folder, tmp_path: Path) -> None:
    prompts = {"query": "a query: ", "document": "lines of text: "}
    modules = [transformer(random_model("bert")), SpladePooling("max")]
    model = check(save(tmp_path / "model", modules, prompts=prompts, default_prompt_name="query"))
    assert (model.record().query.prompt, model.record().document.prompt) == ("a query: ", "lines of text: ")
    reading = model.read_words("a word of text")
    assert [(word.start, word.end) for word in reading.words] == [(0, 1), (2, 6), (7, 9), (10, 14)]


def test_a_prompt_of_another_name_is_what_the_library_makes_of_it(copy: Path) -> None:
    edit(copy / "config_sentence_transformers.json", {"prompts": {"passage": "a passage: ", "query": None}})
    check(copy)


@pytest.mark.usefixtures("tiny")
def test_the_number_of_active_dimensions_is_obeyed(tmp_path: Path) -> None:
    folder = save(tmp_path / "model", [transformer(find_model("tiny").folder), SpladePooling("max")], max_active_dims=7)
    model = check(folder)
    assert {len(bag) for bag in model.document_weights(TEXTS[2:])} == {7}
    record = model.record()
    assert (record.document.max_active_dims, record.query.max_active_dims) == (7, 7)
    assert EncoderRecord.from_json(json.loads(json.dumps(record.to_json()))) == record
    edit(folder / "config_sentence_transformers.json", {"max_active_dims": 8})
    with pytest.raises(IndexMismatchError, match=r"max_active_dims 7\), not with .* \(8\)"):
        bind_encoder(record, "an index")


def test_lengths_are_those_of_the_configuration(copy: Path) -> None:
    edit(copy / "sentence_bert_config.json", {"max_seq_length": 12})
    model = check(copy)
    assert model.lengths == (12, 12)
    assert model.record().query_max_length == 12
    assert SpladeModel.load(copy, query_model="idf", device="cpu").record().query_max_length == 12


def test_queries_and_passages_have_lengths_of_their_own(copy: Path) -> None:
    edit(copy / "sentence_bert_config.json", {"max_seq_length": 20, "query_length": 6, "document_length": 9})
    model = check(copy)
    assert model.lengths == (9, 6)
    assert SpladeModel.load(copy, query_model="idf", device="cpu").record().query_max_length == 6
    edit(copy / "sentence_bert_config.json", {"document_length": None})
    assert check(copy).lengths == (20, 6)
    edit(copy / "sentence_bert_config.json", {"query_length": "6"})
    assert "says query_length = '6'" in refusal(copy)
    edit(copy / "sentence_bert_config.json", {"query_length": 6, "query_expansion": {"length": 9}})
    assert "says query_expansion = {'length': 9}" in refusal(copy)


def test_without_a_length_of_its_own_the_tokenizers_counts(copy: Path) -> None:
    edit(copy / "tokenizer_config.json", {"model_max_length": 17})
    assert check(copy).lengths == (17, 17)


OLD = "sentence_transformers"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (f"{OLD}.sparse_encoder.models.MLMTransformer.MLMTransformer", f"{OLD}.sparse_encoder.models.SpladePooling.SpladePooling"),
        (f"{OLD}.sparse_encoder.models.MLMTransformer", f"{OLD}.sparse_encoder.models.SpladePooling"),
    ],
)
def test_the_layout_of_version_5_loads(copy: Path, first: str, second: str) -> None:
    modules = [{"idx": 0, "name": "0", "path": "", "type": first}, {"idx": 1, "name": "1", "path": "1_SpladePooling", "type": second}]
    (copy / "modules.json").write_text(json.dumps(modules))
    (copy / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 20, "do_lower_case": False}))
    pooling = {"pooling_strategy": "sum", "activation_function": "relu", "word_embedding_dimension": None}
    (copy / "1_SpladePooling" / "config.json").write_text(json.dumps(pooling))
    try:
        model = check(copy)
    except (ImportError, AttributeError):  # the library no longer finds the longer path itself
        model = SpladeModel.load(copy, device="cpu")
    assert (model.lengths, model.record().document.pooling) == ((20, 20), "sum")


def test_modules_in_subfolders_load(copy: Path) -> None:
    (copy / "0_Transformer").mkdir()
    for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "sentence_bert_config.json"):
        (copy / name).rename(copy / "0_Transformer" / name)
    modules = json.loads((copy / "modules.json").read_text())
    modules[0]["path"] = "0_Transformer"
    (copy / "modules.json").write_text(json.dumps(modules))
    model = SpladeModel.load(copy, device="cpu")
    assert model.document_weights(TEXTS) == SpladeModel.load(copy / "0_Transformer", device="cpu").document_weights(TEXTS, max_length=320)


def test_a_router_with_a_table_encodes_each_side_by_its_route(free: Path) -> None:
    model = check(free)
    record = model.record()
    assert (record.document.kind, record.query.kind, record.document.activation) == ("mlm", "static", "log1p_relu")
    assert record.document.weights_sha256 != record.query.weights_sha256


def test_a_router_with_two_networks_encodes_each_side_by_its_route(random_model: Folder, tmp_path: Path) -> None:
    other = Path(shutil.copytree(random_model("bert"), tmp_path / "other"))
    weights = load_file(other / "model.safetensors")
    save_file({name: tensor * 1.1 for name, tensor in weights.items()}, other / "model.safetensors", metadata={"format": "pt"})
    modules = Router.for_query_document(
        query_modules=[transformer(other), SpladePooling("max")],
        document_modules=[transformer(random_model("bert")), SpladePooling("sum")],
    )
    model = check(save(tmp_path / "model", [modules]))
    assert (model.record().query.pooling, model.record().document.pooling) == ("max", "sum")
    assert model.encode_queries(TEXTS) != model.encode_documents(TEXTS)


@pytest.mark.parametrize("old", [False, True], ids=["today's names", "names of version 5"])
def test_one_route_may_lie_at_the_root(free: Path, tmp_path: Path, old: bool) -> None:
    """As in OpenSearch's repositories, from which transformers alone can load the encoder of passages."""
    folder = Path(shutil.copytree(free, tmp_path / "model"))
    for file in (folder / "document_0_Transformer").iterdir():
        file.rename(folder / file.name)
    (folder / "document_0_Transformer").rmdir()
    router = json.loads((folder / "router_config.json").read_text())
    router["types"][""] = router["types"].pop("document_0_Transformer")
    router["structure"]["document"][0] = ""
    if old:
        router["types"][""] = f"{OLD}.sparse_encoder.models.MLMTransformer"
        router["types"]["query_0_SparseStaticEmbedding"] = f"{OLD}.sparse_encoder.models.SparseStaticEmbedding"
        modules = [{"idx": 0, "name": "0", "path": "", "type": f"{OLD}.models.Router"}]
        (folder / "modules.json").write_text(json.dumps(modules))
        (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 320, "do_lower_case": False}))
    (folder / "router_config.json").write_text(json.dumps(router))
    ours, theirs = check(folder), SpladeModel.load(free, device="cpu")
    assert (ours.encode_documents(TEXTS), ours.encode_queries(TEXTS)) == (theirs.encode_documents(TEXTS), theirs.encode_queries(TEXTS))


def test_a_router_of_an_older_repository_is_read_from_config_json(free: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(free, tmp_path / "model"))
    (folder / "router_config.json").rename(folder / "config.json")
    router = json.loads((folder / "config.json").read_text())
    router["types"]["query_0_IDF"] = f"{OLD}.sparse_encoder.models.IDF"
    del router["types"]["query_0_SparseStaticEmbedding"]
    router["structure"]["query"] = ["query_0_IDF"]
    (folder / "query_0_SparseStaticEmbedding").rename(folder / "query_0_IDF")
    (folder / "config.json").write_text(json.dumps(router))
    (folder / "modules.json").write_text(json.dumps([{"idx": 0, "name": "0", "path": "", "type": f"{OLD}.models.Asym"}]))
    assert SpladeModel.load(folder, device="cpu").query_weights(TEXTS) == SpladeModel.load(free, device="cpu").query_weights(TEXTS)


@pytest.mark.parametrize("name", ["idf.json", "query_token_weights.txt"])
def test_a_table_of_token_weights_beside_a_model_encodes_its_queries(random_model: Folder, tmp_path: Path, name: str) -> None:
    folder = Path(shutil.copytree(random_model("bert"), tmp_path / "model"))
    tokenizer, weight = table(folder)
    weights = {token: round(float(weight[entry]), 4) for token, entry in tokenizer.get_vocab().items()}
    lines = "".join(f"{token}\t{value}\n" for token, value in weights.items())
    (folder / name).write_text(json.dumps(weights) if name.endswith("json") else lines, encoding="utf-8")
    model = SpladeModel.load(folder, device="cpu")
    expected = SparseEncoder(
        modules=[
            SparseStaticEmbedding(
                tokenizer, weight=torch.tensor([weights[token] for token in tokenizer.convert_ids_to_tokens(range(len(weights)))])
            )
        ],
        device="cpu",
    ).encode_query(TEXTS, convert_to_sparse_tensor=False)
    for bag, row in zip(model.query_weights(TEXTS), expected, strict=True):
        assert bag == pytest.approx(
            {tokenizer.convert_ids_to_tokens(entry): float(row[entry]) for entry in row.nonzero().flatten().tolist()}
        )
    assert model.document_weights(TEXTS) == SpladeModel.load(random_model("bert"), device="cpu").document_weights(TEXTS)


def test_negative_weights_of_a_table_count_as_none(free: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(free, tmp_path / "model"))
    file = folder / "query_0_SparseStaticEmbedding" / "model.safetensors"
    save_file({"weight": -load_file(file)["weight"]}, file)
    assert SpladeModel.load(folder, device="cpu").encode_queries(["a word"]) == [{}]


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16, torch.float64], ids=str)
def test_tables_of_other_precisions_are_read(free: Path, tmp_path: Path, kind: torch.dtype) -> None:
    folder = Path(shutil.copytree(free, tmp_path / "model"))
    file = folder / "query_0_SparseStaticEmbedding" / "model.safetensors"
    weight = load_file(file)["weight"].to(kind)
    save_file({"weight": weight}, file)
    model = SpladeModel.load(folder, device="cpu")
    (bag,) = model.query_weights(["a word"])
    entries = {token: entry for entry, token in enumerate(model.vocabulary)}
    assert bag == {token: float(weight[entries[token]].float()) for token in bag}


def test_a_pair_of_models_is_given_by_name(random_model: Folder, free: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(random_model("bert"), tmp_path / "other"))
    weights = load_file(other / "model.safetensors")
    save_file({name: tensor * 1.1 for name, tensor in weights.items()}, other / "model.safetensors", metadata={"format": "pt"})
    one, two = SpladeModel.load(random_model("bert"), device="cpu"), SpladeModel.load(other, device="cpu")
    pair = SpladeModel.load(random_model("bert"), query_model=other, device="cpu")
    assert (pair.encode_documents(TEXTS), pair.encode_queries(TEXTS)) == (one.encode_documents(TEXTS), two.encode_queries(TEXTS))
    assert (pair.record().document, pair.record().query) == (one.record().document, two.record().query)
    static = SpladeModel.load(random_model("bert"), query_model=free, device="cpu")
    assert static.encode_queries(TEXTS) == SpladeModel.load(free, device="cpu").encode_queries(TEXTS)


def test_a_pair_of_different_vocabularies_is_refused(random_model: Folder) -> None:
    message = refusal(random_model("bert"), query_model=random_model("roberta"))
    assert "have different vocabularies" in message and "queries and passages need the same" in message


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "another module": (
        lambda folder: (folder / "modules.json").write_text(
            (folder / "modules.json").read_text().replace('SpladePooling"', 'SparseAutoEncoder"')
        ),
        "modules.json says type = 'sentence_transformers.sparse_encoder.modules.splade_pooling.SparseAutoEncoder'",
    ),
    "custom code": (
        lambda folder: (folder / "modules.json").write_text(
            (folder / "modules.json").read_text().replace("sentence_transformers.base", "custom")
        ),
        "modules.json names a class of its own (type = 'custom.modules.transformer.Transformer')",
    ),
    "dense": (
        lambda folder: (folder / "modules.json").write_text((folder / "modules.json").read_text().replace('SpladePooling"', 'Pooling"')),
        "names the folder '1_Pooling', which is not there",
    ),
    "really dense": (
        lambda folder: (
            shutil.copytree(folder / "1_SpladePooling", folder / "1_Pooling"),
            (folder / "modules.json").write_text((folder / "modules.json").read_text().replace("SpladePooling", "Pooling")),
        ),
        "is a dense encoder (its modules: Transformer, Pooling)",
    ),
    "one module": (
        lambda folder: (folder / "modules.json").write_text(json.dumps(json.loads((folder / "modules.json").read_text())[:1])),
        "is no sparse encoder that is supported (its modules: Transformer)",
    ),
    "modules that are none": (lambda folder: (folder / "modules.json").write_text("{}"), "is no sparse encoder that is supported"),
    "a list of what": (lambda folder: (folder / "modules.json").write_text("[1]"), "modules.json is no list of modules"),
    "no JSON": (lambda folder: (folder / "modules.json").write_text("{"), "modules.json is not JSON"),
    "a path outside": (
        lambda folder: (folder / "modules.json").write_text(
            (folder / "modules.json").read_text().replace("1_SpladePooling", "../../elsewhere")
        ),
        "modules.json says path = '../../elsewhere'; a module lies inside the folder of its model",
    ),
    "a missing folder": (
        lambda folder: shutil.rmtree(folder / "1_SpladePooling"),
        "names the folder '1_SpladePooling', which is not there",
    ),
    "pooling": (
        lambda folder: edit(folder / "1_SpladePooling/config.json", {"pooling_strategy": "mean"}),
        "config.json says pooling_strategy = 'mean'",
    ),
    "activation": (
        lambda folder: edit(folder / "1_SpladePooling/config.json", {"activation_function": "gelu"}),
        "config.json says activation_function = 'gelu'",
    ),
    "a new setting of pooling": (
        lambda folder: edit(folder / "1_SpladePooling/config.json", {"prune": 0.1}),
        "config.json says prune = 0.1",
    ),
    "another size": (
        lambda folder: edit(folder / "1_SpladePooling/config.json", {"embedding_dimension": 99}),
        "embedding_dimension = 99, but its output layer",
    ),
    "task": (
        lambda folder: edit(folder / "sentence_bert_config.json", {"transformer_task": "feature-extraction"}),
        "sentence_bert_config.json says transformer_task = 'feature-extraction'",
    ),
    "modality": (
        lambda folder: edit(folder / "sentence_bert_config.json", {"modality_config": {"image": {}}}),
        "sentence_bert_config.json says modality_config = {'image': {}}",
    ),
    "a length that is none": (
        lambda folder: edit(folder / "sentence_bert_config.json", {"max_seq_length": "12"}),
        "says max_seq_length = '12'",
    ),
    "arguments of the model": (
        lambda folder: edit(folder / "sentence_bert_config.json", {"model_args": {"rope_scaling": 2}}),
        "says model_args.rope_scaling = 2",
    ),
    "a setting of later": (lambda folder: edit(folder / "sentence_bert_config.json", {"query_expansion": 3}), "says query_expansion = 3"),
    "model type": (
        lambda folder: edit(folder / "config_sentence_transformers.json", {"model_type": "CrossEncoder"}),
        "config_sentence_transformers.json says model_type = 'CrossEncoder'",
    ),
    "similarity": (
        lambda folder: edit(folder / "config_sentence_transformers.json", {"similarity_fn_name": "cosine"}),
        "says similarity_fn_name = 'cosine'; an impact index scores by dot product",
    ),
    "a default prompt that is none": (
        lambda folder: edit(folder / "config_sentence_transformers.json", {"default_prompt_name": "s2p"}),
        "says default_prompt_name = 's2p'; there is no prompt of that name",
    ),
    "a default prompt for neither": (
        lambda folder: edit(folder / "config_sentence_transformers.json", {"prompts": {"s2p": "x: "}, "default_prompt_name": "s2p"}),
        "says default_prompt_name = 's2p'; queries and passages take the prompts",
    ),
    "something new": (
        lambda folder: edit(folder / "config_sentence_transformers.json", {"truncate": 5}),
        "config_sentence_transformers.json says truncate = 5",
    ),
    "an adapter": (lambda folder: edit(folder / "adapter_config.json", {"peft_type": "LORA"}), "adapter_config.json names an adapter"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_declared_and_not_computed_is_refused_by_file_key_and_value(copy: Path, name: str) -> None:
    make, reason = REFUSED[name]
    make(copy)
    message = refusal(copy)
    assert reason in message and str(copy) in message


def test_a_tokenizer_that_must_lowercase_and_does_not_is_refused(copy: Path) -> None:
    edit(copy / "sentence_bert_config.json", {"do_lower_case": True})
    check(copy)
    tokenizer = json.loads((copy / "tokenizer.json").read_text())
    tokenizer["normalizer"]["lowercase"] = False
    (copy / "tokenizer.json").write_text(json.dumps(tokenizer))
    assert "says do_lower_case = True, but its tokenizer keeps capitals" in refusal(copy)


@pytest.mark.parametrize(
    ("file", "change", "reason"),
    [
        ("router_config.json", {"structure": {"query": [], "image": []}}, "router_config.json says structure = ['query', 'image']"),
        ("router_config.json", {"types": {}}, "router_config.json is no router"),
        (
            "query_0_SparseStaticEmbedding/config.json",
            {"path": "org/model/idf.json"},
            "config.json says path = 'org/model/idf.json'; put the table",
        ),
        ("query_0_SparseStaticEmbedding/config.json", {"scale": 3}, "config.json says scale = 3"),
    ],
)
def test_what_a_router_or_a_table_declares_and_is_not_there_is_refused(
    free: Path, tmp_path: Path, file: str, change: dict[str, Any], reason: str
) -> None:
    folder = Path(shutil.copytree(free, tmp_path / "model"))
    edit(folder / file, change)
    assert reason in refusal(folder)


def test_a_table_that_does_not_belong_to_its_tokenizer_is_refused(free: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(free, tmp_path / "model"))
    save_file({"weight": torch.ones(50)}, folder / "query_0_SparseStaticEmbedding" / "model.safetensors")
    assert "has the shape (50,)" in refusal(folder)
    save_file({"weights": torch.ones(50)}, folder / "query_0_SparseStaticEmbedding" / "model.safetensors")
    assert "is not a table of token weights (there is no tensor 'weight')" in refusal(folder)


def test_route_mappings_are_followed(free: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(free, tmp_path / "model"))
    router = json.loads((folder / "router_config.json").read_text())
    router["structure"] = {"fast": router["structure"]["query"], "document": router["structure"]["document"]}
    router["parameters"]["route_mappings"] = {"('query', None)": "fast"}
    (folder / "router_config.json").write_text(json.dumps(router))
    check(folder)


def test_a_table_alone_encodes_queries_and_no_passages(free: Path, tmp_path: Path) -> None:
    assert "encodes only queries; give it as --query-model" in refusal_of_table(free, tmp_path)


def refusal_of_table(free: Path, tmp_path: Path) -> str:
    folder = Path(shutil.copytree(free / "query_0_SparseStaticEmbedding", tmp_path / "table"))
    (folder / "config.json").unlink()
    (folder / "idf.json").write_text("{}")
    return refusal(folder)


def test_a_model_travels_to_another_process(free: Path) -> None:
    model = SpladeModel.load(free, device="cpu")
    again = pickle.loads(pickle.dumps(model))
    assert again.encode_documents(TEXTS) == model.encode_documents(TEXTS)
    assert again.encode_queries(TEXTS) == model.encode_queries(TEXTS)


@pytest.mark.usefixtures("tiny")
def test_a_query_side_that_is_a_table_needs_neither_torch_nor_transformers(tmp_path: Path) -> None:
    folder = tmp_path / "table"
    folder.mkdir()
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(find_model("tiny").folder / file, folder / file)
    (folder / "query_token_weights.txt").write_text("glass\t2.5\nstress\t1.25\n")
    code = (
        "import sys; from splade_lucene.encoding.loading import find_query_model\n"
        "from splade_lucene.encoding.static import StaticQueryEncoder\n"
        f"print(StaticQueryEncoder(find_query_model({str(folder)!r})).encode_queries(['Glass, glass under stress']))\n"
        "print(*(name for name in ('torch', 'transformers', 'scipy', 'huggingface_hub') if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout in {"[{'stress': 125, 'glass': 250}]\n\n", "[{'glass': 250, 'stress': 125}]\n\n"}


def test_a_router_whose_passages_have_a_table_encodes_queries_alone(random_model: Folder, tmp_path: Path) -> None:
    tokenizer, weight = table(random_model("bert"))
    network = [transformer(random_model("bert")), SpladePooling("sum")]
    folder = save(
        tmp_path / "model",
        [Router.for_query_document(document_modules=[SparseStaticEmbedding(tokenizer, weight=weight)], query_modules=network)],
    )
    assert refusal(folder).startswith(f"{folder} has for passages a table of token weights")
    pair = SpladeModel.load(random_model("bert"), query_model=folder, device="cpu")
    assert pair.record().query.pooling == "sum"
    _, expected = oracle(folder)
    for ours, theirs in zip(pair.query_weights(TEXTS), expected, strict=True):
        assert all(abs(ours.get(token, 0) - theirs.get(token, 0)) < 1e-4 for token in ours.keys() | theirs.keys())


def test_a_model_as_its_own_query_model_is_the_model(plain: Path) -> None:
    pair = SpladeModel.load(plain, query_model=plain, device="cpu")
    assert pair.record() == SpladeModel.load(plain, device="cpu").record()


def test_modules_without_their_list_are_refused(copy: Path) -> None:
    edit(copy / "1_SpladePooling" / "config.json", {"pooling_strategy": "sum"})
    (copy / "modules.json").unlink()
    assert "1_SpladePooling/config.json is a module" in refusal(copy)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_a_table_with_a_weight_that_is_no_number_is_refused(free: Path, random_model: Folder, tmp_path: Path, bad: float) -> None:
    folder = Path(shutil.copytree(free, tmp_path / "free"))
    file = folder / "query_0_SparseStaticEmbedding" / "model.safetensors"
    weight = load_file(file)["weight"].clone()
    weight[40] = bad
    save_file({"weight": weight}, file)
    assert "not a finite number" in refusal(folder)
    other = Path(shutil.copytree(random_model("bert"), tmp_path / "other"))
    (other / "idf.json").write_text(json.dumps({"text": 1.0, "a": bad}), encoding="utf-8")
    assert "must be a finite number" in refusal(other)


def test_an_empty_table_or_one_of_another_vocabulary_is_refused(free: Path, random_model: Folder, tmp_path: Path) -> None:
    other = Path(shutil.copytree(random_model("bert"), tmp_path / "other"))
    (other / "idf.json").write_text("{}", encoding="utf-8")
    assert "idf.json has no token weights" in refusal(other)
    folder = Path(shutil.copytree(free, tmp_path / "free"))
    save_file({"weight": torch.ones(5000)}, folder / "query_0_SparseStaticEmbedding" / "model.safetensors")
    assert "they do not belong together" in refusal(folder)


def test_a_weight_too_large_for_an_impact_is_refused_and_not_lost(free: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(free, tmp_path / "free"))
    file = folder / "query_0_SparseStaticEmbedding" / "model.safetensors"
    save_file({"weight": load_file(file)["weight"] * 1e30}, file)
    with pytest.raises(ModelError, match="give a smaller --scale"):
        SpladeModel.load(folder, device="cpu").encode_queries(["a word"])
