"""What encoders take and what they refuse: texts, numbers, names, architectures, tokenizers."""

from __future__ import annotations

import copy
import json
import pickle
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import AddedToken
from transformers import AutoConfig, AutoModel, AutoModelForMaskedLM, AutoTokenizer

from splade_lucene.cli.main import main
from splade_lucene.encoding.expander import Expander
from splade_lucene.encoding.model import SpladeModel
from splade_lucene.encoding.quantization import Quantization
from splade_lucene.errors import ModelError
from tests.test_model_loading import TEXTS, card_recipe, distance

Folder = Callable[[str], Path]


@pytest.fixture(scope="module")
def bert(random_model: Folder) -> SpladeModel:
    return SpladeModel.load(random_model("bert"), device="cpu")


@pytest.fixture
def folder(random_model: Folder, tmp_path: Path) -> Path:
    return Path(shutil.copytree(random_model("bert"), tmp_path / "model"))


METHODS = ["encode_documents", "encode_queries", "document_weights", "query_weights"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        ("the cat", "takes a list of texts, not one string; write {}([text])"),
        (b"the cat", "takes a list of texts, not one string"),
        ({"q1": "the cat"}, "takes a list of texts, not a dict"),
        ({"the cat"}, "takes a list of texts, not a set"),
        ([("a cat", "a dog")], "the text at position 0 is a tuple (('a cat', 'a dog')), not a string"),
        (["a cat", ["a dog"]], "the text at position 1 is a list"),
        (["a cat", None], "the text at position 1 is a NoneType (None), not a string"),
        ([float("nan")], "the text at position 0 is a float (nan)"),
        (["a", 3], "the text at position 1 is a int (3)"),
        (["a", b"a"], "the text at position 1 is a bytes (b'a')"),
        (np.array([["a", "b"]]), "the text at position 0 is a ndarray"),
    ],
    ids=repr,
)
def test_what_is_no_list_of_texts_is_refused_with_its_place(bert: SpladeModel, method: str, texts: Any, reason: str) -> None:
    with pytest.raises(TypeError, match=re.escape(reason.format(method))):
        getattr(bert, method)(texts)


@pytest.mark.parametrize("method", METHODS)
def test_any_iterable_of_texts_is_taken(bert: SpladeModel, method: str) -> None:
    encode, texts = getattr(bert, method), ["a word", "another word", ""]
    expected = encode(texts)
    for same in (iter(texts), (text for text in texts), map(str, texts), tuple(texts), np.array(texts), dict.fromkeys(texts).keys() | []):
        if isinstance(same, set):
            continue
        assert encode(same) == expected


@pytest.mark.parametrize(
    ("options", "error", "reason"),
    [
        ({"max_length": 8.0}, TypeError, "max_length must be a whole number, not 8.0"),
        ({"max_length": "8"}, TypeError, "max_length must be a whole number, not '8'"),
        ({"top_k": 2.0}, TypeError, "top_k must be a whole number, not 2.0"),
        ({"top_k": True}, TypeError, "top_k must be a whole number, not True"),
        ({"bits": 2.5}, TypeError, "bits must be a whole number, not 2.5"),
        ({"scale": float("inf")}, ValueError, "scale must be from 1 to 1,048,576, not inf"),
        ({"scale": float("nan")}, ValueError, "scale must be from 1 to 1,048,576, not nan"),
        ({"scale": 10**19}, ValueError, "scale must be from 1 to 1,048,576, not 10000000000000000000"),
        ({"scale": 10**30}, ValueError, "scale must be from 1 to 1,048,576"),
        ({"scale": 10**8}, ValueError, "impacts from 2^24 on are not exact in Lucene's scores"),
        ({"scale": "100"}, ValueError, "scale must be from 1"),
    ],
    ids=repr,
)
def test_numbers_that_make_no_sense_are_refused(bert: SpladeModel, options: dict[str, Any], error: type[Exception], reason: str) -> None:
    with pytest.raises(error, match=re.escape(reason)):
        bert.encode_documents(["a word"], **options)


def test_numbers_of_numpy_and_scales_with_a_fraction_are_taken(bert: SpladeModel) -> None:
    numbers: dict[str, Any] = {"max_length": np.int64(8), "top_k": np.int32(5)}
    (weights,) = bert.document_weights(["a word"], **numbers)
    (impacts,) = bert.encode_documents(["a word"], max_length=8, top_k=5, scale=51.2)
    assert impacts == {token: round(weight * 51.2) for token, weight in weights.items()}


def test_an_impact_that_lucene_cannot_hold_is_refused_while_encoding(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    weights["cls.predictions.bias"] = weights["cls.predictions.bias"] * 0 + 1e9
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        ModelError, match=r"a weight of 20.72 at the scale 1048576 is an impact of 21,\d+,\d+, and .* exact only below 2\^24"
    ):
        SpladeModel.load(folder, device="cpu").encode_documents(["a word"], scale=2**20)


def test_scores_that_may_be_inexact_are_foreseen_once(random_model: Folder) -> None:
    model = SpladeModel.load(random_model("bert"), device="cpu")
    model.encode_documents(["a word"])
    with pytest.warns(RuntimeWarning, match=r"at the scale 5000 a query like one of the texts would score [\d,]+, and Lucene's") as warned:
        model.encode_documents(TEXTS, scale=5000)
    assert len(warned) == 1


@pytest.mark.parametrize("scale", ["10000000000000000000", "1e30", "100000000", "0", "nan", "inf"])
def test_the_command_refuses_a_scale_before_it_reads_anything(scale: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["encode", "nowhere", "out", "--scale", scale])
    assert f"argument --scale: {scale} is not from 1 to 1,048,576; impacts from 2^24 on" in capsys.readouterr().err


def test_an_expander_takes_a_whole_number(random_model: Folder) -> None:
    with pytest.raises(TypeError, match="max_length must be a whole number, not '128'"):
        Expander(str(random_model("bert")), "128")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (Path("/nope"), "no model folder /nope"),
        ("", "the name of the model is empty"),
        ("  ", "the name of the model is empty"),
        ("~/nope", "no model folder ~/nope"),
    ],
    ids=repr,
)
def test_names_that_are_no_model_are_refused(name: Any, reason: str) -> None:
    with pytest.raises(ModelError, match=re.escape(reason)):
        SpladeModel.load(name, device="cpu")


def test_a_path_may_be_a_path_and_begin_with_the_home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder.parent))
    expected = SpladeModel.load(str(folder), device="cpu").encode_documents(["a word"])
    for name in (folder, "~/model", Path("~/model")):
        model = SpladeModel.load(name, device="cpu")
        assert (model.name, model.encode_documents(["a word"])) == (str(folder), expected)


def test_a_model_can_be_copied_and_pickled(bert: SpladeModel) -> None:
    expected = bert.encode_documents(TEXTS)
    for model in (copy.deepcopy(bert), copy.copy(bert), pickle.loads(pickle.dumps(bert))):
        assert model.encode_documents(TEXTS) == expected


def test_other_safetensors_beside_the_weights_are_not_weights(folder: Path) -> None:
    before = SpladeModel.load(folder, device="cpu")
    weights = load_file(folder / "model.safetensors")
    for name in ("model_old.safetensors", "adapter.safetensors", "zz.safetensors"):
        save_file({key: tensor * 2 for key, tensor in weights.items()}, folder / name, metadata={"format": "pt"})
    after = SpladeModel.load(folder, device="cpu")
    assert (after.encode_documents(TEXTS), after.record()) == (before.encode_documents(TEXTS), before.record())
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"no safetensors weights in model.safetensors \(only adapter.safetensors, model_old.safetensors"):
        SpladeModel.load(folder, device="cpu")


def test_only_the_shards_that_the_index_names_are_weights(folder: Path) -> None:
    (expected,) = SpladeModel.load(folder, device="cpu").document_weights(["a word"])
    AutoModelForMaskedLM.from_pretrained(folder).save_pretrained(folder / "sharded", max_shard_size="20KB")
    sharded = folder / "sharded"
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(folder / name, sharded / name)
    weights = load_file(folder / "model.safetensors")
    save_file({key: tensor * 2 for key, tensor in weights.items()}, sharded / "model-old.safetensors", metadata={"format": "pt"})
    (found,) = SpladeModel.load(sharded, device="cpu").document_weights(["a word"])
    assert distance(found, expected) < 1e-5
    next(iter(sharded.glob("model-00001-of-*.safetensors"))).unlink()
    with pytest.raises(ModelError, match=r"names model-00001-of-\d+\.safetensors, which is not there; fetch the whole model"):
        SpladeModel.load(sharded, device="cpu")


@pytest.mark.parametrize("family", ["bert", "distilbert"])
def test_checkpoints_in_bf16_are_read_as_they_are(random_model: Folder, tmp_path: Path, family: str) -> None:
    AutoModelForMaskedLM.from_pretrained(random_model(family)).to(torch.bfloat16).save_pretrained(tmp_path / "half")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(random_model(family) / name, tmp_path / "half" / name)
    half = AutoModelForMaskedLM.from_pretrained(tmp_path / "half", dtype=torch.float32)
    half.save_pretrained(tmp_path / "whole")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(random_model(family) / name, tmp_path / "whole" / name)
    found, expected = (SpladeModel.load(tmp_path / name, device="cpu").document_weights(TEXTS) for name in ("half", "whole"))
    assert all(distance(*pair) < 1e-5 for pair in zip(found, expected, strict=True))


def test_a_model_in_a_subfolder_is_found(folder: Path) -> None:
    shutil.copytree(folder, folder.parent / "repository" / "models" / "small")
    model = SpladeModel.load(folder.parent / "repository", subfolder="models/small", device="cpu")
    assert model.encode_documents(["a word"]) == SpladeModel.load(folder, device="cpu").encode_documents(["a word"])
    assert model.record().document.subfolder == "models/small"
    again = SpladeModel.load_queries(model.record(), device="cpu")
    assert again.encode_queries(["a word"]) == model.encode_queries(["a word"])
    for wrong in ("models/none", "../model"):
        with pytest.raises(ModelError, match=f"has no subfolder '{wrong}'"):
            SpladeModel.load(folder.parent / "repository", subfolder=wrong, device="cpu")


def tokens_with(folder: Path, added: list[str | AddedToken]) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(added)
    tokenizer.save_pretrained(folder)


def test_tokens_with_white_space_fire_as_in_transformers(folder: Path) -> None:
    tokens_with(folder, ["New York", "tab\there"])
    texts = ["a word of New York", "tab\there and New York"]
    expected = card_recipe(folder, texts, 200)
    model = SpladeModel.load(folder, device="cpu")
    for bag, other in zip(model.document_weights(texts, max_length=200), expected, strict=True):
        spelled = {token.replace(" ", "␠").replace("\t", "␉"): weight for token, weight in other.items()}
        assert distance(bag, spelled) < 1e-4
    assert {"New␠York", "tab␉here"} <= set(model.vocabulary)
    assert [word.tokens for word in model.read_words("New York").words] == [("New␠York",)]
    assert all(token.split() == [token] for token in model.vocabulary)


def test_two_tokens_that_an_index_would_take_for_one_are_refused(folder: Path) -> None:
    tokens_with(folder, ["New York", "New␠York"])
    with pytest.raises(ModelError, match="two tokens that an index would take for one \\('New␠York'\\)"):
        SpladeModel.load(folder, device="cpu")


def test_a_tokenizer_with_unused_ids_in_the_middle_keeps_its_weights_in_place(folder: Path) -> None:
    tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    vocabulary = tokenizer["model"]["vocab"]
    gone = [token for token, entry in vocabulary.items() if entry in (100, 200)]
    for token in gone:
        del vocabulary[token]
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    model = SpladeModel.load(folder, device="cpu")
    expected = card_recipe(folder, TEXTS, 200)
    for bag, other in zip(model.document_weights(TEXTS, max_length=200), expected, strict=True):
        assert distance(bag, other) < 1e-4 and not bag.keys() & set(gone)


SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "initializer_range": 0.3,
    "pad_token_id": 0,
}
BART = {
    "d_model": 32,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
}
NEIGHBOURS = "gives a text other weights when it is padded beside a longer"
UNUSABLE: dict[str, tuple[dict[str, Any], str]] = {
    "convbert": ({"embedding_size": 32, "conv_kernel_size": 3}, NEIGHBOURS),
    "fnet": ({}, NEIGHBOURS),
    "mobilebert": ({"embedding_size": 16, "true_hidden_size": 32, "intra_bottleneck_size": 32}, "computes its logits in a way"),
    "bart": (BART, ""),
}


def small(folder: Path, into: Path, family: str, **options: Any) -> Path:
    """A model of another architecture with random weights and the tokenizer of a folder."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.save_pretrained(into)
    torch.manual_seed(0)
    make: Any = AutoModelForMaskedLM.from_config
    make(AutoConfig.for_model(family, **{**SIZES, "vocab_size": len(tokenizer), **options})).save_pretrained(into)
    return into


@pytest.mark.parametrize("family", UNUSABLE)
def test_architectures_whose_weights_cannot_be_right_are_refused(
    random_model: Folder, tmp_path: Path, family: str, capsys: pytest.CaptureFixture[str]
) -> None:
    options, reason = UNUSABLE[family]
    made = small(random_model("bert"), tmp_path / family, family, **options)
    assert main(["explain", "a word", "--model", str(made), "--device", "cpu"]) == 1
    error = capsys.readouterr().err
    assert f"({family}) {reason}" in error and "Traceback" not in error


@pytest.mark.parametrize("positions", [32, 62])
def test_a_model_with_few_positions_takes_its_own_as_the_default_and_says_so(random_model: Folder, tmp_path: Path, positions: int) -> None:
    made = small(random_model("bert"), tmp_path / "few", "bert", max_position_embeddings=positions)
    with pytest.warns(RuntimeWarning, match=f"reads at most {positions} tokens, so by default passages are cut at {positions} and queries"):
        model = SpladeModel.load(made, device="cpu")
    assert model.lengths == (positions, positions)
    assert model.encode_documents([TEXTS[-1]]) and model.encode_queries([TEXTS[-1]])


def test_the_sparse_head_of_bge_m3_gives_the_largest_weight_of_each_token(random_model: Folder, tmp_path: Path) -> None:
    """The recipe of FlagEmbedding's ``BGEM3FlagModel``: relu of a linear layer, special tokens out, the maximum of equal tokens."""
    tokenizer = AutoTokenizer.from_pretrained(random_model("roberta"))
    folder = tmp_path / "bge"
    tokenizer.save_pretrained(folder)
    config = AutoConfig.for_model(
        "xlm-roberta", vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48,
        max_position_embeddings=130, pad_token_id=tokenizer.pad_token_id, initializer_range=0.3,
    )  # fmt: skip
    torch.manual_seed(0)
    make: Any = AutoModel.from_config
    network = make(config).eval()
    network.save_pretrained(folder)
    head = torch.nn.Linear(32, 1)
    with pytest.raises(ModelError, match=r"cannot be loaded|lacks weights"):
        SpladeModel.load(folder, device="cpu")
    torch.save(head.state_dict(), folder / "sparse_linear.pt")
    with pytest.raises(ModelError, match=r"sparse_linear.pt is a pickle, which is never loaded; convert it once: python -c"):
        SpladeModel.load(folder, device="cpu")
    # What that sentence says:
    save_file(torch.load(folder / "sparse_linear.pt", weights_only=True), folder / "sparse_linear.safetensors")
    model = SpladeModel.load(folder, device="cpu")
    texts = ["a word, a word", "", "text of words and words of text", "Wrap a single paragraph of text " * 3]
    encoded = [*model.document_weights(texts), *model.query_weights(texts)]
    special = {tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id, tokenizer.unk_token_id}
    for text, bag in zip([*texts, *texts], encoded, strict=True):
        inputs = tokenizer(text, return_tensors="pt")
        with torch.no_grad():
            weights = torch.relu(head(network(**inputs).last_hidden_state)).squeeze()
        expected: dict[str, float] = {}
        for entry, weight in zip(inputs["input_ids"][0].tolist(), weights.tolist(), strict=True):
            token: Any = tokenizer.convert_ids_to_tokens(entry)
            if entry not in special and weight > expected.get(token, 0):
                expected[token] = weight
        assert bag == pytest.approx(expected, abs=1e-4)
    assert model.record().document.kind == "bge-m3"
    save_file({"weight": torch.ones(1, 5), "bias": torch.ones(1)}, folder / "sparse_linear.safetensors")
    with pytest.raises(ModelError, match=r"has the shape \(1, 5\), not one weight for each of 32 dimensions"):
        SpladeModel.load(folder, device="cpu")


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_weight_that_overflowed_is_an_error_and_no_empty_text(bad: float) -> None:
    weights = np.array([0, 1.5, bad], np.float32)
    for quantization in (Quantization(), Quantization(bits=8)):
        with pytest.raises(ModelError, match="not a finite number"):
            quantization.apply(weights)
    assert Quantization(bits=8).bag({"a": 1e30, "b": 0.5}) == {"a": 255, "b": 50}
