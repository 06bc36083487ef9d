"""On a GPU: the kernel of the head, encoding in each precision, and what happens when memory is short."""

from __future__ import annotations

import shutil
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from torch import Tensor

from splade_lucene.encoding import batches
from splade_lucene.encoding.fused_head import TRITON, FusedVocabulary, candidates, fuse
from splade_lucene.encoding.head import splade_max
from splade_lucene.encoding.kernels import TORCH
from splade_lucene.encoding.model import SpladeModel
from splade_lucene.encoding.pooling import pool
from splade_lucene.errors import ModelError
from splade_lucene.pipeline.encode import ModelSpec, encode_collection
from splade_lucene.records import Activation, Passage, Pooling
from splade_lucene.vectors.manifest import read_manifest

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here that torch can use")

TEXTS = [
    f"The glass of pane {number} cracks under thermal stress, as its edge is cut unevenly." * (1 + number % 9) for number in range(200)
]
PASSAGES = [Passage(f"d{number}", text) for number, text in enumerate(TEXTS)]
DTYPES = [torch.float32, torch.float16, torch.bfloat16]
SHAPES = {
    "one token": (1, 1, 32, 77),
    "one part of the vocabulary": (3, 5, 128, 100),
    "more passages than in a group, none a multiple of a block": (21, 130, 128, 1001),
    "the size of BERT-base, several blocks of tokens": (9, 300, 768, 3000),
    "the size of MiniLM": (4, 64, 384, 515),
    "a size that is cut in parts of 16": (5, 33, 48, 260),
}


@pytest.fixture(autouse=True)
def needs_triton() -> None:
    pytest.importorskip("triton", reason="this torch comes without Triton")


def make(shape: tuple[int, int, int, int], dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Hidden states, mask, weight, bias."""
    passages, tokens, size, entries = shape
    noise = torch.Generator().manual_seed(0)
    hidden, weight = torch.randn(passages, tokens, size, generator=noise), torch.randn(entries, size, generator=noise) * 0.1
    mask = torch.arange(tokens) < torch.randint(1, tokens + 1, (passages, 1), generator=noise)
    hidden[~mask] *= 1000  # would win if it were looked at
    bias = torch.randn(entries, generator=noise)
    bias[::7] = -torch.inf
    return hidden.to("cuda", dtype), mask.cuda(), weight.to("cuda", dtype), bias.cuda()


def formula(hidden: Tensor, mask: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    logits = hidden.double() @ weight.double().T + (0 if bias is None else bias.double())
    return logits.masked_fill(~mask.unsqueeze(-1), -torch.inf).amax(dim=1).relu().log1p()


@pytest.mark.parametrize("with_bias", [False, True], ids=["no bias", "bias"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_the_kernel_is_the_plain_formula_with_each_block_size_in_the_same_bits(
    shape: tuple[int, int, int, int], dtype: torch.dtype, with_bias: bool
) -> None:
    hidden, mask, weight, bias = make(shape, dtype)
    expected = formula(hidden, mask, weight, bias if with_bias else None)
    found = []
    for blocks in candidates(shape[2], dtype):
        pooled = splade_max(hidden, mask, FusedVocabulary(weight, blocks), bias if with_bias else None)
        assert pooled.dtype == torch.float32
        torch.testing.assert_close(pooled.double(), expected, atol=2e-5, rtol=0)
        found.append(pooled)
    assert all(torch.equal(each, found[0]) for each in found)


def test_a_hidden_state_that_overflowed_is_not_lost() -> None:
    hidden, mask, weight, bias = make((3, 70, 128, 300), torch.float16)
    hidden[1, 0, 5] = torch.nan
    for blocks in candidates(128, torch.float16):
        pooled = splade_max(hidden, mask, FusedVocabulary(weight, blocks), bias)
        assert pooled.isnan().any(dim=1).tolist() == [False, True, False]


def by_torch(hidden: Tensor, mask: Tensor, weight: Tensor) -> Tensor:
    return splade_max(hidden, mask, weight, None)


def test_the_kernel_is_left_out_where_it_is_not_wanted_does_not_work_or_is_not_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    weight = torch.randn(3000, 128, device="cuda", dtype=torch.float16)
    assert fuse(weight, TORCH, by_torch) is None
    assert isinstance(fuse(weight, TRITON, by_torch), FusedVocabulary)
    assert fuse(weight, "auto", lambda hidden, *_: hidden) is None  # nothing is faster than that
    odd = torch.randn(3000, 130, device="cuda", dtype=torch.float16)
    assert fuse(odd, "auto", by_torch) is None
    with pytest.raises(
        ModelError, match=r"'triton' of matrix products do not work on this device \(the hidden size 130 .*; there is torch$"
    ):
        fuse(odd, TRITON, by_torch)
    with pytest.raises(ModelError, match="'onednn' of matrix products do not work on this device; there is torch, triton"):
        fuse(weight, "onednn", by_torch)
    monkeypatch.delitem(sys.modules, "splade_lucene.encoding.fused_kernel")
    monkeypatch.setitem(sys.modules, "triton", None)
    assert fuse(weight, "auto", by_torch) is None
    with pytest.raises(ModelError, match=r"do not work on this device \(import of triton halted"):
        fuse(weight, TRITON, by_torch)


@pytest.mark.parametrize("activation", ["relu", "log1p_relu"])
@pytest.mark.parametrize("pooling", ["max", "sum"])
def test_torch_pools_on_a_gpu_as_on_a_cpu(pooling: Pooling, activation: Activation) -> None:
    hidden, mask, weight, bias = make((9, 40, 48, 700), torch.float32)
    hidden[~mask] = 0
    given = hidden, mask, weight, bias
    there, here = (pool(*each, pooling=pooling, activation=activation).cpu() for each in (given, [tensor.cpu() for tensor in given]))
    torch.testing.assert_close(there, here, atol=1e-4, rtol=1e-5)


def differences(left: list[dict[str, int]], right: list[dict[str, int]]) -> list[int]:
    return [abs(a.get(token, 0) - b.get(token, 0)) for a, b in zip(left, right, strict=True) for token in a.keys() | b.keys()]


def impacts(model: SpladeModel) -> list[dict[str, int]]:
    return model.encode_documents(TEXTS, max_length=128)


def test_fp32_gives_the_impacts_of_a_cpu_within_rounding(tiny: SpladeModel) -> None:
    expected = impacts(tiny)
    for kernels in (TORCH, TRITON):
        model = SpladeModel.load("tiny", device="cuda", precision="fp32", kernels=kernels)
        assert (model.record().kernels, model.record().precision) == (kernels, "fp32")
        found = differences(expected, impacts(model))
        assert max(found) <= 1 and sum(found) < 0.002 * len(found)


@pytest.mark.parametrize(("precision", "most"), [("fp16", 2), ("bf16", 10)])
def test_half_precision_changes_impacts_by_no_more_than_the_docs_say(tiny: SpladeModel, precision: str, most: int) -> None:
    model = SpladeModel.load("tiny", device="cuda", precision=precision)
    found = differences(impacts(tiny), impacts(model))
    assert 0 < max(found) <= most


def test_a_gpu_computes_in_fp16_by_default_and_says_so() -> None:
    model = SpladeModel.load("tiny", device="cuda")
    assert model.record().precision == "fp16"
    assert SpladeModel.load("tiny").device_type == "cuda"


@pytest.mark.parametrize("family", ["bert", "distilbert", "roberta", "modernbert"])
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_every_architecture_gives_the_weights_of_a_cpu(random_model: Callable[[str], Path], family: str, precision: str) -> None:
    folder = str(random_model(family))
    here = SpladeModel.load(folder, device="cpu", precision="fp32").document_weights(TEXTS[:30], max_length=128)
    there = SpladeModel.load(folder, device="cuda", precision=precision).document_weights(TEXTS[:30], max_length=128)
    tolerance = 1e-3 if precision == "fp32" else 0.1  # the weights of a random model reach 3
    for one, other in zip(here, there, strict=True):
        assert max(abs(one.get(token, 0) - other.get(token, 0)) for token in one.keys() | other.keys()) < tolerance


@pytest.fixture
def little_memory() -> Iterator[Callable[[int], None]]:
    """Leaves torch no more than some megabytes beyond what it holds, or nothing at all."""
    taken: list[Tensor] = []

    def limit(megabytes: int) -> None:
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + megabytes * 2**20) / total)
        for size in (2**20, 2**16, 2**12, 2**9) if megabytes == 0 else ():
            with suppress(torch.OutOfMemoryError):
                while True:
                    taken.append(torch.empty(size, dtype=torch.uint8, device="cuda"))

    yield limit
    taken.clear()
    torch.cuda.set_per_process_memory_fraction(1.0)
    torch.cuda.empty_cache()


def test_batches_that_are_too_large_for_memory_are_halved_and_nothing_is_lost(little_memory: Callable[[int], None]) -> None:
    texts = TEXTS * 8
    expected = SpladeModel.load("tiny", device="cuda").encode_documents(texts, max_length=128)
    model = SpladeModel.load("tiny", device="cuda")
    little_memory(96)
    with pytest.warns(RuntimeWarning, match=r"^the memory of the device is too small for \d+ tokens at once; continuing with \d+$"):
        found = model.encode_documents(texts, max_length=128)
    assert model._bags._batches._budget < batches._TOKEN_BUDGETS["cuda"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = model.encode_documents(texts, max_length=128)  # what is known to be too large is not tried again
    for each in (found, again):
        changed = differences(expected, each)
        assert max(changed) <= 1 and sum(changed) < 0.05 * len(changed)  # other batches round differently


def test_a_text_that_does_not_fit_at_all_is_refused(random_model: Callable[[str], Path], little_memory: Callable[[int], None]) -> None:
    model = SpladeModel.load(str(random_model("bert")), device="cuda", precision="fp32")
    little_memory(0)
    with (
        pytest.warns(RuntimeWarning),
        pytest.raises(ModelError, match=r"too small for \S+ to read a text of \d+ tokens; give a smaller --max-"),
    ):
        model.encode_documents([text * 20 for text in TEXTS] * 20, max_length=320)


def files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in (folder / "vectors").iterdir()}


@pytest.mark.parametrize("begun_with", [TORCH, TRITON])
def test_a_resumed_run_and_several_workers_write_the_same_bytes(tmp_path: Path, begun_with: str) -> None:
    spec = ModelSpec("tiny", device="cuda", kernels=begun_with)
    options = {"max_length": 128, "shard_size": 64}
    encode_collection(PASSAGES, tmp_path / "whole", spec, settings=None, **options)  # type: ignore[arg-type]
    encode_collection(PASSAGES[:64], tmp_path / "begun", spec, **options)  # type: ignore[arg-type]
    shutil.copytree(tmp_path / "begun", tmp_path / "loaded")
    encode_collection(PASSAGES, tmp_path / "begun", ModelSpec("tiny", device="cuda"), **options)  # type: ignore[arg-type]
    other = SpladeModel.load("tiny", device="cuda", kernels=TRITON if begun_with == TORCH else TORCH)
    encode_collection(PASSAGES, tmp_path / "loaded", other, **options)  # type: ignore[arg-type]
    encode_collection(PASSAGES, tmp_path / "workers", spec, workers=2, **options)  # type: ignore[arg-type]
    manifest = read_manifest(tmp_path / "whole")
    assert manifest is not None and (manifest.encoder.kernels, manifest.encoder.precision) == (begun_with, "fp16")
    for name in ("begun", "loaded", "workers"):
        assert files(tmp_path / name) == files(tmp_path / "whole")
        assert read_manifest(tmp_path / name) == manifest


@pytest.mark.parametrize("threads", [1, 3])
def test_the_number_of_threads_that_feed_the_gpu_changes_no_byte(monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    model = SpladeModel.load("tiny", device="cuda")
    monkeypatch.setattr(model._bags._batches, "_budget", 1024)
    expected = impacts(model)
    monkeypatch.setattr(batches, "_FEEDING", threads)
    assert impacts(model) == expected


def test_kernels_of_a_cpu_are_refused() -> None:
    with pytest.raises(ModelError, match="'onednn' of matrix products do not work on this device; there is torch, triton"):
        SpladeModel.load("tiny", device="cuda", kernels="onednn")
