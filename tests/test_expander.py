"""The model card's API against the model card's own code: plain transformers, and SPLADERunner's arithmetic on the same logits."""

from __future__ import annotations

import doctest
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer

from splade_lucene import Expander
from splade_lucene.encoding import expander as module
from splade_lucene.encoding.loading import find_model
from splade_lucene.encoding.model import SpladeModel
from splade_lucene.errors import ModelError
from tests.test_encoding import GLASS

MANHATTAN = (
    "The Manhattan Project and its atomic bomb helped bring an end to World War II. Its legacy of peaceful uses of atomic energy "
    "continues to have an impact on history and science."
)
TEXTS = [MANHATTAN, GLASS, "", "Zażółć gęślą jaźń, größte Übermäßigkeit!"]
# Far above the noise of float32 sums, far below the second decimal.
NOISE = 1e-4


@pytest.fixture(scope="module")
def ours(tiny: object) -> Expander:
    return Expander(model="tiny", max_length=128)


@pytest.fixture(scope="module")
def stock(tiny: object) -> tuple[Any, Any]:
    folder = find_model("tiny").folder
    return AutoTokenizer.from_pretrained(folder), AutoModelForMaskedLM.from_pretrained(folder).eval()


def model_card(tokenizer: Any, model: Any, sentence: str) -> list[tuple[str, float]]:
    """The HuggingFace snippet of prithivida's model cards, unrounded."""
    reverse_voc = {v: k for k, v in tokenizer.vocab.items()}
    inputs = tokenizer(sentence, return_tensors="pt")
    with torch.no_grad():
        outputs = model(**inputs)
    relu_log = torch.log(1 + torch.relu(outputs.logits))
    weighted_log = relu_log * inputs["attention_mask"].unsqueeze(-1)
    max_val, _ = torch.max(weighted_log, dim=1)
    vector = max_val.squeeze()
    cols = vector.nonzero().squeeze().tolist()
    d = dict(zip(cols, vector[cols].tolist(), strict=True))
    return [(reverse_voc[k], v) for k, v in sorted(d.items(), key=lambda item: item[1], reverse=True)]


def spladerunner(tokenizer: Any, model: Any, texts: list[str], max_length: int) -> list[dict[str, Any]]:
    """What ``spladerunner.Expander.expand(texts)`` computes from a batch's logits."""
    inputs = tokenizer(texts, padding=True, truncation=True, max_length=max_length, return_tensors="pt")
    with torch.no_grad():
        outputs = model(**inputs).logits.numpy()
    max_val = (np.log1p(np.maximum(outputs, 0)) * inputs["attention_mask"].numpy()[:, :, np.newaxis]).max(axis=1)
    return [{"indices": np.nonzero(row)[0].tolist(), "values": row[np.nonzero(row)[0]].tolist()} for row in max_val]


@pytest.mark.parametrize("text", [MANHATTAN, GLASS])
def test_the_bag_is_the_model_cards(text: str, ours: Expander, stock: tuple[Any, Any]) -> None:
    expected = model_card(*stock, text)
    (bag,) = ours.expand(text, outformat="lucene")
    assert len(expected) > 20
    assert bag.keys() == {token for token, _ in expected}
    for token, weight in expected:
        near = {round(weight - NOISE, 2), round(weight + NOISE, 2)}  # of which only one, except on the edge of rounding
        assert bag[token] in near
    weights = list(bag.values())
    assert weights == sorted(weights, reverse=True)
    apart = [token for (token, weight), (_, other) in pairwise(expected) if weight - other > NOISE]
    assert [token for token in bag if token in set(apart)] == apart


@pytest.mark.parametrize("max_length", [8, 128])
def test_indices_and_values_are_spladerunners(max_length: int, stock: tuple[Any, Any]) -> None:
    expected = spladerunner(*stock, TEXTS, max_length)
    found = Expander("tiny", max_length).expand(TEXTS)
    assert [each["indices"] for each in found] == [each["indices"] for each in expected]
    for each, other in zip(found, expected, strict=True):
        assert each["values"] == pytest.approx(other["values"], abs=NOISE)
        assert all(type(value) is float for value in each["values"])


def test_one_text_gives_a_list_of_one(ours: Expander) -> None:
    assert ours.expand(GLASS)[0]["indices"] == ours.expand([GLASS])[0]["indices"]


def test_both_formats_say_the_same(ours: Expander, stock: tuple[Any, Any]) -> None:
    (hybrid,), (bag,) = ours.expand(GLASS), ours.expand(GLASS, outformat="lucene")
    tokens = stock[0].convert_ids_to_tokens(hybrid["indices"])
    assert {token: round(value, 2) for token, value in zip(tokens, hybrid["values"], strict=True)} == bag


def test_more_texts_than_a_window_from_a_generator_with_progress(
    ours: Expander, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = ours.expand(TEXTS, "lucene")
    monkeypatch.setattr(module, "_WINDOW", 3)
    assert capsys.readouterr().err == ""
    cut = ours.expand((text for text in TEXTS), "lucene", progress=True)
    assert [each.keys() for each in cut] == [each.keys() for each in whole]
    assert "4 texts" in capsys.readouterr().err


def test_no_text_and_an_unknown_format(ours: Expander) -> None:
    unknown: Any = "numpy"
    assert ours.expand([]) == []
    with pytest.raises(ValueError, match="'hybrid' or 'lucene', not 'numpy'"):
        ours.expand(GLASS, unknown)


def test_short_names_are_prithividas(monkeypatch: pytest.MonkeyPatch, random_model: Callable[[str], Path]) -> None:
    asked = []
    load = SpladeModel.load

    def remember(name: str, **options: Any) -> SpladeModel:
        asked.append(name)
        return load(str(random_model("bert")))

    monkeypatch.setattr(SpladeModel, "load", remember)
    Expander("Splade_PP_en_v1", 64)
    Expander("Splade_PP_en_v9", 64)
    assert asked == ["prithivida/Splade_PP_en_v1", "Splade_PP_en_v9"]


def test_a_length_that_the_model_cannot_read_is_refused_at_once(tiny: object) -> None:
    with pytest.raises(ModelError, match="between 3 and the 512 tokens"):
        Expander("tiny", 513)


def test_the_example_of_the_docstring_is_true(tiny: object) -> None:
    assert doctest.testmod(module).failed == 0
