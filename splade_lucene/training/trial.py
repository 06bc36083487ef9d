"""One run of the optimizer, evaluated on held-out queries on the way, resumable."""

from __future__ import annotations

import json
import logging
import math
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from sentence_transformers.base.sampler import DefaultBatchSampler
from sentence_transformers.sparse_encoder import SparseEncoderTrainer, SparseEncoderTrainingArguments
from sentence_transformers.sparse_encoder.data_collator import SparseEncoderDataCollator
from sentence_transformers.sparse_encoder.losses import SparseDistillKLDivLoss, SpladeLoss
from sentence_transformers.util import pairwise_dot_score
from transformers import PrinterCallback, TrainerCallback

from splade_lucene.core.files import atomic_file, atomic_folder
from splade_lucene.encoding.quiet import quiet_transformers
from splade_lucene.errors import SpladeLuceneError
from splade_lucene.training.encoder import DOCUMENT, QUERY, TrainedEncoder
from splade_lucene.training.examples import Examples
from splade_lucene.training.heldout import Evaluator, Measured, load_measured
from splade_lucene.training.losses import BatchCost, MaskedRankingLoss, batch_cost
from splade_lucene.training.schedule import BudgetSchedule
from splade_lucene.training.settings import Recipe, Settings

_RESULT, _BEST, _CHECKPOINTS, _WHOLE = "result.json", "best", "checkpoints", "whole"
_EVALUATIONS = "evaluations.json"
# Evaluations of a run, and how many without a better one end it.
EVALUATIONS, PATIENCE = 5, 3
# Of evaluations that are no further below the highest, the cheapest is the best; the second where a lower cost is what is wanted.
_SAME, _SAME_CHEAPER = 1e-3, 1e-2
_WARMUP = 0.1
# Of a batch: fewer terms a passage, or more than this share of the vocabulary, and the vectors say nothing any more.
_FEWEST, _MOST = 1.0, 0.5
# A network that was no sparse encoder starts with full vectors: only what grows from there has collapsed.
_GROWN = 1.1
_COLLAPSED_STEPS = 3
_EMPTY = 0.5
# The name of the table of queries among the parameters of the loss.
_TABLE = r"sub_modules\.query\.0\.weight$"


class CollapsedError(SpladeLuceneError):
    """The vectors became empty or full, or the loss is no number any more."""


class Evaluated(NamedTuple):
    """An evaluation during a run.

    Attributes:
        step: after which.
        loss: the mean since the evaluation before.
        measured: on the held-out queries that choose.
    """

    step: int
    loss: float
    measured: Measured


class Trial(NamedTuple):
    """A finished run.

    Attributes:
        recipe: of it.
        evaluations: in order.
        best: the place of the best of them.
        model: the folder of the model that was best.
        seconds: that it took, all attempts together.
        within: whether the best is within the budget.
    """

    recipe: Recipe
    evaluations: tuple[Evaluated, ...]
    best: int
    model: Path
    seconds: float
    within: bool

    @property
    def measured(self) -> Measured:
        """The best evaluation."""
        return self.evaluations[self.best].measured


class Job(NamedTuple):
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
    """

    folder: Path
    load: Callable[[], TrainedEncoder]
    examples: Examples
    evaluator: Evaluator
    recipe: Recipe
    settings: Settings
    name: str
    before: Measured
    evaluations: int = EVALUATIONS
    cheaper: bool = False

    @property
    def every(self) -> int:
        """Steps from one evaluation to the next."""
        return max(1, self.settings.steps // self.evaluations)


def run_trial(job: Job) -> Trial:
    """Trains with one recipe. A run that was finished is read; one that was interrupted goes on from its last checkpoint.

    Raises:
        CollapsedError: the vectors became useless.
    """
    result = job.folder / _RESULT
    if not result.is_file():
        _train(job)
    data = json.loads(result.read_text(encoding="utf-8"))
    found = tuple(_evaluated(each) for each in data["evaluations"])
    return Trial(job.recipe, found, data["best"], job.folder / _BEST, data["seconds"], data["within"])


def _evaluated(data: dict[str, Any]) -> Evaluated:
    return Evaluated(data["step"], data["loss"], Measured.from_json(data["measured"]))


def _train(job: Job) -> None:
    trained, examples, recipe, settings = job.load(), job.examples, job.recipe, job.settings
    checkpoints = job.folder / _CHECKPOINTS
    encoder: Any = trained.encoder
    ranking, cost = _ranking_loss(encoder, examples, recipe)
    with _quiet():
        loss = SpladeLoss(
            encoder,
            ranking,
            document_regularizer_weight=recipe.document_regularization,
            # A table has as many active entries as the query has tokens, whatever its weights are.
            query_regularizer_weight=None if trained.static_queries else recipe.query_regularization,
        )
        columns = {QUERY: QUERY} | {f"document_{place}": DOCUMENT for place in range(len(examples.rows[0].documents))}
        arguments = SparseEncoderTrainingArguments(
            output_dir=str(checkpoints),
            max_steps=settings.steps,
            per_device_train_batch_size=settings.batch,
            learning_rate=recipe.learning_rate,
            learning_rate_mapping={_TABLE: recipe.table_learning_rate} if trained.static_queries else {},
            warmup_steps=_WARMUP,
            weight_decay=0.0,
            seed=settings.seed,
            batch_sampler=_InOrder,
            save_strategy="steps",
            save_steps=job.every,
            save_total_limit=2,
            logging_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=settings.device == "cpu",
            router_mapping=columns if trained.routed else {},
        )
        schedule = BudgetSchedule(loss, cost, settings.budget)
        watch = _Watch(job, trained, cost)
        trainer = _Trainer(
            model=encoder,
            args=arguments,
            train_dataset=examples.dataset(settings.steps * settings.batch),
            loss=loss,
            data_collator=_Collator(trained, settings),
            callbacks=[schedule, watch],
        )
        trainer.watch = watch
        trainer.remove_callback(PrinterCallback)
        start = _last_checkpoint(checkpoints)
        watch.resume(start)
        if start:
            schedule.resume(start)
        trainer.train(resume_from_checkpoint=str(start) if start else None)
    watch.finish()


def _ranking_loss(encoder: Any, examples: Examples, recipe: Recipe) -> tuple[Any, Callable[[], BatchCost | None]]:
    """The loss, and what tells the cost of its last batch."""
    if examples.rows[0].scores:
        distilling = _Distillation(encoder, recipe.score_scale)
        return distilling, lambda: distilling.cost
    ranking = MaskedRankingLoss(encoder, examples.known, scale=recipe.score_scale)
    return ranking, lambda: ranking.cost


class _InOrder(DefaultBatchSampler):
    """Rows are drawn already."""

    def __init__(self, dataset: Any, **options: Any) -> None:
        super().__init__(range(len(dataset)), **options)


class _Collator(SparseEncoderDataCollator):
    """Cuts each column at the length of its side."""

    def __init__(self, trained: TrainedEncoder, settings: Settings) -> None:
        lengths = {QUERY: settings.lengths.queries, DOCUMENT: settings.lengths.documents}

        def tokenize(texts: Sequence[str], prompt: str | None = None, task: str | None = None) -> dict[str, Any]:
            side = task or DOCUMENT
            return trained.tokenize(texts, side, lengths[side])

        super().__init__(preprocess_fn=tokenize)

    def _get_task_for_column(self, column_name: str, column_position: int, router_mapping: dict[str, str]) -> str:
        return QUERY if column_position == 0 else DOCUMENT


class _Watch(TrainerCallback):
    """Evaluates, keeps the best model, and stops a run that collapsed or no longer improves."""

    def __init__(self, job: Job, trained: TrainedEncoder, cost: Callable[[], BatchCost | None]) -> None:
        self._job, self._trained, self._cost = job, trained, cost
        self._found: list[Evaluated] = []
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
        self._found = [found for found in map(_evaluated, data["evaluations"]) if found.step <= step]
        self._earlier = data["seconds"]
        print(f"{self._job.name}: resuming after step {step}", file=sys.stderr, flush=True)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Looks at what the step made; evaluates where it is time."""
        self._check_batch(state)
        step = state.global_step
        if step % self._job.every == 0 or step == state.max_steps:
            self._evaluate(step, control)

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Marks a checkpoint as whole."""
        (Path(args.output_dir) / f"checkpoint-{state.global_step}" / _WHOLE).touch()

    def note_loss(self, loss: float) -> None:
        """Takes the loss of a step."""
        self._losses.append(loss)

    def finish(self) -> None:
        """Writes the result down."""
        best = self._best()
        measured = self._found[best].measured
        within = self._excess(measured) <= 1
        self._write(_RESULT, {"best": best, "within": within})
        shutil.rmtree(self._job.folder / _CHECKPOINTS, ignore_errors=True)

    def _evaluate(self, step: int, control: Any) -> None:
        with atomic_folder(self._job.folder / "evaluated", overwrite=True) as folder:
            self._trained.save(folder, self._job.settings.lengths)
        measured = load_measured(self._job.folder / "evaluated", self._job.evaluator, self._job.settings.device)
        loss = sum(self._losses) / max(1, len(self._losses))
        self._losses.clear()
        self._found.append(Evaluated(step, loss, measured))
        self._check_measured(measured)
        if self._best() == len(self._found) - 1:
            with atomic_folder(self._job.folder / _BEST, overwrite=True) as folder:
                shutil.copytree(self._job.folder / "evaluated", folder, dirs_exist_ok=True)
        self._write(_EVALUATIONS, {})
        seconds = self._seconds()
        left = seconds / step * (self._job.settings.steps - step)
        print(
            f"{self._job.name}: step {step}/{self._job.settings.steps}, loss {loss:.3f}, held-out {measured.line()} "
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
        highest = max(self._found[place].measured.score for place in allowed)
        least = highest - (_SAME_CHEAPER if self._job.cheaper else _SAME)
        same = [place for place in allowed if self._found[place].measured.score >= least]
        return min(same, key=lambda place: (self._found[place].measured.flops, place))

    def _excess(self, measured: Measured) -> float:
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

    def _check_measured(self, measured: Measured) -> None:
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


class _Trainer(SparseEncoderTrainer):
    """Tells the loss of each step, and stops where it is no number."""

    watch: _Watch | None = None

    def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
        """The model card is ours."""

    def compute_loss(self, *args: Any, **kwargs: Any) -> Any:
        found = super().compute_loss(*args, **kwargs)
        loss = float((found[0] if isinstance(found, tuple) else found).detach())
        if not math.isfinite(loss):
            raise CollapsedError(
                f"the loss is {loss} at step {self.state.global_step + 1}; lower --learning-rate ({self.args.learning_rate:g})"
            )
        if self.watch is not None:
            self.watch.note_loss(loss)
        return found


class _Distillation(SparseDistillKLDivLoss):
    """sentence-transformers' distillation, which also tells what a batch costs."""

    def __init__(self, model: Any, scale: float) -> None:
        super().__init__(model, similarity_fct=pairwise_dot_score, student_temperature=1 / scale, teacher_temperature=1.0)
        self.cost: BatchCost | None = None

    def compute_loss_from_embeddings(self, embeddings: list[Any], labels: Any) -> Any:
        import torch

        self.cost = batch_cost(embeddings[0], torch.cat(embeddings[1:]))
        return super().compute_loss_from_embeddings(embeddings, labels)


def _last_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that was written whole; others are removed."""
    found: list[tuple[int, Path]] = []
    for each in folder.glob("checkpoint-*"):
        if (each / _WHOLE).is_file():
            found.append((int(each.name.rpartition("-")[2]), each))
        else:
            shutil.rmtree(each)
    return max(found)[1] if found else None


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps sentence-transformers from warning of what is meant."""
    root, library = logging.getLogger(), logging.getLogger("sentence_transformers")
    levels = root.level, library.level
    root.setLevel(logging.ERROR)
    library.setLevel(logging.ERROR)
    try:
        with quiet_transformers():
            yield
    finally:
        root.setLevel(levels[0])
        library.setLevel(levels[1])
