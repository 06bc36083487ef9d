"""Which recipe is trained with."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from splade_lucene.errors import SpladeLuceneError
from splade_lucene.training.heldout import cheapest
from splade_lucene.training.settings import Recipe
from splade_lucene.training.trial import Trial, run_trial
from splade_lucene.training.watch import SAME_CHEAPER, CollapsedError, TrainingRun

# A recipe is tried for this share of the steps.
_TRIED = 5


def choose_recipe(job: TrainingRun, recipes: Sequence[Recipe], work: Path) -> tuple[Recipe, tuple[tuple[Recipe, float | None], ...]]:
    """Tries each recipe for a fifth of the steps. Of those within .01 of the best on held-out queries the cheapest is taken.

    Args:
        job: the run, of any recipe.
        recipes: what is tried; a single one is taken without.
        work: where the trials are kept.

    Returns:
        The recipe, and what was tried, each with its nDCG@10, None where it collapsed.

    Raises:
        SpladeLuceneError: all collapsed.
    """
    if len(recipes) == 1:
        return recipes[0], ()
    tried: list[tuple[Recipe, float | None]] = []
    trials: list[Trial] = []
    failure: CollapsedError | None = None
    short = job.settings._replace(steps=max(1, job.settings.steps // _TRIED))
    for number, recipe in enumerate(recipes, start=1):
        name = f"trying {number}/{len(recipes)} ({recipe})"
        try:
            trial = run_trial(job._replace(folder=work / "trials" / str(number), recipe=recipe, settings=short, name=name, evaluations=1))
        except CollapsedError as error:
            print(f"{error}; it is left out", file=sys.stderr, flush=True)
            failure = error
            tried.append((recipe, None))
            continue
        tried.append((recipe, trial.measured.score))
        trials.append(trial)
    if not trials:
        raise SpladeLuceneError(f"every recipe collapsed; the last: {failure}")
    chosen = cheapest([trial.measured for trial in trials], SAME_CHEAPER)
    print(f"chosen: {trials[chosen].recipe}", file=sys.stderr, flush=True)
    return trials[chosen].recipe, tuple(tried)
