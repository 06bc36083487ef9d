"""Training on a collection: what is read, what is written, what is resumed, what is kept, and what is refused."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from splade_lucene.encoding.defaults import Lengths
from splade_lucene.encoding.model import SpladeModel
from splade_lucene.errors import InputError, SpladeLuceneError
from splade_lucene.evaluation.runs import Run
from splade_lucene.records import Query
from splade_lucene.training import extra, sources, taught, watch
from splade_lucene.training.corpus import Corpus
from splade_lucene.training.examples import number_examples
from splade_lucene.training.judgments import read_judgments
from splade_lucene.training.mining import Mining
from splade_lucene.training.teacher import teach
from tests.test_sparse_encoders import check
from tests.training_set import ANY_COST, QUERIES, RECIPE, record, train, write_qrels


@pytest.mark.parametrize("side", ["model", "static"])
def test_a_trained_folder_gives_the_same_vectors_in_both_libraries(
    training_dataset: Path, training_base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], side: str
) -> None:
    assert (
        train(training_dataset, tmp_path / "model", "--model", training_base, "--qrels", "train", "--query-side", side, *RECIPE, *ANY_COST)
        == 0
    )
    printed = capsys.readouterr()
    assert "held-out" in printed.out and "paired t-test" in printed.out and "loss" in printed.err
    model = check(tmp_path / "model")
    written = record(tmp_path / "model")
    assert written["verdict"]["replaces"]
    assert len({(each["score"], each["flops"]) for each in written["evaluations"]}) > 1  # the best may be the first, which changed little
    assert model.record().query.kind == ("static" if side == "static" else "mlm")
    assert model.lengths == Lengths(32, 8)
    assert not (tmp_path / "model.training").exists()
    card = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    assert "train.tsv" in card and "λ 0.1" in card and f"{written['verdict']['before']['score']:.4f}" in card


def test_no_test_query_is_read(training_dataset: Path, training_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: set[str] = set()
    number, searched = number_examples, Mining.runs

    def spy_examples(queries: Any, *args: Any) -> Any:
        seen.update(queries)
        return number(queries, *args)

    def spy_runs(self: Any, name: str, queries: Any) -> Any:
        seen.update(query.query_id for query in queries)
        return searched(self, name, queries)

    monkeypatch.setattr(sources, "number_examples", spy_examples)
    monkeypatch.setattr(Mining, "runs", spy_runs)
    # Its qrels/test.tsv is malformed: whoever reads it fails.
    assert train(training_dataset, tmp_path / "model", "--model", training_base, "--qrels", "train", *RECIPE) == 0
    assert seen == {f"q{number}" for number in range(QUERIES)}


def test_held_out_queries_are_not_trained_on(training_dataset: Path, tmp_path: Path) -> None:
    found = read_judgments(training_dataset, "train", Corpus(training_dataset).doc_ids, seed=1)
    trained = {query.query_id for query in found.queries}
    choosing, verdict = ({query.query_id for query in each.queries} for each in (found.choosing, found.verdict))
    assert len(trained) + len(choosing) + len(verdict) == QUERIES and len(trained | choosing | verdict) == QUERIES
    assert abs(len(choosing) - len(verdict)) <= 1 and found.positives.keys() == trained
    # With a split dev, every training query is trained on and those of dev, which must be others, are held out.
    copy = shutil.copytree(training_dataset, tmp_path / "copy")
    write_qrels(copy / "qrels" / "dev.tsv", [(f"q{n}", f"d{n}", 2) for n in range(80, 120)])
    found = read_judgments(copy, "train", Corpus(copy).doc_ids, seed=1)
    assert len(found.queries) == QUERIES
    held = [*found.choosing.qrels, *found.verdict.qrels]
    assert {qrel.query_id for qrel in held} == {f"q{n}" for n in range(QUERIES, 120)} and {qrel.relevance for qrel in held} == {2}


def test_a_run_that_was_cut_off_resumes_and_ends_as_if_it_had_not_been(
    training_dataset: Path,
    training_base: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = ("--model", training_base, "--qrels", "train", *RECIPE, *ANY_COST)
    assert train(training_dataset, tmp_path / "whole", *options) == 0
    with monkeypatch.context() as patched:
        check_batch = watch.Watch._check_batch

        def cut_off(self: Any, state: Any) -> None:
            if state.global_step == 4:
                raise KeyboardInterrupt
            check_batch(self, state)

        patched.setattr(watch.Watch, "_check_batch", cut_off)
        assert train(training_dataset, tmp_path / "cut", *options) == 130
    assert not (tmp_path / "cut").exists()
    checkpoints = tmp_path / "cut.training" / "run" / "checkpoints"
    # What was being written when the process was killed.
    (checkpoints / "checkpoint-5").mkdir()
    (checkpoints / "checkpoint-5" / "model.safetensors").write_bytes(b"half")
    capsys.readouterr()
    assert train(training_dataset, tmp_path / "cut", *options, "--seed", "2") == 1
    assert "was started with" in capsys.readouterr().err
    assert train(training_dataset, tmp_path / "cut", *options) == 0
    assert "resuming after step 3" in capsys.readouterr().err
    whole, cut = record(tmp_path / "whole"), record(tmp_path / "cut")
    assert [each["step"] for each in cut["evaluations"]] == [1, 2, 3, 4, 5, 6]
    for found, expected in zip(cut["evaluations"], whole["evaluations"], strict=True):
        assert found == pytest.approx(expected)
    assert cut["verdict"] == whole["verdict"]
    tensors = load_file(tmp_path / "whole" / "model.safetensors")
    for name, tensor in load_file(tmp_path / "cut" / "model.safetensors").items():
        torch.testing.assert_close(tensor, tensors[name])


def test_the_original_is_kept_where_training_does_not_help(
    training_dataset: Path, training_base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--learning-rate", "1e-12", "--score-scale", "1", "--regularization", "0")
    assert train(training_dataset, tmp_path / "model", "--model", training_base, "--qrels", "train", *options) == 0
    assert "the original is kept" in capsys.readouterr().out
    texts = ["a word", "wrap a paragraph of text"]
    assert SpladeModel.load(tmp_path / "model").encode_documents(texts) == SpladeModel.load(training_base).encode_documents(texts)
    assert not record(tmp_path / "model")["verdict"]["replaces"]
    assert train(training_dataset, tmp_path / "model", "--model", training_base, "--qrels", "train", *options) == 1
    assert "exists already" in capsys.readouterr().err


@pytest.mark.parametrize(
    "collapse",
    [
        (["--learning-rate", "0.05", "--regularization", "1e6"], "the vectors become empty"),
        (["--learning-rate", "1e30", "--regularization", "1"], "the loss is"),
    ],
)
def test_a_collapse_is_noticed_and_says_what_to_change(
    training_dataset: Path,
    training_base: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    collapse: tuple[list[str], str],
) -> None:
    options, what = collapse
    model = ("--model", training_base, "--qrels", "train", "--score-scale", "1")
    assert train(training_dataset, tmp_path / "model", *model, *options, "--max-steps", "30") == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert what in last and re.search(r"lower --(regularization|learning-rate)", last)
    step = re.search(r"step (\d+)", last)
    assert step and int(step.group(1)) <= 6, "it was not noticed within the first evaluation"
    assert not (tmp_path / "model").exists()


def test_titles_are_queries_where_there_are_no_judgments(
    training_dataset: Path, training_base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(training_dataset, tmp_path / "model", "--model", training_base, "--learning-rate", "1e-4") == 0
    assert "titles as queries against the texts below them" in capsys.readouterr().err
    assert "titles" in record(tmp_path / "model")["data"]["source"]
    found = sources.title_source(Corpus(training_dataset), rows=16, seed=1)
    assert len(found.examples.rows) == 16
    trained = {found.examples.queries[row.query] for row in found.examples.rows}
    held = {query.text for part in (found.choosing, found.verdict) for query in part.held_out.queries}
    assert not trained & held and len(held) == 30
    # A body without its title: else the query would be in it word for word.
    assert not any(text.startswith(tuple(trained)) for text in found.examples.documents)


@pytest.mark.parametrize("teacher", ["fusion", "model"])
def test_a_teacher_needs_no_judgments(
    training_dataset: Path, training_base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], teacher: str
) -> None:
    options = ["--model", training_base, "--learning-rate", "1e-3", "--teacher", training_base if teacher == "model" else "fusion"]
    if teacher == "model":
        file = tmp_path / "queries.jsonl"
        shutil.copy(training_dataset / "queries.jsonl", file)
        options += ["--queries", file]
    assert train(training_dataset, tmp_path / "model", *options) == 0
    err = capsys.readouterr().err
    assert "as the teacher" in err and ("titles" in err) == (teacher == "fusion")
    found = record(tmp_path / "model")
    assert any("as the teacher" in note for note in found["data"]["notes"])
    assert len(found["evaluations"]) == 6 and all(each["loss"] > 0 for each in found["evaluations"])
    assert train(training_dataset, tmp_path / "other", *options[:4], "--teacher", "fusion", "--queries", training_dataset) == 1
    assert "is a folder, whose queries are also those of its test split" in capsys.readouterr().err


def test_titles_for_a_teacher_are_searched_in_bodies(
    training_dataset: Path, training_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The words of a title are not in its body here. Were titles searched, each would find its own passage first: no body says why."""
    searched: list[tuple[Sequence[Query], Mapping[str, Run]]] = []

    def spy(teacher: str, queries: Sequence[Query], runs: Mapping[str, Run], *others: Any, **options: Any) -> Run:
        searched.append((queries, runs))
        return teach(teacher, queries, runs, *others, **options)

    monkeypatch.setattr(taught, "teach", spy)
    assert train(training_dataset, tmp_path / "model", "--model", training_base, "--learning-rate", "1e-3", "--teacher", "fusion") == 0
    [(queries, runs)] = searched
    own = {passage.title: passage.doc_id for passage in Corpus(training_dataset).passages()}
    found = {query.query_id: [hit.doc_id for hit in runs["bm25"].get(query.query_id, ())] for query in queries}
    assert sum(map(len, found.values())) > len(queries)
    # But for some whose body has another word of the same stem.
    assert sum(own[query.text] in found[query.query_id] for query in queries) < 0.1 * len(queries)


@pytest.mark.parametrize(
    ("qrels", "message"),
    [
        ([("q1", "d1", 0)], "no query has a positive"),
        ([("q1", "other", 1)], "that are not in"),
        ([("stranger", "d1", 1)], "judges none of the queries"),
        ([(f"q{n}", f"d{n}", 1) for n in range(49)], "training queries with a positive; at least 50 are needed"),
        ("test", "the split test is what models are compared on"),
        ("other", "no such split; there is test, train"),
    ],
)
def test_bad_judgments_are_one_sentence(training_dataset: Path, tmp_path: Path, qrels: Any, message: str) -> None:
    given = qrels
    if isinstance(qrels, list):
        write_qrels(tmp_path / "qrels.tsv", qrels)
        given = str(tmp_path / "qrels.tsv")
    with pytest.raises(InputError, match=re.escape(message)):
        read_judgments(training_dataset, given, Corpus(training_dataset).doc_ids)


def test_passages_without_titles_and_standard_input_are_refused(
    training_base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "plain.tsv").write_text("d1\ta text\nd2\tanother\n", encoding="utf-8")
    with pytest.raises(InputError, match="has 0 passages with a title and a text"):
        sources.title_source(Corpus(tmp_path / "plain.tsv"), rows=4, seed=1)
    assert train(tmp_path / "plain.tsv", tmp_path / "model", "--model", training_base) == 1
    assert "at least 50 titles are needed" in capsys.readouterr().err and not (tmp_path / "model.training").exists()
    assert train(Path("-"), tmp_path / "model") == 1
    assert "reads the passages several times" in capsys.readouterr().err


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extra, "find_spec", lambda name: None if name == "accelerate" else object())
    with pytest.raises(SpladeLuceneError, match=re.escape("training needs accelerate; run: pip install 'splade_lucene[train]'")):
        extra.require_packages()
