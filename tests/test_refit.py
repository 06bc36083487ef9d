"""Training once more with the held-out queries, when they have chosen and judged."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from splade_lucene.encoding.defaults import Lengths
from splade_lucene.encoding.model import SpladeModel
from splade_lucene.training import sources, watch
from splade_lucene.training import train as training
from splade_lucene.training.corpus import Corpus
from splade_lucene.training.examples import Examples, number_examples
from splade_lucene.training.judgments import read_judgments
from splade_lucene.training.mining import Mining
from splade_lucene.training.sources import TrainingData, judged_source
from splade_lucene.training.verdict import Verdict, judge_training
from tests.training_set import ANY_COST, QUERIES, RECIPE, record, train, write_qrels

FOUR_FIFTHS = 0.8


@pytest.fixture
def replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """In six steps a model with random weights learns nothing: here the last is the best, and better than the original."""

    def judge(*args: Any, **options: Any) -> Verdict:
        return judge_training(*args, **options)._replace(replaces=True)

    monkeypatch.setattr(training, "judge_training", judge)
    monkeypatch.setattr(watch.Watch, "_best", lambda self: len(self._found) - 1)


def texts(found: Examples) -> set[str]:
    return {found.queries[row.query] for row in found.rows}


def test_all_queries_are_trained_on_where_that_adds_to_them(training_dataset: Path, training_base: Path, tmp_path: Path) -> None:
    def source(folder: Path, rows: int) -> TrainingData:
        corpus = Corpus(folder)
        mining = Mining(tmp_path / "mining" / folder.name, corpus, SpladeModel.load(training_base), Lengths(32, 8))
        return judged_source(corpus, read_judgments(folder, "train", corpus.doc_ids), mining, rows=rows, seed=1)

    found = source(training_dataset, 2 * QUERIES)
    assert found.joined is not None
    joined = found.joined()
    held = {query.text for part in (found.choosing, found.verdict) for query in part.held_out.queries}
    assert held and not texts(found.examples) & held
    assert len(joined.rows) == 2 * QUERIES and texts(joined) == texts(found.examples) | held and len(texts(joined)) == QUERIES
    # The positive comes first, and is known to be one.
    assert all(row.documents[0] in joined.known[row.query] and row.documents[1] not in joined.known[row.query] for row in joined.rows)
    # Steps that do not even use the others need no more; queries of a split of their own are not trained on.
    assert source(training_dataset, QUERIES - 1).joined is None
    copy = shutil.copytree(training_dataset, tmp_path / "copy")
    write_qrels(copy / "qrels" / "dev.tsv", [(f"q{n}", f"d{n}", 2) for n in range(QUERIES, 120)])
    assert source(copy, 2 * QUERIES).joined is None


@pytest.mark.usefixtures("replaced")
def test_the_model_is_trained_again_with_the_queries_that_judged_it(
    training_dataset: Path, training_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    numbered: list[int] = []

    def spy(queries: Any, *args: Any) -> Examples:
        numbered.append(len(queries))
        return number_examples(queries, *args)

    monkeypatch.setattr(sources, "number_examples", spy)
    # As many rows as queries.
    options = ("--model", training_base, "--qrels", "train", *RECIPE, "--batch-size", QUERIES // 6)
    assert train(training_dataset, tmp_path / "model", *options) == 0
    printed = capsys.readouterr()
    assert "training with the held-out queries as well" in printed.err and "no longer held-out nDCG@10" in printed.err
    assert "the model before the last training" in printed.out
    assert numbered[1] == QUERIES and numbered[0] < FOUR_FIFTHS * QUERIES
    written = record(tmp_path / "model")
    assert written["refit"]["step"] == written["step"] == 6
    assert "it was trained from the start with them as well" in (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    # Without, it is the model that was judged.
    assert train(training_dataset, tmp_path / "judged", *options, "--no-refit") == 0
    judged = record(tmp_path / "judged")
    assert judged["refit"] is None and judged["verdict"] == written["verdict"]
    weights = load_file(tmp_path / "judged" / "model.safetensors")
    assert any(not torch.equal(tensor, weights[name]) for name, tensor in load_file(tmp_path / "model" / "model.safetensors").items())
    # What has to meet a budget is what was measured.
    assert train(training_dataset, tmp_path / "budget", *options, *ANY_COST) == 0
    assert record(tmp_path / "budget")["refit"] is None


@pytest.mark.usefixtures("replaced")
def test_the_last_training_resumes_as_well(
    training_dataset: Path, training_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--model", training_base, "--qrels", "train", *RECIPE, "--batch-size", QUERIES // 6)
    assert train(training_dataset, tmp_path / "whole", *options) == 0
    check_batch = watch.Watch._check_batch
    with monkeypatch.context() as patched:

        def cut_off(self: Any, state: Any) -> None:
            if state.global_step == 4 and self._job.folder.name == "refit":
                raise KeyboardInterrupt
            check_batch(self, state)

        patched.setattr(watch.Watch, "_check_batch", cut_off)
        assert train(training_dataset, tmp_path / "cut", *options) == 130
    assert (tmp_path / "cut.training" / "refit").is_dir() and not (tmp_path / "cut").exists()
    capsys.readouterr()
    assert train(training_dataset, tmp_path / "cut", *options) == 0
    err = capsys.readouterr().err
    assert "training: step" not in err and "training with all queries: resuming after step 3" in err
    assert record(tmp_path / "cut")["refit"]["loss"] == pytest.approx(record(tmp_path / "whole")["refit"]["loss"])
    whole = load_file(tmp_path / "whole" / "model.safetensors")
    for name, tensor in load_file(tmp_path / "cut" / "model.safetensors").items():
        torch.testing.assert_close(tensor, whole[name])
