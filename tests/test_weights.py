"""Weights that are kept as floats: what is pruned from them is, byte for byte, what encoding with the same settings gives."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest

from splade_lucene.encoding.model import SpladeModel
from splade_lucene.errors import InputError
from splade_lucene.pipeline.encode import EncodingSettings, encode_collection
from splade_lucene.pipeline.weights import StoredWeights, prune_collection, weigh_collection
from splade_lucene.records import Passage

LINES = [line.strip() for line in Path(textwrap.__file__).read_text(encoding="utf-8").splitlines() if line.strip()]
PASSAGES = [Passage("empty", ""), *(Passage(f"d{number}", line, "Title") for number, line in enumerate(LINES[:40]))]
PRUNINGS: list[dict[str, Any]] = [
    {},
    {"top_k": 7},
    {"min_weight": 0.3, "scale": 51, "bits": 8},
    {"max_ratio": 0.25},
    {"alpha_mass": 0.6, "top_k": 30, "query_max_length": 9},
]


def stored(folder: Path, model: SpladeModel) -> StoredWeights:
    return weigh_collection(PASSAGES, folder, model, max_length=24, shard_size=16)


def contents(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture(scope="module")
def weights(tiny: SpladeModel, tmp_path_factory: pytest.TempPathFactory) -> StoredWeights:
    return stored(tmp_path_factory.mktemp("weights") / "w", tiny)


@pytest.mark.parametrize("options", PRUNINGS, ids=str)
def test_pruning_weights_gives_the_bytes_of_encoding(
    tiny: SpladeModel, weights: StoredWeights, tmp_path: Path, options: dict[str, Any]
) -> None:
    settings = EncodingSettings(max_length=24, shard_size=16)._replace(**options)
    manifest = prune_collection(PASSAGES, tmp_path / "pruned", weights, settings)
    assert encode_collection(PASSAGES, tmp_path / "encoded", tiny, settings=settings) == manifest
    assert contents(tmp_path / "pruned") == contents(tmp_path / "encoded")


def test_queries_by_idf_are_recorded_as_encode_does(weights: StoredWeights, tmp_path: Path) -> None:
    settings = EncodingSettings(max_length=24, shard_size=16, query_max_length=12)
    prune_collection(PASSAGES, tmp_path / "pruned", weights, settings, idf=True)
    model = SpladeModel.load("tiny", query_model="idf", device="cpu")
    encode_collection(PASSAGES, tmp_path / "encoded", model, settings=settings)
    assert contents(tmp_path / "pruned") == contents(tmp_path / "encoded")


def test_shards_that_are_there_are_kept(tiny: SpladeModel, weights: StoredWeights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    weigh = SpladeModel.weigh_windows

    def interrupted(*arguments: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return weigh(*arguments, **options)

    monkeypatch.setattr(SpladeModel, "weigh_windows", interrupted)
    with pytest.raises(KeyboardInterrupt):
        stored(tmp_path / "w", tiny)
    again = stored(tmp_path / "w", tiny)
    assert len(calls) == 4  # one shard, one that was interrupted, and it and the last
    assert [list(again.bags(shard)) for shard in again.shards] == [list(weights.bags(shard)) for shard in weights.shards]
    assert stored(tmp_path / "w", tiny) == again
    assert len(calls) == 4


def test_weights_of_something_else_are_refused(tiny: SpladeModel, tmp_path: Path) -> None:
    found = stored(tmp_path / "w", tiny)
    with pytest.raises(InputError, match="was started with max_length=24"):
        weigh_collection(PASSAGES, tmp_path / "w", tiny, max_length=25, shard_size=16)
    with pytest.raises(InputError, match="has the weights of other passages"):
        weigh_collection(PASSAGES[1:], tmp_path / "w", tiny, max_length=24, shard_size=16)
    with pytest.raises(InputError, match="has the weights of more passages"):
        weigh_collection(PASSAGES[:16], tmp_path / "w", tiny, max_length=24, shard_size=16)
    with pytest.raises(InputError, match="has the weights of other passages"):
        prune_collection(PASSAGES[1:], tmp_path / "out", found, EncodingSettings(max_length=24, shard_size=16))
    with pytest.raises(ValueError, match="the weights are of whole passages of 24 tokens"):
        prune_collection(PASSAGES, tmp_path / "out", found, EncodingSettings(max_length=23, shard_size=16))
    (tmp_path / "w" / "part-00001.safetensors").write_bytes(b"")
    with pytest.raises(InputError, match="is missing or was changed"):
        prune_collection(PASSAGES, tmp_path / "out2", found, EncodingSettings(max_length=24, shard_size=16))
