"""From texts to impacts: the head, the batches, quantization, and what an encoder promises of any text."""

from __future__ import annotations

import doctest
import json
import random
import shutil
import textwrap
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer

from splade_lucene.encoding import batching, model
from splade_lucene.encoding.batching import batches_by_length
from splade_lucene.encoding.defaults import default_lengths
from splade_lucene.encoding.head import splade_max
from splade_lucene.encoding.model import SpladeModel
from splade_lucene.encoding.quantization import Quantization
from splade_lucene.errors import ModelError

LONG = Path(textwrap.__file__).read_text(encoding="utf-8")
LINES = [line.strip() for line in LONG.splitlines()]  # empty ones among them
# What prithivida's model cards show.
GLASS = (
    "Glass and Thermal Stress. Thermal Stress is created when one area of a glass pane gets hotter than an adjacent area. "
    "If the stress is too great then the glass will crack. The stress level at which the glass will break is governed by several factors."
)
SHAPES = {
    "one token": (1, 1, 4, 7),
    "one tile": (3, 5, 8, 200),
    "two tiles, the last not full": (2, 300, 8, 5000),
    "many tiles, the last of one entry": (64, 512, 2, 257),
}


@pytest.fixture(scope="module")
def bert(random_model: Callable[[str], Path]) -> SpladeModel:
    return SpladeModel.load(str(random_model("bert")), device="cpu")


def distance(ours: Mapping[str, float], others: Mapping[str, float]) -> float:
    return max((abs(ours.get(token, 0) - others.get(token, 0)) for token in ours.keys() | others.keys()), default=0)


@pytest.mark.parametrize("with_bias", [False, True], ids=["no bias", "bias"])
@pytest.mark.parametrize("padded", [False, True], ids=["no padding", "padding"])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_head_is_the_plain_formula(shape: tuple[int, int, int, int], padded: bool, with_bias: bool) -> None:
    passages, tokens, size, entries = shape
    noise = torch.Generator().manual_seed(0)
    hidden = torch.randn(passages, tokens, size, generator=noise)
    weight, bias = torch.randn(entries, size, generator=noise), torch.randn(entries, generator=noise)
    mask = torch.ones(passages, tokens, dtype=torch.bool)
    if padded:
        mask = torch.arange(tokens) < torch.randint(1, tokens + 1, (passages, 1), generator=noise)
        hidden[~mask] *= 1000  # would win if it were looked at
    logits = hidden @ weight.T + (bias if with_bias else 0)
    expected = (torch.log1p(torch.relu(logits)) * mask.unsqueeze(-1)).amax(dim=1)
    pooled = splade_max(hidden, mask, weight, bias if with_bias else None)
    assert pooled.dtype == torch.float32
    torch.testing.assert_close(pooled, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("bias", [None, torch.tensor([-0.5, 0.0, 0.5])], ids=["no bias", "bias"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_padding_never_wins_over_negative_logits(dtype: torch.dtype, bias: torch.Tensor | None) -> None:
    hidden = torch.tensor([[[1.0, 1.0], [-100.0, -100.0]], [[1.0, 2.0], [2.0, 1.0]]], dtype=dtype)
    mask = torch.tensor([[True, False], [True, True]])
    pooled = splade_max(hidden, mask, -torch.ones(3, 2, dtype=dtype), None if bias is None else bias.to(dtype))
    assert pooled.tolist() == [[0, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize(
    ("lengths", "budget", "batches"),
    [
        pytest.param([], 10, [], id="nothing"),
        pytest.param([50, 3, 3], 10, [[0], [1, 2]], id="too long text alone"),
        pytest.param([3, 11, 3, 12], 10, [[3], [1], [0, 2]], id="each too long text alone"),
        pytest.param([5, 5, 5, 5], 20, [[0, 1, 2, 3]], id="budget used to the last token"),
        pytest.param([6, 5, 5, 5], 20, [[0, 1, 2], [3]], id="padding counts"),
    ],
)
def test_batches(lengths: list[int], budget: int, batches: list[list[int]]) -> None:
    assert list(batches_by_length(lengths, budget)) == batches


@pytest.mark.parametrize("budget", [1, 64, 1000, 10**6])
def test_batches_hold_each_text_once_longest_first_and_are_as_full_as_the_budget_allows(budget: int) -> None:
    lengths = [random.Random(budget + each).randint(2, 300) for each in range(500)]
    batches = list(batches_by_length(lengths, budget))
    order = [position for batch in batches for position in batch]
    assert sorted(order) == list(range(500))
    assert [lengths[position] for position in order] == sorted(lengths, reverse=True)
    for batch in batches:
        assert len(batch) == 1 or max(lengths[position] for position in batch) * len(batch) <= budget
    for batch in batches[:-1]:
        assert lengths[batch[0]] * (len(batch) + 1) > budget


@pytest.mark.parametrize("scale", [1, 7, 100, 255])
def test_impacts_are_the_rounded_scaled_weights_without_zeros(bert: SpladeModel, scale: int) -> None:
    (weights,), (impacts,) = bert.document_weights([GLASS]), bert.encode_documents([GLASS], scale=scale)
    assert min(weights.values()) > 0
    rounded = {token: round(weight * scale) for token, weight in weights.items()}
    assert min(rounded.values()) == 0 or scale > 1
    assert list(impacts.items()) == [(token, impact) for token, impact in rounded.items() if impact]
    assert {type(impact) for impact in impacts.values()} == {int}


@pytest.mark.parametrize("top_k", [1, 10, 10**6])
def test_top_k_keeps_the_largest_weights_in_the_order_of_the_vocabulary(bert: SpladeModel, top_k: int) -> None:
    (weights,), (impacts,) = bert.document_weights([GLASS]), bert.encode_documents([GLASS], scale=5)
    best = sorted(weights, key=lambda token: -weights[token])[:top_k]
    kept, kept_weights = bert.encode_documents([GLASS], scale=5, top_k=top_k), bert.document_weights([GLASS], top_k=top_k)
    assert list(kept[0].items()) == [(token, impact) for token, impact in impacts.items() if token in best]
    assert list(kept_weights[0].items()) == [(token, weight) for token, weight in weights.items() if token in best]


@pytest.mark.parametrize("min_weight", [0.001, 0.4, 100.0])
def test_min_weight_keeps_the_weights_from_there_on(tiny: SpladeModel, min_weight: float) -> None:
    (weights,), (impacts,) = tiny.document_weights([GLASS]), tiny.encode_documents([GLASS])
    heavy = [token for token, weight in weights.items() if weight >= min_weight]
    assert len(heavy) < len(weights) or min_weight < 0.01
    kept = tiny.encode_documents([GLASS], min_weight=min_weight)[0]
    assert list(kept.items()) == [(token, impact) for token, impact in impacts.items() if token in heavy]
    assert list(tiny.document_weights([GLASS], min_weight=min_weight)[0]) == heavy


def test_the_smallest_weight_kept_is_min_weight_itself(tiny: SpladeModel) -> None:
    (weights,) = tiny.document_weights([GLASS])
    boundary = sorted(weights.values())[len(weights) // 2]
    assert min(tiny.document_weights([GLASS], min_weight=boundary)[0].values()) == boundary


@pytest.mark.parametrize("bits", [1, 4, 7, 24])
def test_bits_cap_impacts_and_change_no_other(tiny: SpladeModel, bits: int) -> None:
    (impacts,) = tiny.encode_documents([GLASS])
    (capped,) = tiny.encode_documents([GLASS], bits=bits)
    assert max(impacts.values()) > 2**7
    assert list(capped.items()) == [(token, min(impact, 2**bits - 1)) for token, impact in impacts.items()]


@pytest.mark.parametrize("max_ratio", [0.01, 0.3, 1.0])
def test_max_ratio_keeps_what_is_not_far_from_the_largest(tiny: SpladeModel, max_ratio: float) -> None:
    (weights,) = tiny.document_weights([GLASS])
    heavy = [token for token, weight in weights.items() if weight >= max_ratio * max(weights.values())]
    assert list(tiny.document_weights([GLASS], max_ratio=max_ratio)[0]) == heavy
    assert list(tiny.encode_documents([GLASS], max_ratio=max_ratio)[0]) == [token for token in heavy if round(weights[token] * 100)]
    assert (max_ratio == 1) == (len(heavy) == 1)


@pytest.mark.parametrize("alpha_mass", [0.01, 0.5, 0.9, 1.0])
def test_alpha_mass_keeps_the_fewest_that_have_the_share(tiny: SpladeModel, alpha_mass: float) -> None:
    (weights,) = tiny.document_weights([GLASS])
    (kept,) = tiny.document_weights([GLASS], alpha_mass=alpha_mass)
    enough = alpha_mass * sum(weights.values())
    assert sum(kept.values()) >= enough * (1 - 1e-12) > sum(kept.values()) - min(kept.values())
    assert min(kept.values()) >= max([weight for token, weight in weights.items() if token not in kept], default=0)
    assert (alpha_mass == 1) == (kept == weights)


def test_opensearchs_own_example_of_alpha_mass() -> None:
    summary = {"100": 1.0, "200": 2.0, "300": 3.0, "400": 6.0}
    assert Quantization(scale=1, alpha_mass=0.5).bag(summary) == {"400": 6}
    assert Quantization(scale=1, alpha_mass=0.51).bag(summary) == {"300": 3, "400": 6}
    assert Quantization(scale=1, max_ratio=0.5).bag(summary) == {"300": 3, "400": 6}
    assert Quantization(scale=1, alpha_mass=0.9).bag({}) == Quantization(scale=1, max_ratio=0.9).bag({}) == {}


def test_of_several_prunings_each_is_decided_on_all_weights() -> None:
    weights = {"a": 4.0, "b": 3.0, "c": 2.0, "d": 1.0}
    # 0.7 of the sum of all is a and b; of what top_k leaves it would be a alone.
    assert Quantization(scale=1, alpha_mass=0.7, top_k=3).bag(weights) == {"a": 4, "b": 3}
    assert Quantization(scale=1, alpha_mass=0.7, top_k=1).bag(weights) == {"a": 4}
    assert Quantization(scale=1, alpha_mass=0.7, min_weight=3.5).bag(weights) == {"a": 4}
    assert Quantization(scale=1, max_ratio=0.5, min_weight=1).bag(weights) == {"a": 4, "b": 3, "c": 2}


PRUNINGS = [
    {},
    {"top_k": 20},
    {"min_weight": 0.25},
    {"bits": 7},
    {"max_ratio": 0.2},
    {"alpha_mass": 0.8},
    {"scale": 13, "top_k": 40, "min_weight": 0.1, "bits": 4},
    {"top_k": 90, "max_ratio": 0.1, "alpha_mass": 0.9},
]


@pytest.mark.parametrize("options", PRUNINGS, ids=str)
def test_weights_kept_once_are_pruned_to_what_encoding_with_the_options_gives(tiny: SpladeModel, options: dict[str, Any]) -> None:
    texts = [GLASS, "", *LINES[:30]]
    pruned = [Quantization(**options).bag(weights) for weights in tiny.document_weights(texts)]
    encoded = tiny.encode_documents(texts, **options)
    assert [list(bag.items()) for bag in pruned] == [list(bag.items()) for bag in encoded]


SHARES = [{name: value} for name in ("max_ratio", "alpha_mass") for value in (0.0, 1.01, -1.0, float("nan"), True)]


@pytest.mark.parametrize(
    "options", [{"scale": 0}, {"top_k": 0}, {"min_weight": 0.0}, {"min_weight": float("nan")}, {"bits": 0}, {"bits": 25}, *SHARES], ids=str
)
def test_impossible_quantization_is_refused(tiny: SpladeModel, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        tiny.encode_documents([GLASS], **options)


def test_an_empty_text_is_encoded_as_the_others_are(bert: SpladeModel, random_model: Callable[[str], Path], tmp_path: Path) -> None:
    assert bert.encode_documents([""])[0]  # the special tokens have weights
    bare = Path(shutil.copytree(random_model("bert"), tmp_path / "bare"))
    tokenizer = json.loads((bare / "tokenizer.json").read_text(encoding="utf-8"))
    (bare / "tokenizer.json").write_text(json.dumps(tokenizer | {"post_processor": None}), encoding="utf-8")
    model = SpladeModel.load(str(bare), device="cpu")  # adds no special tokens, so that nothing is left
    assert model.encode_documents([""]) == [{}]
    assert model.encode_documents(["", "a word"]) == [{}, *model.encode_documents(["a word"])]


def test_no_texts_give_no_vectors(bert: SpladeModel) -> None:
    assert bert.encode_documents([]) == bert.encode_queries([]) == []


def test_a_text_means_the_same_alone_and_among_others_and_keeps_its_place(bert: SpladeModel) -> None:
    texts = ["", *LINES, LONG, "word", ""]
    assert sum(map(len, texts)) > 4 * 4096  # several batches
    together, weights = bert.encode_documents(texts), bert.document_weights(texts)
    assert len(together) == len(weights) == len(texts)
    for position in [*range(0, len(texts), 50), *range(len(texts) - 4, len(texts))]:
        assert distance(weights[position], bert.document_weights([texts[position]])[0]) < 1e-5
        (alone,) = bert.encode_documents([texts[position]])
        assert distance(together[position], alone) <= 1
        for token in together[position].keys() | alone.keys():
            near_half = abs(weights[position].get(token, 0) * 100 % 1 - 0.5) < 1e-2
            assert near_half or together[position].get(token) == alone.get(token)


@pytest.mark.parametrize("max_length", [3, 16, 320])
def test_a_longer_text_counts_up_to_the_maximum_length(bert: SpladeModel, random_model: Callable[[str], Path], max_length: int) -> None:
    tokenizer = AutoTokenizer.from_pretrained(random_model("bert"))
    offsets = tokenizer(LONG, truncation=True, max_length=max_length, return_offsets_mapping=True)["offset_mapping"]
    assert len(offsets) == max_length
    begin = LONG[: max(end for _, end in offsets)]
    (cut,), (whole,) = bert.encode_documents([LONG], max_length=max_length), bert.encode_documents([begin], max_length=320)
    assert cut == whole != bert.encode_documents([LONG], max_length=max_length - 1 if max_length > 3 else 4)[0]


@pytest.mark.parametrize("max_length", [-1, 0, 2, 321])
@pytest.mark.parametrize("what", ["documents", "queries"])
def test_lengths_that_the_model_cannot_read_are_refused(bert: SpladeModel, what: str, max_length: int) -> None:
    encode = bert.encode_documents if what == "documents" else bert.encode_queries
    with pytest.raises(ModelError, match=rf"^the maximum length {max_length} is not between 3 and the 320 tokens that \S+ reads$"):
        encode(["text"], max_length=max_length)


def test_default_lengths_are_the_cards_budget_for_its_models_and_the_usual_ones_for_others() -> None:
    assert default_lengths("prithivida/Splade_PP_en_v2") == (128, 24)
    assert default_lengths("tiny") == default_lengths("naver/splade-v3") == default_lengths("/models/prithivida/copy") == (256, 64)


def test_tiny_cuts_documents_at_256_and_queries_at_64_tokens(tiny: SpladeModel) -> None:
    by_length = {length: tiny.encode_documents([LONG], max_length=length) for length in (63, 64, 65, 255, 256, 257)}
    for vectors, default in ((tiny.encode_documents([LONG]), 256), (tiny.encode_queries([LONG]), 64)):
        assert [length for length, others in by_length.items() if others == vectors] == [default]
    assert tiny.record().query_max_length == 64


def test_tiny_finds_what_the_model_cards_example_is_about(tiny: SpladeModel) -> None:
    (impacts,) = tiny.encode_documents([GLASS])
    top = sorted(impacts, key=lambda token: -impacts[token])[:5]
    assert {"glass", "stress"} <= set(top)


@pytest.mark.parametrize("module", [batching, model], ids=lambda module: module.__name__.rpartition(".")[2])
@pytest.mark.usefixtures("tiny")
def test_the_examples_of_the_docstrings_are_true(module: object) -> None:
    examples = [test for test in doctest.DocTestFinder().find(module) if test.examples]
    runner = doctest.DocTestRunner()
    for example in examples:
        runner.run(example)
    assert examples
    assert runner.summarize(verbose=False).failed == 0


def too_many_tokens(model: SpladeModel, limit: int) -> Any:
    """Lets the network run out of memory as a GPU does, with any batch of more than so many tokens; undone by ``remove()``."""

    def check(_: torch.nn.Module, __: Any, batch: dict[str, torch.Tensor]) -> None:
        if batch["input_ids"].numel() > limit:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")

    network: Any = model._network
    return network._network.register_forward_pre_hook(check, with_kwargs=True)


def in_double_precision(model: SpladeModel) -> None:
    network: Any = model._network
    network._network.double()
    network._weight, network._bias = network._weight.double(), network._bias.double()


def test_a_batch_that_does_not_fit_is_halved_with_a_warning_and_nothing_is_lost(random_model: Callable[[str], Path]) -> None:
    model = SpladeModel.load(str(random_model("bert")), device="cpu", precision="fp32").with_kernels("torch")
    in_double_precision(model)  # rounding differs between sizes of batches, in fp32 by up to 1e-5
    texts = [*LINES, LONG]
    expected = model.document_weights(texts)
    hook = too_many_tokens(model, 700)
    with pytest.warns(RuntimeWarning, match=r"^the memory of the device is too small for \d+ tokens at once; continuing with") as warned:
        encoded = model.document_weights(texts)
    assert 1 <= len(warned) <= 3  # from 1024 to 512, by threads at the same time, and then no batch is tried that is known not to fit
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = model.document_weights(texts)
    hook.remove()
    for vectors in (encoded, again):
        assert len(vectors) == len(expected)
        assert max(distance(*pair) for pair in zip(vectors, expected, strict=True)) < 1e-6


def test_a_single_text_that_does_not_fit_is_refused(random_model: Callable[[str], Path]) -> None:
    model = SpladeModel.load(str(random_model("bert")), device="cpu")
    too_many_tokens(model, 100)
    with pytest.warns(RuntimeWarning), pytest.raises(ModelError, match=r"too small for \S+ to read a text of 256 tokens; give a smaller"):
        model.encode_documents(["a word", LONG, LONG])


def test_four_threads_at_once_encode_as_one_does(tiny: SpladeModel) -> None:
    jobs = [([*LINES[10 * each : 10 * each + 5], LONG[100 * each :]], 8 + 4 * each) for each in range(16)]

    def encode(job: tuple[list[str], int]) -> list[dict[str, float]]:
        return tiny.document_weights(job[0], max_length=job[1])

    alone = [encode(job) for job in jobs]
    with ThreadPoolExecutor(4) as threads:
        at_once = list(threads.map(encode, jobs))
    for ours, others in zip(at_once, alone, strict=True):
        assert max(distance(*pair) for pair in zip(ours, others, strict=True)) < 1e-5
