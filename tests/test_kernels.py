"""Products through packed oneDNN and through torch: the same numbers within rounding, and fp32 that is fp32."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional

from splade_lucene.encoding import kernels, network
from splade_lucene.encoding.head import PackedVocabulary
from splade_lucene.encoding.kernels import ONEDNN, TORCH, Linear, fastest_kernels, replace_linear
from splade_lucene.encoding.model import SpladeModel
from splade_lucene.errors import ModelError
from splade_lucene.pipeline import passage_encoder
from splade_lucene.pipeline.encode import encode_collection
from splade_lucene.records import Passage
from splade_lucene.vectors.manifest import read_manifest

TEXTS = [f"The glass of pane {number} cracks under thermal stress, as its edge is cut unevenly." * (1 + number % 5) for number in range(40)]


@pytest.fixture(autouse=True)
def measured_anew() -> Iterator[None]:
    fastest_kernels.cache_clear()
    yield
    fastest_kernels.cache_clear()


def works_here(name: str) -> bool:
    return name in fastest_kernels(128, torch.float32).gflops


@pytest.fixture(params=[TORCH, ONEDNN])
def each_kernels(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if not works_here(name):
        pytest.skip(f"this torch has no {name} kernels")
    return name


@pytest.mark.parametrize("rows", [1, 13, 512, 700])
@pytest.mark.parametrize("with_bias", [False, True])
def test_a_linear_layer_computes_what_torch_computes(each_kernels: str, rows: int, with_bias: bool) -> None:
    torch.manual_seed(0)
    inputs, weight, bias = torch.randn(2, rows, 96), torch.randn(300, 96), torch.randn(300)
    layer = Linear(weight, bias if with_bias else None, kernels=each_kernels, dtype=torch.float32)
    exact = functional.linear(inputs.double(), weight.double(), bias.double() if with_bias else None)
    assert (layer(inputs).double() - exact).abs().max() < 1e-4
    rounded = Linear(weight, bias if with_bias else None, kernels=each_kernels, dtype=torch.bfloat16)(inputs)
    assert rounded.dtype == torch.float32
    error = (rounded.double() - exact).abs().max() / exact.abs().max()
    assert 1e-4 < error < 2e-2


def test_a_layer_that_is_used_twice_is_packed_once_and_can_be_put_back() -> None:
    shared = torch.nn.Linear(8, 8)
    model = torch.nn.Sequential(shared, torch.nn.ReLU(), torch.nn.Sequential(shared, torch.nn.Linear(8, 4)))
    inputs = torch.randn(3, 8)
    before = list(model.modules())
    expected = model(inputs)
    restore = replace_linear(model, TORCH, torch.float32)
    assert [type(layer) for layer in model.modules()].count(Linear) == 2
    assert torch.equal(model(inputs), expected)
    restore()
    assert list(model.modules()) == before


@pytest.mark.parametrize("gflops", [{TORCH: 100.0, ONEDNN: 105.0}, {TORCH: 100.0, ONEDNN: 120.0}, {TORCH: 100.0}], ids=str)
def test_onednn_is_chosen_where_it_was_measured_to_be_faster(monkeypatch: pytest.MonkeyPatch, gflops: dict[str, float]) -> None:
    made: list[str] = []
    product = kernels._product

    def spied(weight: torch.Tensor, bias: torch.Tensor | None, name: str) -> Any:
        if name not in gflops:
            raise RuntimeError("built without")
        made.append(name)
        return product(weight, bias, TORCH)

    monkeypatch.setattr(kernels, "_product", spied)
    monkeypatch.setattr(kernels, "_seconds", lambda *_: 1 / gflops[made[-1]])
    found = fastest_kernels(32, torch.float32)
    assert found.kernels == (ONEDNN if gflops.get(ONEDNN) == 120 else TORCH)
    assert found.gflops.keys() == gflops.keys()


def test_kernels_that_round_fp32_to_bf16_are_not_taken_for_fp32(monkeypatch: pytest.MonkeyPatch) -> None:
    product = kernels._product

    def rounding(weight: torch.Tensor, bias: torch.Tensor | None, name: str) -> Any:
        plain = product(weight, bias, TORCH)
        return (lambda inputs: plain(inputs.bfloat16().to(inputs.dtype))) if name == ONEDNN else plain

    monkeypatch.setattr(kernels, "_product", rounding)
    assert fastest_kernels(32, torch.float32).gflops.keys() == {TORCH}
    assert fastest_kernels(32, torch.bfloat16).gflops.keys() == {TORCH, ONEDNN}


@pytest.mark.parametrize("wanted", ["cuda", "triton"])
def test_unknown_kernels_and_those_of_a_gpu_are_refused(wanted: str) -> None:
    with pytest.raises(ModelError, match=rf"^the kernels '{wanted}' of matrix products do not work .* there is torch"):
        SpladeModel.load("tiny", device="cpu", kernels=wanted)


def impacts(model: SpladeModel) -> list[dict[str, int]]:
    return model.encode_documents(TEXTS, max_length=64)


def differences(left: list[dict[str, int]], right: list[dict[str, int]]) -> list[int]:
    return [abs(a.get(token, 0) - b.get(token, 0)) for a, b in zip(left, right, strict=True) for token in a.keys() | b.keys()]


@pytest.mark.parametrize("name", ["tiny", "bert", "distilbert", "roberta", "modernbert"])
def test_both_kernels_give_the_same_impacts_within_rounding(name: str, random_model: Callable[[str], Path], tiny: SpladeModel) -> None:
    if not works_here(ONEDNN):
        pytest.skip("this torch has no oneDNN kernels")
    folder = name if name == "tiny" else str(random_model(name))
    one, other = (SpladeModel.load(folder, device="cpu", precision="fp32", kernels=each) for each in (TORCH, ONEDNN))
    assert (one.record().kernels, other.record().kernels) == (TORCH, ONEDNN)
    found = differences(impacts(one), impacts(other))
    assert max(found) <= 1 and sum(found) < 0.002 * len(found)


@pytest.mark.parametrize(("name", "most"), [("tiny", 3), ("bert", 15)])
def test_bf16_changes_impacts_by_no_more_than_the_docs_say(
    name: str, most: int, each_kernels: str, random_model: Callable[[str], Path], tiny: SpladeModel
) -> None:
    folder = name if name == "tiny" else str(random_model(name))
    exact = SpladeModel.load(folder, device="cpu", precision="fp32", kernels=TORCH)
    rounded = SpladeModel.load(folder, device="cpu", precision="bf16", kernels=each_kernels)
    found = differences(impacts(exact), impacts(rounded))  # of the random network larger: its weights are far larger than trained ones
    assert 0 < max(found) <= most


def test_a_small_models_encoder_stays_in_fp32_under_bf16() -> None:
    small: Any = SpladeModel.load("tiny", device="cpu", precision="bf16")._network
    layers = [layer for layer in small._network.modules() if isinstance(layer, Linear)]
    assert {layer._dtype for layer in layers} <= {torch.float32}
    assert isinstance(small._weight, PackedVocabulary) and small._weight.dtype == torch.bfloat16


def test_an_architecture_that_looks_into_its_layers_is_computed_by_torch(random_model: Callable[[str], Path], monkeypatch: Any) -> None:
    def breaking(model: torch.nn.Module, *_: Any) -> Callable[[], None]:
        hook = model.register_forward_pre_hook(
            lambda *_: (_ for _ in ()).throw(AttributeError("'Linear' object has no attribute 'weight'"))
        )
        return hook.remove

    expected = impacts(SpladeModel.load(str(random_model("distilbert")), device="cpu", kernels=TORCH))
    monkeypatch.setattr(network, "replace_linear", breaking)
    model = SpladeModel.load(str(random_model("distilbert")), device="cpu", precision="fp32", kernels=ONEDNN)
    assert model.record().kernels == TORCH
    assert impacts(model) == expected


PASSAGES = [Passage(f"d{number}", text) for number, text in enumerate(TEXTS)]


@pytest.mark.parametrize("begun_with", [TORCH, ONEDNN])
def test_a_resumed_run_computes_as_the_one_that_began(tiny: SpladeModel, tmp_path: Path, begun_with: str) -> None:
    if not works_here(ONEDNN):
        pytest.skip("this torch has no oneDNN kernels")
    first, whole = SpladeModel.load("tiny", device="cpu", kernels=begun_with), tmp_path / "whole"
    other = SpladeModel.load("tiny", device="cpu", kernels=ONEDNN if begun_with == TORCH else TORCH)
    encode_collection(PASSAGES, whole, first, max_length=32, shard_size=8)

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    for resumed_with in (other, "tiny"):
        out = tmp_path / f"out {resumed_with if isinstance(resumed_with, str) else 'loaded'}"
        shutil.copytree(whole, out)
        encode_collection(PASSAGES[:8], out, first, max_length=32, shard_size=8, overwrite=True)
        encode_collection(PASSAGES, out, resumed_with, max_length=32, shard_size=8)
        manifest = read_manifest(out)
        assert manifest is not None and manifest.encoder.kernels == begun_with
        for file in (whole / "vectors").iterdir():
            assert file.read_bytes() == (out / "vectors" / file.name).read_bytes()


def test_vectors_that_were_begun_with_kernels_that_are_missing_here_are_refused(
    tiny: SpladeModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode_collection(PASSAGES[:8], tmp_path / "out", SpladeModel.load("tiny", device="cpu", kernels=ONEDNN), max_length=32)
    monkeypatch.setattr(kernels, "KERNELS", (TORCH,))
    fastest_kernels.cache_clear()
    model = SpladeModel.load("tiny", device="cpu")
    with pytest.raises(ModelError, match="the kernels 'onednn' of matrix products do not work on this processor"):
        encode_collection(PASSAGES, tmp_path / "out", model, max_length=32)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_the_number_of_threads_changes_no_byte(tiny: SpladeModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    from splade_lucene.encoding import batches

    monkeypatch.setattr(passage_encoder, "_WINDOW", 16)
    monkeypatch.setattr(tiny._bags._batches, "_budget", 128)
    monkeypatch.setattr(batches, "encoding_threads", lambda: 1)
    encode_collection(PASSAGES, tmp_path / "one", tiny, max_length=32, shard_size=24)
    monkeypatch.setattr(batches, "encoding_threads", lambda: threads)
    encode_collection(PASSAGES, tmp_path / "out", tiny, max_length=32, shard_size=24)
    for file in (tmp_path / "one").rglob("*.json*"):
        assert file.read_bytes() == (tmp_path / "out" / file.relative_to(tmp_path / "one")).read_bytes()


def test_threads_that_encode_compute_alone_and_leave_the_callers_number_as_it_was() -> None:
    from splade_lucene.encoding.threads import encoding_executor

    every = torch.get_num_threads()
    found = list(encoding_executor(3).map(lambda _: torch.get_num_threads(), range(30)))
    assert set(found) == {1}
    assert torch.get_num_threads() == every
    import threading

    seen: list[int] = []
    thread = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert seen == [every]
