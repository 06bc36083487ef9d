"""Trains once more with all judged queries, when the held-out ones have chosen and judged: a small collection needs each of them."""

from __future__ import annotations

import sys
from pathlib import Path

from splade_lucene.training.examples import Examples
from splade_lucene.training.trial import Trial, run_trial
from splade_lucene.training.watch import CollapsedError, TrainingRun


def refit(job: TrainingRun, trial: Trial, examples: Examples, folder: Path) -> Trial | None:
    """Trains from the start with the recipe that was chosen, for the number of steps that was best.

    The optimizer's schedule ends with that step, as it has to be chosen no more.

    Args:
        job: the run before.
        trial: what came of it.
        examples: of all queries, held-out ones included.
        folder: where checkpoints and the model go.

    Returns:
        The run, whose one evaluation is on queries that it was trained with: its cost is comparable, its quality is not. None where it
        collapsed.
    """
    steps = trial.evaluations[trial.best].step
    try:
        return run_trial(
            job._replace(
                folder=folder,
                examples=examples,
                recipe=trial.recipe,
                settings=job.settings._replace(steps=steps),
                name="training with all queries",
                evaluations=1,
                evaluated="no longer held-out",
            )
        )
    except CollapsedError as error:
        print(f"{error}; the model that was judged is written", file=sys.stderr, flush=True)
        return None
