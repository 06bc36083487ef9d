"""The weight of the FLOPS regularizer: sentence-transformers' quadratic rise, then steered to a budget where there is one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sentence_transformers.sparse_encoder.callbacks.splade_callbacks import SpladeRegularizerWeightSchedulerCallback
from sentence_transformers.sparse_encoder.losses import SpladeLoss

from splade_lucene.training.losses import BatchCost
from splade_lucene.training.settings import Budget

# The budget is aimed at from below, as held-out passages cost a little more or less than those of a batch.
_AIM = 0.85
# λ changes by the excess to this power in a step: by a factor of about 1.1 where the cost is twice the budget.
_STRENGTH = 0.15
_SMOOTHING = 0.7
# λ stays within these factors of where it started.
_LEAST, _MOST = 1e-2, 1e3
_FILE = "regularization.json"


class BudgetSchedule(SpladeRegularizerWeightSchedulerCallback):
    """Raises λ with the square of the step during the first third; with a budget it then follows what batches cost.

    Args:
        loss: of which λ is set.
        cost: tells what the last batch cost.
        budget: of passages and queries.
    """

    def __init__(self, loss: SpladeLoss, cost: Callable[[], BatchCost | None], budget: Budget) -> None:
        super().__init__(loss)
        self._cost, self._budget = cost, budget
        self._start = self.max_document_regularizer_weight, self.max_query_regularizer_weight
        self.factor = 1.0
        self._smoothed: float | None = None
        self._earlier: BatchCost | None = None

    def resume(self, checkpoint: Path) -> None:
        """Goes on from where λ was at a checkpoint."""
        saved = json.loads((checkpoint / _FILE).read_text(encoding="utf-8"))
        self.factor, self._smoothed = saved["factor"], saved["smoothed"]
        self._earlier = None if saved["cost"] is None else BatchCost(*saved["cost"])

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Writes down where λ is, beside a checkpoint."""
        file = Path(args.output_dir) / f"checkpoint-{state.global_step}" / _FILE
        file.write_text(json.dumps({"factor": self.factor, "smoothed": self._smoothed, "cost": self._cost()}), encoding="utf-8")

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Sets λ for the step."""
        cost = self._cost() or self._earlier
        if self._budget and cost is not None:
            excess = self._budget.excess(cost.flops, cost.document_terms) / _AIM
            self._smoothed = excess if self._smoothed is None else _SMOOTHING * self._smoothed + (1 - _SMOOTHING) * excess
            if self.warmup_steps is not None and state.global_step >= self.warmup_steps // 2:
                self.factor = min(_MOST, max(_LEAST, self.factor * max(self._smoothed, 1e-3) ** _STRENGTH))
                documents, queries = self._start
                self.max_document_regularizer_weight = documents * self.factor
                # The terms of passages say nothing about queries.
                if queries is not None and self._budget.flops is not None:
                    self.max_query_regularizer_weight = queries * self.factor
        super().on_step_begin(args, state, control, **kwargs)
