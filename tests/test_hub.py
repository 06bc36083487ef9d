"""Models of the hub: what is asked of it, and what is said when it refuses."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import httpx
import huggingface_hub
import pytest
from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError
from safetensors.numpy import save_file

from splade_lucene.cli.main import main
from splade_lucene.encoding.loading import find_model, find_query_model, find_tokenizer
from splade_lucene.encoding.static import StaticQueryEncoder


@pytest.fixture
def repository(random_model: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """A hub with one repository, an OpenSearch doc model, of which a call gets the files that it asks for; gives the calls."""
    import numpy as np

    origin = tmp_path / "origin"
    shutil.copytree(random_model("bert"), origin)
    side = origin / "query_0_SparseStaticEmbedding"
    side.mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(origin / name, side / name)
    size = max(json.loads((side / "tokenizer.json").read_text())["model"]["vocab"].values()) + 1
    save_file({"weight": np.ones(size, np.float32)}, side / "model.safetensors")
    (origin / "1_SpladePooling").mkdir()
    (origin / "1_SpladePooling" / "config.json").write_text("{}")
    prefix = "sentence_transformers.sparse_encoder.models"
    types = {"": f"{prefix}.MLMTransformer", "1_SpladePooling": f"{prefix}.SpladePooling", side.name: f"{prefix}.SparseStaticEmbedding"}
    structure = {"document": ["", "1_SpladePooling"], "query": [side.name]}
    (origin / "router_config.json").write_text(json.dumps({"types": types, "structure": structure, "parameters": {}}))
    (origin / "modules.json").write_text(json.dumps([{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Router"}]))
    calls: list[dict[str, Any]] = []
    cache = tmp_path / "c0ffee"

    def snapshot_download(name: str, **options: Any) -> str:
        calls.append({"name": name, **options})
        for file in origin.rglob("*"):
            place = file.relative_to(origin).as_posix()
            wanted = any(fnmatch(place, pattern) for pattern in options["allow_patterns"])
            if file.is_file() and wanted and not any(fnmatch(place, pattern) for pattern in options["ignore_patterns"]):
                (cache / place).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, cache / place)
        return str(cache)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    return calls


def test_a_query_side_that_is_a_table_is_fetched_without_the_network_of_the_passages(
    repository: list[dict[str, Any]], tmp_path: Path
) -> None:
    files = find_query_model("org/doc", token="secret")
    assert (files.name, files.revision, files.kind) == ("org/doc", "c0ffee", "static")
    assert not (tmp_path / "c0ffee" / "model.safetensors").exists()
    assert len(StaticQueryEncoder(files).encode_queries(["a word"])[0]) > 0
    assert {call["token"] for call in repository} == {"secret"}
    tokenizer = find_tokenizer("org/doc")
    assert tokenizer.tokenizer_sha256 == find_model("org/doc").tokenizer_sha256
    assert (tmp_path / "c0ffee" / "model.safetensors").exists()  # only now


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (GatedRepoError, "the model 'org/gated' is gated: accept its terms at https://huggingface.co/org/gated, then log in with `hf auth"),
        (
            RepositoryNotFoundError,
            "there is no model 'org/gated' on the Hugging Face hub, or it is private; check its name, and for a priv",
        ),
    ],
)
def test_what_the_hub_refuses_is_said_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Any, reason: str
) -> None:
    asked: list[Any] = []

    def refuse(name: str, **options: Any) -> str:
        asked.append(options["token"])
        raise error("401 Client Error", response=httpx.Response(401, request=httpx.Request("GET", "https://huggingface.co")))

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    assert main(["explain", "a word", "--model", "org/gated", "--token", "hf_x", "--device", "cpu"]) == 1
    message = capsys.readouterr().err
    assert reason in message and "HF_TOKEN" in message and "--token" in message and "hf_x" not in message
    assert asked == ["hf_x"]
