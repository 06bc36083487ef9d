"""The weight of a fusion, learned on training queries: the best of its grid, and never from the queries that are evaluated."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from splade_lucene.cli.main import main
from splade_lucene.collections.judged import BeirCollection
from splade_lucene.evaluation.fusion import fuse
from splade_lucene.evaluation.measures import score_run
from splade_lucene.evaluation.results import locate, read_results
from splade_lucene.evaluation.runs import Run, read_run
from splade_lucene.experiment.fusion_weight import learn_weight
from splade_lucene.records import Hit, Qrel

PASSAGES = {
    "d1": "Thermal stress is created when one area of a glass pane gets hotter than an adjacent area.",
    "d2": "Lucene is a library for full-text search with an inverted index.",
    "d3": "Return the index where to insert an item in a sorted list.",
    "d4": "Heat makes a window crack if its parts expand differently.",
    "d5": "A list holds items in the order of their insertion.",
}
QUERIES = {"q1": "why does glass break", "t1": "search engine library", "t2": "insert into a sorted list", "t3": "heat cracks a window"}


def write_collection(folder: Path, splits: dict[str, str]) -> Path:
    (folder / "qrels").mkdir(parents=True)
    (folder / "corpus.jsonl").write_text("".join(json.dumps({"_id": key, "text": text}) + "\n" for key, text in PASSAGES.items()))
    (folder / "queries.jsonl").write_text("".join(json.dumps({"_id": key, "text": text}) + "\n" for key, text in QUERIES.items()))
    for split, qrels in splits.items():
        (folder / "qrels" / f"{split}.tsv").write_text("query-id\tcorpus-id\tscore\n" + qrels)
    return folder


def random_runs(seed: int, good: int) -> tuple[Run, Run, list[Qrel]]:
    """Two runs of 40 queries, of which one ranks what is relevant first, in most queries."""
    dice = random.Random(seed)
    runs: tuple[Run, Run] = ({}, {})
    qrels = []
    for number in range(40):
        query_id, relevant = f"q{number}", f"d{dice.randrange(20)}"
        qrels.append(Qrel(query_id, relevant, 1))
        for which, run in enumerate(runs):
            better = which == good and dice.random() < 0.8
            scores = {f"d{document}": dice.random() + (better and f"d{document}" == relevant) for document in range(20)}
            run[query_id] = [Hit(doc_id, score) for doc_id, score in sorted(scores.items(), key=lambda item: -item[1])]
    return *runs, qrels


@pytest.mark.parametrize("good", [0, 1])
def test_the_weight_is_the_best_of_the_grid_around_the_best_coarse_one(good: int) -> None:
    first, second, qrels = random_runs(3, good)
    learned = learn_weight(first, second, qrels, "nDCG@10", k=20)

    def mean(weight: float) -> float:
        return score_run(fuse(first, second, weight=weight, k=20), qrels, "nDCG@10").mean["nDCG@10"]

    assert (learned.score, learned.untuned) == (mean(learned.weight), mean(0.5))
    assert learned.score >= max(mean(number / 10) for number in range(11))
    assert learned.score >= max(mean(min(1, learned.weight + 0.05)), mean(max(0, learned.weight - 0.05)))
    assert (learned.weight > 0.5) == (good == 0)


def test_where_weights_do_not_matter_it_stays_one_half() -> None:
    run: Run = {"q": [Hit("a", 2.0), Hit("b", 1.0)]}
    assert learn_weight(run, run, [Qrel("q", "a", 1)], "nDCG@10", k=10).weight == 0.5


def test_training_queries_are_of_dev_then_train_and_never_those_of_the_evaluation(tmp_path: Path) -> None:
    train, dev, test = "t1\td2\t1\nq1\td1\t1\n", "t2\td3\t1\nq1\td4\t1\n", "q1\td1\t1\n"
    collection = BeirCollection(write_collection(tmp_path / "both", {"train": train, "dev": dev, "test": test}), "both", "test")
    assert collection.training() == ("dev", [("t2", QUERIES["t2"])], [("t2", "d3", 1)])
    of_dev = BeirCollection(tmp_path / "both", "both", "dev").training()
    assert of_dev is not None
    assert (of_dev.split, [query.query_id for query in of_dev.queries]) == ("train", ["t1"])
    only = BeirCollection(write_collection(tmp_path / "only", {"train": "q1\td1\t1\n", "test": test}), "only", "test")
    assert only.training() is None


def test_real_collections_have_the_training_queries_that_they_say(real_collection: Callable[[str], Path]) -> None:
    for name, split, count in (("scifact", "train", 809), ("nfcorpus", "dev", 324)):
        collection = BeirCollection(real_collection(name), name, "test")
        training = collection.training()
        assert training is not None
        assert (training.split, len(training.queries)) == (split, count)
        assert not {query.query_id for query in training.queries} & {query.query_id for query in collection.queries()}
        assert {qrel.query_id for qrel in training.qrels} == {query.query_id for query in training.queries}
    assert BeirCollection(real_collection("cranfield"), "cranfield", "test").training() is None


OPTIONS = ["--model", "tiny", "--device", "cpu", "--systems", "bm25-flat", "splade", "fusion", "--fusion-weight", "tuned", "--threads", "1"]


def test_an_evaluation_has_the_tuned_sum_beside_the_untuned_and_says_what_it_gained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    collection = write_collection(tmp_path / "toy", {"train": "t1\td2\t1\nt2\td3\t1\nt3\td4\t1\n", "test": "q1\td1\t1\n"})
    command = ["beir", str(collection), "--output", str(tmp_path / "out"), *OPTIONS]
    assert main(command) == 0
    results = read_results(tmp_path / "out")
    assert [system.name for system in results.systems] == [
        "bm25-flat",
        "splade-tiny",
        "rrf-splade-tiny",
        "sum-splade-tiny",
        "tuned-splade-tiny",
    ]
    (note,) = [note for note in results.datasets[0].notes if "tuned sum" in note]
    assert "of BM25 was learned on 3 queries of the split train (nDCG@10 " in note
    assert "queries won, equal and lost, p " in note
    kept = json.loads((tmp_path / "out" / "toy" / "runs" / "tuned-splade-tiny.weight.json").read_text())["learned"]
    flat, splade, *_, tuned = [read_run(locate(row.run, tmp_path / "out")) for row in results.rows]
    expected = fuse(flat, splade, weight=kept["weight"])
    assert {query_id: [hit.doc_id for hit in hits] for query_id, hits in tuned.items()} == {
        query_id: [hit.doc_id for hit in hits] for query_id, hits in expected.items()
    }
    training = read_run(tmp_path / "out" / "toy" / "runs" / "splade-tiny.train.trec")
    assert set(training) == {"t1", "t2", "t3"}
    capsys.readouterr()
    assert main(command) == 0
    assert "is written" not in capsys.readouterr().err


def test_without_training_queries_the_weight_stays_one_half_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    collection = write_collection(tmp_path / "toy", {"test": "q1\td1\t1\n"})
    assert main(["beir", str(collection), "--output", str(tmp_path / "out"), *OPTIONS]) == 0
    assert "There are no training queries (a split dev or train), so BM25 flat + SPLADE tiny, tuned sum has the untuned weight 0.5." in (
        capsys.readouterr().out
    )
    *_, untuned, tuned = read_results(tmp_path / "out").rows
    assert tuned.scores == untuned.scores


def test_a_weight_without_a_fusion_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    collection = write_collection(tmp_path / "toy", {"test": "q1\td1\t1\n"})
    command = ["beir", str(collection), "--output", str(tmp_path / "out"), "--systems", "bm25-flat", "--fusion-weight", "tuned"]
    assert main(command) == 1
    assert "the weight of a fusion is to be tuned, and there is none" in capsys.readouterr().err
