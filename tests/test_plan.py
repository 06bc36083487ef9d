"""Estimates held against what real runs wrote, at two sizes. Times are compared by ``scripts/bench_plan.py``, never in a test."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from splade_lucene.cli.main import main
from splade_lucene.collections.passages import read_passages
from splade_lucene.errors import InputError
from splade_lucene.experiment.plan import plan, sample_collection
from splade_lucene.lucene.card import folder_bytes
from splade_lucene.lucene.indexing import build_impact_index
from splade_lucene.lucene.statistics import index_statistics
from splade_lucene.pipeline.encode import EncodingSettings, encode_collection
from tests.effort import rounds

if TYPE_CHECKING:
    from splade_lucene.encoding.model import SpladeModel

SETTINGS = EncodingSettings(max_length=32)


@pytest.mark.parametrize("size", [rounds(1000, 500), rounds(2000, 1000)])
def test_bytes_are_within_a_quarter_of_those_of_a_real_run(
    size: int, tiny: SpladeModel, real_collection: Callable[[str], Path], tmp_path: Path
) -> None:
    passages = list(islice(read_passages(real_collection("scifact")), size))
    manifest = encode_collection(passages, tmp_path / "out", tiny, settings=SETTINGS)
    build_impact_index(tmp_path / "out", tmp_path / "index")
    collection = sample_collection(iter(passages))
    found = plan(collection._replace(sample=collection.sample[:400]), tiny, SETTINGS, seconds=60)
    assert (found.documents, found.encoded) == (size, 400)
    statistics = index_statistics(tmp_path / "index")
    for estimate, real in (
        (found.terms, manifest.postings / size),
        (found.vector_bytes, sum(file.stat().st_size for file in (tmp_path / "out" / "vectors").iterdir())),
        (found.index_bytes, folder_bytes(tmp_path / "index")),
        (found.memory_bytes, statistics.memory),
    ):
        assert estimate == pytest.approx(real, rel=0.25)


@pytest.mark.parametrize(("option", "message"), [("--subfolder", "leave --revision and --subfolder out"), ("--query-model", "nowhere")])
def test_the_model_is_the_one_that_all_options_say(option: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--documents", "10", "--words", "5", "--model", "tiny", option, "./nowhere"]) == 1
    assert message in capsys.readouterr().err


def test_the_command_describes_a_corpus_by_its_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["plan", "--documents", "1000000", "--words", "20", "--model", "tiny", "--max-length", "32", "--seconds", "1", "--parts", "4"]
    assert main(command) == 0
    out = capsys.readouterr().out
    assert out.startswith("1,000,000 passages, ")
    assert "an index of 20,000 copies, one thread; 4 part(s) at the same time" in out
    for wrong, message in (
        (["plan", "--model", "tiny"], "give a CORPUS, or --documents N --words M"),
        (["plan", "--words", "5"], "--words needs --documents"),
    ):
        with pytest.raises(SystemExit):
            main(wrong)
        assert message in capsys.readouterr().err
    with pytest.raises(InputError, match="holds no passages"):
        sample_collection(iter(()))
