"""The parts of training: what is mined and drawn, what is evaluated, and what is decided."""

from __future__ import annotations

import random
import re
import textwrap
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from sentence_transformers.sparse_encoder.losses import SpladeLoss

from splade_lucene.encoding.defaults import Lengths
from splade_lucene.encoding.model import SpladeModel
from splade_lucene.errors import SpladeLuceneError
from splade_lucene.evaluation.measures import score_run
from splade_lucene.records import Hit, ImpactVector, Qrel, Query
from splade_lucene.training import choice, watch
from splade_lucene.training.heldout import Evaluation, Evaluator, choose_pool
from splade_lucene.training.judgments import HeldOut
from splade_lucene.training.losses import BatchCost, MaskedRankingLoss
from splade_lucene.training.mining import draw_rows, mine
from splade_lucene.training.schedule import BudgetSchedule
from splade_lucene.training.settings import Budget, TrainingSettings, recipes
from splade_lucene.training.teacher import draw_taught
from splade_lucene.training.trial import Trial
from splade_lucene.training.verdict import judge_training
from splade_lucene.training.watch import TrainingRun
from tests.oracle import brute_force


def test_rows_of_a_teacher_hold_a_positive_and_others_with_their_scores() -> None:
    taught = {"q": [Hit(f"d{n}", 10.0 - n) for n in range(8)], "few": [Hit("d1", 1.0)]}
    rows = draw_taught(taught, {"q": ("d6", "unseen")}, 20, seed=1)
    assert len(rows) == 20 and {row[0] for row in rows} == {"q"}
    for _, doc_ids, scores in rows:
        assert doc_ids[0] == "d6" and len(set(doc_ids)) == 4
        assert scores == tuple(10.0 - int(doc_id[1:]) for doc_id in doc_ids)
    assert {row[1][0] for row in draw_taught(taught, {}, 40, seed=1)} == {"d0", "d1", "d2"}


def test_positives_that_no_system_finds_are_dropped_where_most_are_like_that(capsys: pytest.CaptureFixture[str]) -> None:
    runs = {"bm25": {"q": [Hit("a", 2.0), Hit("x", 1.0)], "r": [Hit("y", 1.0)]}, "splade": {"q": [Hit("z", 3.0)], "r": []}}
    kept = mine({"q": {"a": 1, "b": 1}, "r": {"c": 1, "y": 1}}, runs)
    assert not kept.dropped and kept.positives == {"q": ("a", "b"), "r": ("c", "y")} and kept.unreachable == 0.5
    assert kept.negatives == {"q": ("x", "z"), "r": ()}
    dropped = mine({"q": {"a": 1, "b": 1}, "r": {"c": 1}}, runs)
    assert dropped.dropped and dropped.positives == {"q": ("a",)} and dropped.negatives["q"] == ("x", "z")
    assert "66.7% of the 3 positives" in capsys.readouterr().err
    rows = draw_rows(kept, ["n"], 8, seed=3)
    assert {row[:2] for row in rows[:4]} == {("q", "a"), ("q", "b"), ("r", "c"), ("r", "y")}  # each once before any twice
    assert {row[2] for row in rows if row[0] == "r"} == {"n"}
    assert rows == draw_rows(kept, ["n"], 8, seed=3)


def test_known_positives_are_no_negatives_in_a_batch() -> None:
    queries = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    positives, negatives = torch.tensor([[2.0, 1.0], [1.0, 3.0]]), torch.tensor([[0.0, 1.0], [3.0, 0.0]])
    # The second query's positive is one of the first's as well.
    loss = MaskedRankingLoss(None, {0: frozenset({10, 11}), 1: frozenset({11})}, scale=0.5)
    found = loss.compute_loss_from_embeddings([queries, positives, negatives], torch.tensor([[0, 10, 12], [1, 11, 13]]))
    first = torch.tensor([2.0, 0.0, 3.0]) * 0.5  # d10, d12, d13
    second = torch.tensor([6.0, 2.0, 2.0, 0.0]) * 0.5  # d11, d10, d12, d13
    expected = (torch.logsumexp(first, 0) - first[0] + torch.logsumexp(second, 0) - second[0]) / 2
    torch.testing.assert_close(found, expected)
    assert loss.cost == BatchCost(flops=0.5 * 0.75 + 0.5 * 0.75, query_terms=1.0, document_terms=1.5)


def test_regularization_follows_the_budget() -> None:
    budget = Budget(flops=2.0)
    assert budget.excess(4.0, 1e9) == 2.0 and Budget(document_terms=10).excess(9.0, 5) == 0.5 and not Budget()
    for cost, direction in ((8.0, 1), (0.5, -1)):
        loss = SpladeLoss.__new__(SpladeLoss)  # whose weights alone are of interest
        torch.nn.Module.__init__(loss)
        loss.document_regularizer_weight = loss.query_regularizer_weight = 1e-3
        schedule: Any = BudgetSchedule(loss, partial(BatchCost, cost, 10, 10), budget)
        schedule.on_train_begin(None, SimpleNamespace(max_steps=30), None)
        for step in range(30):
            schedule.on_step_begin(None, SimpleNamespace(global_step=step), None)
        assert (schedule.factor - 1) * direction > 0
        assert (loss.document_regularizer_weight / 1e-3 - 1) * direction > 0


def test_the_evaluator_searches_the_pool_exhaustively(tiny: SpladeModel) -> None:
    queries = Query("q", "glass stress"), Query("r", "")
    held_out = HeldOut(queries, (Qrel("q", "b", 1), Qrel("r", "a", 1)))
    pool = {"a": "a cat", "b": "how glass breaks under stress", "c": "glass"}
    found = Evaluator(held_out, pool, Lengths(32, 8)).measure(tiny)
    documents, query = tiny.encode_documents(list(pool.values()), max_length=32), tiny.encode_queries(["glass stress"], max_length=8)[0]
    scores = [sum(impact * bag.get(token, 0) for token, impact in query.items()) for bag in documents]
    assert scores[1] == max(scores) and found.queries["q"] == 1.0
    assert found.document_terms == sum(map(len, documents)) / 3


def test_held_out_figures_equal_a_brute_force_ranking(tiny: SpladeModel) -> None:
    words = sorted(set(re.findall(r"[a-z]{5,}", Path(textwrap.__file__).read_text(encoding="utf-8"))))
    rng = random.Random(1)
    pool = {f"d{number:02}": " ".join(rng.sample(words, 6)) for number in range(80)}
    queries = tuple(Query(f"q{number}", " ".join(rng.sample(words, 2))) for number in range(20))
    qrels = tuple(Qrel(query.query_id, doc_id, 1) for query in queries for doc_id in rng.sample(list(pool), 12))
    found = Evaluator(HeldOut(queries, qrels), pool, Lengths(32, 8)).measure(tiny)
    bags = tiny.encode_documents(list(pool.values()), max_length=32)
    vectors = [ImpactVector(doc_id, bag) for doc_id, bag in zip(pool, bags, strict=True)]
    encoded = tiny.encode_queries([query.text for query in queries], max_length=8)
    run = {query.query_id: brute_force(vectors, bag, 10) for query, bag in zip(queries, encoded, strict=True)}
    expected = score_run(run, qrels, "nDCG@10").queries["nDCG@10"]
    assert found.queries == expected and len(set(expected.values())) > 5


def test_pools_hold_what_is_relevant_and_what_the_systems_find() -> None:
    held_out = HeldOut((Query("q", "text"),), (Qrel("q", "d7", 1),))
    doc_ids = [f"d{n}" for n in range(20)]
    runs = {"bm25": {"q": [Hit("d3", 2.0), Hit("d4", 1.0)]}, "splade": {"q": [Hit("d5", 1.0)]}}
    pool = choose_pool(doc_ids, held_out, runs, size=6, depth=1, seed=1)
    assert len(pool) == 6 and {"d7", "d3", "d5"} <= set(pool)
    assert choose_pool(doc_ids, held_out, runs, size=20, depth=1, seed=1) == doc_ids


@pytest.mark.parametrize(
    ("after", "cheaper", "replaces"),
    [(0.1, False, True), (0.0, False, False), (-0.1, False, False), (-0.1, True, False), (0.0, True, True)],
)
def test_the_original_is_replaced_by_what_is_better_or_cheaper(after: float, cheaper: bool, replaces: bool) -> None:
    before = {f"q{n}": 0.4 + 0.02 * (n % 5) for n in range(40)}
    changed = {query_id: score + after + (0.01 * (int(query_id[1:]) % 2) if after else 0) for query_id, score in before.items()}

    def measured(queries: dict[str, float]) -> Evaluation:
        return Evaluation(sum(queries.values()) / len(queries), queries, 1.0, 5.0, 50.0, 0.0)

    found = judge_training(measured(before), measured(changed), cheaper=cheaper)
    assert found.replaces == replaces
    assert ("replaces the original" if replaces else "the original is kept") in found.why and "p = " in found.why


@pytest.mark.parametrize(
    ("measured", "chosen"),
    [
        ([(0.4, 1.0), (0.5, 3.0)], 1),
        ([(0.5, 3.0), (0.4, 1.0)], 0),
        ([(0.5, 3.0), (0.495, 1.0)], 1),
        ([(0.495, 3.0), (0.5, 1.0)], 1),
        ([(0.4, 1.0), (0.4, 1.0)], 0),
        ([None, (0.4, 1.0)], 1),
        ([(0.4, 1.0), None], 0),
        ([None, None], None),
    ],
    ids=[
        "the second is better",
        "the first is better",
        "the second is nearly as good and cheaper",
        "the second is better and cheaper",
        "the same",
        "the first collapsed",
        "the second collapsed",
        "both collapsed",
    ],
)
def test_the_cheapest_of_the_best_recipes_is_taken(
    measured: list[tuple[float, float] | None],
    chosen: int | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tried = recipes(static=False, titles=False)

    def run(job: TrainingRun) -> Trial:
        assert job.settings.steps == 40
        of_recipe = measured[tried.index(job.recipe)]
        if of_recipe is None:
            raise watch.CollapsedError("collapsed")
        score, flops = of_recipe
        found = Evaluation(score, {}, flops, 5.0, 50.0, 0.0)
        return Trial(job.recipe, (watch.EvaluatedStep(job.settings.steps, 0.1, found),), 0, tmp_path, 1.0, True)

    monkeypatch.setattr(choice, "run_trial", run)
    unread: Any = None
    job = TrainingRun(tmp_path, unread, unread, unread, tried[0], TrainingSettings(200), "training", unread)
    if chosen is None:
        with pytest.raises(SpladeLuceneError, match="every recipe collapsed"):
            choice.choose_recipe(job, tried, tmp_path)
        return
    scores = [each and each[0] for each in measured]
    assert choice.choose_recipe(job, tried, tmp_path) == (tried[chosen], tuple(zip(tried, scores, strict=True)))
    err = capsys.readouterr().err
    assert f"chosen: {tried[chosen]}" in err and ("left out" in err) == (None in scores)


def test_recipes_take_what_the_user_says() -> None:
    assert len(recipes(static=False, titles=False)) == 2
    (one,) = recipes(static=False, titles=False, score_scale=1.0, learning_rate=1e-4, regularization=0.1)
    assert (one.score_scale, one.learning_rate, one.document_regularization, one.query_regularization) == (1.0, 1e-4, 0.1, 0.1)
    assert {each.query_regularization for each in recipes(static=True, titles=False, regularization=0.1)} == {None}
