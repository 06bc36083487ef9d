"""The model card and the record of a trained model."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from splade_lucene._version import __version__
from splade_lucene.training.heldout import Evaluation
from splade_lucene.training.settings import Recipe, TrainingSettings
from splade_lucene.training.trial import Trial
from splade_lucene.training.verdict import Verdict

RECORD = "training.json"


class Report(NamedTuple):
    """What is said of a training run.

    Attributes:
        base: the name of the model that it started from.
        base_sha256: of its weights.
        source: what was trained on.
        notes: more of that.
        settings: of the run.
        static: whether queries are a table.
        tried: the recipes that were tried briefly, each with its score on the queries that choose; None where it collapsed.
        untrained: the original on these queries.
        trial: the run.
        verdict: in the end.
        refit: the run with all queries that followed; None without.
    """

    base: str
    base_sha256: str
    source: str
    notes: tuple[str, ...]
    settings: TrainingSettings
    static: bool
    tried: tuple[tuple[Recipe, float | None], ...]
    untrained: Evaluation
    trial: Trial
    verdict: Verdict
    refit: Trial | None = None

    def record(self) -> dict[str, Any]:
        """As JSON holds it."""
        best = self.trial.evaluations[self.trial.best]
        return {
            "splade_lucene": __version__,
            "base": {"model": self.base, "weights_sha256": self.base_sha256},
            "data": {"source": self.source, "notes": list(self.notes)},
            "settings": {
                **self.settings._asdict(),
                "lengths": self.settings.lengths._asdict(),
                "budget": self.settings.budget._asdict(),
                "static_queries": self.static,
            },
            "tried": [{"recipe": recipe._asdict(), "score": score} for recipe, score in self.tried],
            "recipe": self.trial.recipe._asdict(),
            "step": best.step,
            "seconds": self.trial.seconds,
            "untrained": {"score": self.untrained.score, "flops": self.untrained.flops},
            "evaluations": [
                {"step": each.step, "loss": each.loss, "score": each.measured.score, "flops": each.measured.flops}
                for each in self.trial.evaluations
            ],
            "verdict": {
                "before": self.verdict.before._asdict(),
                "after": self.verdict.after._asdict(),
                "p": self.verdict.p,
                "replaces": self.verdict.replaces,
                "why": self.verdict.why,
            },
            "refit": None
            if self.refit is None
            else {
                "step": self.refit.evaluations[-1].step,
                "seconds": self.refit.seconds,
                "loss": self.refit.evaluations[-1].loss,
                "flops": self.refit.measured.flops,
            },
        }


def write_card(folder: Path, report: Report) -> None:
    """Writes ``README.md`` and ``training.json`` into the folder of a model."""
    (folder / RECORD).write_text(json.dumps(report.record(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(_card(report), encoding="utf-8")


def _card(report: Report) -> str:
    settings, lengths, verdict = report.settings, report.settings.lengths, report.verdict
    best = report.trial.evaluations[report.trial.best]
    kind = (
        "inference-free: queries are looked up in a table of token weights" if report.static else "queries and passages by the same network"
    )
    versions = ", ".join(f"{name} {version(name)}" for name in ("sentence-transformers", "transformers", "torch"))
    limits = [f"FLOPS {settings.budget.flops:g}"] if settings.budget.flops is not None else []
    limits += [f"{settings.budget.document_terms:g} terms a passage"] if settings.budget.document_terms is not None else []
    again = ""
    if report.refit is not None:
        steps = report.refit.evaluations[-1].step
        again = (
            "\n**The model in this folder is one further**: once these had judged, it was trained from the start with them as well, "
            f"for {steps} steps. The figures are those of the model before: no query is left to measure this one.\n"
        )
    heading = f"A sparse encoder trained from {report.base}" if verdict.replaces else f"{report.base}, kept as it was"
    return f"""---
library_name: sentence-transformers
pipeline_tag: feature-extraction
tags:
- sentence-transformers
- sparse-encoder
- splade
- splade_lucene
---
# {heading}

{verdict.why[0].upper()}{verdict.why[1:]}.

{verdict.table()}

FLOPS: mean multiplications to score a query against a passage. The held-out queries were not trained on, and nothing was chosen by them.
{again}
## Data

{report.source}: {"; ".join(report.notes)}.

## Training

- start: {report.base} (SHA-256 of the weights {report.base_sha256}); {kind}
- {report.trial.recipe}; {settings.batch} queries a step
- step {best.step} of {settings.steps}, the best on other held-out queries; {report.trial.seconds:.0f} s; seed {settings.seed}
- passages cut at {lengths.documents} tokens, queries at {lengths.queries}
- budget: {" and ".join(limits) or "none"}
- splade_lucene {__version__}, {versions}

Every setting and evaluation is in `{RECORD}`.

## Use

```text
splade-lucene encode CORPUS vectors --model MODEL --max-length {lengths.documents} --query-max-length {lengths.queries}
```

```text
from sentence_transformers import SparseEncoder
model = SparseEncoder("MODEL")
model.encode_query("…"), model.encode_document("…")
```
"""
