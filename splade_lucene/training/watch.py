"""Watches over a run: evaluates it on held-out queries, keeps the best model, and stops what collapsed or no longer improves."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from transformers import TrainerCallback

from splade_lucene.core.files import atomic_file, atomic_folder
from splade_lucene.errors import SpladeLuceneError
from splade_lucene.training.encoder import TrainedEncoder
from splade_lucene.training.examples import Examples
from splade_lucene.training.heldout import Evaluation, Evaluator, cheapest, load_measured
from splade_lucene.training.losses import BatchCost
from splade_lucene.training.settings import Recipe, TrainingSettings

RESULT, BEST, CHECKPOINTS, WHOLE = "result.json", "best", "checkpoints", "whole"
_EVALUATIONS = "evaluations.json"
# Evaluations of a run, and how many without a better one end it.
EVALUATIONS, PATIENCE = 5, 3
# Of evaluations that are no further below the highest, the cheapest is the best; the second where a lower cost is what is wanted.
_SAME, SAME_CHEAPER = 1e-3, 1e-2
# Of a batch: fewer terms a passage, or more than this share of the vocabulary, and the vectors say nothing any more.
_FEWEST, _MOST = 1.0, 0.5
# A network that was no sparse encoder starts with full vectors: only what grows from there has collapsed.
_GROWN = 1.1
_COLLAPSED_STEPS = 3
_EMPTY = 0.5


class CollapsedError(SpladeLuceneError):
    """The vectors became empty or full, or the loss is no number any more."""


class EvaluatedStep(NamedTuple):
    """An evaluation during a run.

    Attributes:
        step: after which.
        loss: the mean since the evaluation before.
        measured: on the held-out queries that choose.
    """

    step: int
    loss: float
    measured: Evaluation

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> EvaluatedStep:
        """Reads what :class:`Watch` wrote."""
        return cls(data["step"], data["loss"], Evaluation.from_json(data["measured"]))


class TrainingRun(NamedTuple):
    """A run to be done.

    Attributes:
        folder: where checkpoints, evaluations and the best model go.
        load: makes the model to start from.
        examples: to train on.
        evaluator: on the held-out queries that choose.
        recipe: what is tried.
        settings: what holds for all.
        name: for progress.
        before: the untrained model on these queries.
        evaluations: how many, evenly spread.
        cheaper: whether a lower cost is what is wanted, or higher quality.
        evaluated: what the queries of the evaluator are, for progress.
    """

    folder: Path
    load: Callable[[], TrainedEncoder]
    examples: Examples
    evaluator: Evaluator
    recipe: Recipe
    settings: TrainingSettings
    name: str
    before: Evaluation
    evaluations: int = EVALUATIONS
    cheaper: bool = False
    evaluated: str = "held-out"

    @property
    def every(self) -> int:
        """Steps from one evaluation to the next."""
        return max(1, self.settings.steps // self.evaluations)

    @property
    def save_every(self) -> int:
        """Steps from one checkpoint to the next: where there are few evaluations, some are between them."""
        return max(1, self.every * self.evaluations // EVALUATIONS)


class Watch(TrainerCallback):
    """Evaluates, keeps the best model, and stops a run that collapsed or no longer improves."""

    def __init__(self, job: TrainingRun, trained: TrainedEncoder, cost: Callable[[], BatchCost | None]) -> None:
        self._job, self._trained, self._cost = job, trained, cost
        self._found: list[EvaluatedStep] = []
        self._losses: list[float] = []
        self._useless = 0
        self._start_terms = 0.0
        self._earlier, self._start = 0.0, time.monotonic()

    def resume(self, checkpoint: Path | None) -> None:
        """Reads the evaluations up to a checkpoint."""
        file = self._job.folder / _EVALUATIONS
        step = int(checkpoint.name.rpartition("-")[2]) if checkpoint else 0
        if not step:
            file.unlink(missing_ok=True)
            return
        data = json.loads(file.read_text(encoding="utf-8"))
        self._losses = data.get("losses", [])  # at checkpoints of earlier versions there were none
        self._found = [found for found in map(EvaluatedStep.from_json, data["evaluations"]) if found.step <= step]
        self._earlier = data["seconds"]
        print(f"{self._job.name}: resuming after step {step}", file=sys.stderr, flush=True)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Looks at what the step made; evaluates where it is time."""
        self._check_batch(state)
        step = state.global_step
        if step % self._job.every == 0 or step == state.max_steps:
            self._evaluate(step, control)

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Marks a checkpoint as whole, once what was seen until then is written down."""
        self._write(_EVALUATIONS, {"losses": self._losses})
        (Path(args.output_dir) / f"checkpoint-{state.global_step}" / WHOLE).touch()

    def note_loss(self, loss: float) -> None:
        """Takes the loss of a step."""
        self._losses.append(loss)

    def finish(self) -> None:
        """Writes the result down."""
        best = self._best()
        measured = self._found[best].measured
        within = self._excess(measured) <= 1
        self._write(RESULT, {"best": best, "within": within})
        shutil.rmtree(self._job.folder / CHECKPOINTS, ignore_errors=True)

    def _evaluate(self, step: int, control: Any) -> None:
        with atomic_folder(self._job.folder / "evaluated", overwrite=True) as folder:
            self._trained.save(folder, self._job.settings.lengths)
        measured = load_measured(self._job.folder / "evaluated", self._job.evaluator, self._job.settings.device)
        loss = sum(self._losses) / max(1, len(self._losses))
        self._losses.clear()
        self._found.append(EvaluatedStep(step, loss, measured))
        self._check_measured(measured)
        if self._best() == len(self._found) - 1:
            with atomic_folder(self._job.folder / BEST, overwrite=True) as folder:
                shutil.copytree(self._job.folder / "evaluated", folder, dirs_exist_ok=True)
        seconds = self._seconds()
        left = seconds / step * (self._job.settings.steps - step)
        print(
            f"{self._job.name}: step {step}/{self._job.settings.steps}, loss {loss:.3f}, {self._job.evaluated} {measured.line()} "
            f"(untrained {self._job.before.score:.4f}, {self._job.before.flops:.2f}); {seconds:.0f} s, about {left:.0f} s left",
            file=sys.stderr,
            flush=True,
        )
        if len(self._found) - 1 - self._best() >= PATIENCE and not self._job.cheaper:
            print(f"{self._job.name}: no better for {PATIENCE} evaluations, stopping early", file=sys.stderr, flush=True)
            control.should_training_stop = True

    def _best(self) -> int:
        """The best evaluation: within the budget, or nearest to it; then of the highest nDCG@10, the cheaper where they are the same."""
        places = range(len(self._found))
        nearest = min(max(1.0, self._excess(self._found[place].measured)) for place in places)
        allowed = [place for place in places if max(1.0, self._excess(self._found[place].measured)) <= nearest]
        return allowed[cheapest([self._found[place].measured for place in allowed], SAME_CHEAPER if self._job.cheaper else _SAME)]

    def _excess(self, measured: Evaluation) -> float:
        return self._job.settings.budget.excess(measured.flops, measured.document_terms)

    def _check_batch(self, state: Any) -> None:
        cost = self._cost()
        if cost is None:
            return
        if not self._start_terms:  # dropout makes other vectors than there are without
            self._start_terms = max(cost.document_terms, self._job.before.document_terms)
        useless = min(cost.document_terms, cost.query_terms) < _FEWEST or self._is_full(cost.document_terms)
        self._useless = self._useless + 1 if useless else 0
        if self._useless >= _COLLAPSED_STEPS and state.global_step > _COLLAPSED_STEPS:
            self._collapsed(state.global_step, cost.document_terms, cost.query_terms)

    def _check_measured(self, measured: Evaluation) -> None:
        few = min(measured.document_terms, measured.query_terms) < _FEWEST or measured.empty > _EMPTY
        if few or self._is_full(measured.document_terms):
            self._collapsed(self._found[-1].step, measured.document_terms, measured.query_terms)

    def _is_full(self, document_terms: float) -> bool:
        return document_terms > max(_MOST * self._trained.size, _GROWN * self._start_terms)

    def _collapsed(self, step: int, document_terms: float, query_terms: float) -> None:
        full = self._is_full(document_terms)
        what = "nearly every dimension is active" if full else "the vectors become empty"
        weight = f"{'raise' if full else 'lower'} --regularization ({self._job.recipe.document_regularization:g})"
        raise CollapsedError(
            f"{self._job.name} collapsed at step {step}: {what} ({document_terms:,.1f} terms a passage, {query_terms:,.1f} a query); "
            f"{weight}, or lower --learning-rate ({self._job.recipe.learning_rate:g})"
        )

    def _seconds(self) -> float:
        return self._earlier + time.monotonic() - self._start

    def _write(self, name: str, more: dict[str, Any]) -> None:
        evaluations = [each._asdict() | {"measured": each.measured._asdict()} for each in self._found]
        with atomic_file(self._job.folder / name) as stream:
            json.dump(
                {"recipe": self._job.recipe._asdict(), "evaluations": evaluations, "seconds": self._seconds(), **more}, stream, indent=1
            )
