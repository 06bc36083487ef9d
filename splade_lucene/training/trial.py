"""One run of the optimizer, evaluated on held-out queries on the way, resumable."""

from __future__ import annotations

import json
import logging
import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from sentence_transformers.base.sampler import DefaultBatchSampler
from sentence_transformers.sparse_encoder import SparseEncoderTrainer, SparseEncoderTrainingArguments
from sentence_transformers.sparse_encoder.data_collator import SparseEncoderDataCollator
from sentence_transformers.sparse_encoder.losses import SpladeLoss
from transformers import PrinterCallback

from splade_lucene.encoding.quiet import quiet_transformers
from splade_lucene.training.encoder import DOCUMENT, QUERY, TrainedEncoder
from splade_lucene.training.examples import Examples
from splade_lucene.training.heldout import Evaluation
from splade_lucene.training.losses import BatchCost, DistillationLoss, MaskedRankingLoss
from splade_lucene.training.schedule import BudgetSchedule
from splade_lucene.training.settings import Recipe, TrainingSettings
from splade_lucene.training.watch import BEST, CHECKPOINTS, RESULT, WHOLE, CollapsedError, EvaluatedStep, TrainingRun, Watch

_WARMUP = 0.1
# The name of the table of queries among the parameters of the loss.
_TABLE = r"sub_modules\.query\.0\.weight$"


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
    evaluations: tuple[EvaluatedStep, ...]
    best: int
    model: Path
    seconds: float
    within: bool

    @property
    def measured(self) -> Evaluation:
        """The best evaluation."""
        return self.evaluations[self.best].measured


def run_trial(job: TrainingRun) -> Trial:
    """Trains with one recipe. A run that was finished is read; one that was interrupted goes on from its last checkpoint.

    Raises:
        CollapsedError: the vectors became useless.
    """
    result = job.folder / RESULT
    if not result.is_file():
        _train(job)
    data = json.loads(result.read_text(encoding="utf-8"))
    found = tuple(EvaluatedStep.from_json(each) for each in data["evaluations"])
    return Trial(job.recipe, found, data["best"], job.folder / BEST, data["seconds"], data["within"])


def _train(job: TrainingRun) -> None:
    trained, examples, recipe, settings = job.load(), job.examples, job.recipe, job.settings
    checkpoints = job.folder / CHECKPOINTS
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
            save_steps=job.save_every,
            save_total_limit=2,
            logging_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=settings.device == "cpu",
            router_mapping=columns if trained.routed else {},
        )
        schedule = BudgetSchedule(loss, cost, settings.budget)
        watch = Watch(job, trained, cost)
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
        distilling = DistillationLoss(encoder, recipe.score_scale)
        return distilling, lambda: distilling.cost
    ranking = MaskedRankingLoss(encoder, examples.known, scale=recipe.score_scale)
    return ranking, lambda: ranking.cost


class _InOrder(DefaultBatchSampler):
    """Rows are drawn already."""

    def __init__(self, dataset: Any, **options: Any) -> None:
        super().__init__(range(len(dataset)), **options)


class _Collator(SparseEncoderDataCollator):
    """Cuts each column at the length of its side."""

    def __init__(self, trained: TrainedEncoder, settings: TrainingSettings) -> None:
        lengths = {QUERY: settings.lengths.queries, DOCUMENT: settings.lengths.documents}

        def tokenize(texts: Sequence[str], prompt: str | None = None, task: str | None = None) -> dict[str, Any]:
            side = task or DOCUMENT
            return trained.tokenize(texts, side, lengths[side])

        super().__init__(preprocess_fn=tokenize)

    def _get_task_for_column(self, column_name: str, column_position: int, router_mapping: dict[str, str]) -> str:
        return QUERY if column_position == 0 else DOCUMENT


class _Trainer(SparseEncoderTrainer):
    """Tells the loss of each step, and stops where it is no number."""

    watch: Watch | None = None

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


def _last_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that was written whole; others are removed."""
    found: list[tuple[int, Path]] = []
    for each in folder.glob("checkpoint-*"):
        if (each / WHOLE).is_file():
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
