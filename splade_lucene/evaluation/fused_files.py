"""Fuses run files; the cost of the fused run is the sum of its parts'."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from splade_lucene.core.files import file_sha256
from splade_lucene.errors import SpladeLuceneError
from splade_lucene.evaluation.fusion import RANK_CONSTANT, Method, fuse_runs
from splade_lucene.evaluation.results import Cost
from splade_lucene.evaluation.runs import Run, read_notes, read_run


def fuse_files(
    paths: Sequence[Path],
    *,
    method: Method = "rrf",
    weights: Sequence[float] | None = None,
    k: int = 1000,
    rank_constant: int = RANK_CONSTANT,
) -> tuple[Run, dict[str, Any]]:
    """Fuses run files as :func:`~splade_lucene.evaluation.fusion.fuse_runs` does.

    Args:
        paths: TREC runs.
        method: ``rrf``, ``sum`` or ``max``.
        weights: one per run.
        k: the number of hits of each query.
        rank_constant: of ``rrf``.

    Returns:
        The fused run, and notes to write beside it: how it was made, and its cost where that of every part is known.

    Raises:
        InputError: a file is missing or malformed.
        SpladeLuceneError: a run is named twice, or no query is in more than one of them.
    """
    twice = next((path for number, path in enumerate(paths) if path.resolve() in [each.resolve() for each in paths[:number]]), None)
    if twice is not None:
        raise SpladeLuceneError(f"the run {twice} is named twice; name each run once, and weight it with --weights")
    runs = [read_run(path) for path in paths]
    first, *others = runs
    if not any(query_id in other for query_id in first for other in others):
        queries = ", ".join(f"{next(iter(run))!r} in {path}" for path, run in zip(paths, runs, strict=True))
        raise SpladeLuceneError(f"the runs share no query with the first ({queries}); are they of the same queries?")
    fused = fuse_runs(runs, method=method, weights=weights, k=k, rank_constant=rank_constant)
    settings: dict[str, Any] = {"method": method, "weights": None if weights is None else list(weights), "hits": k}
    if method == "rrf":
        settings["rank_constant"] = rank_constant
    made_from = [{"run": str(path), "sha256": file_sha256(path)} for path in paths]
    return fused, {"kind": "fusion", "fusion": settings, "made_from": made_from, **_cost([read_notes(path) for path in paths])}


def _cost(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    cost = Cost.together(map(Cost.from_notes, parts))
    return dict(vars(cost)) if cost else {}
