"""Fuses run files; the cost of the fused run is the sum of its parts'."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from splade_lucene.core.files import file_sha256
from splade_lucene.errors import SpladeLuceneError
from splade_lucene.evaluation.cost import Cost
from splade_lucene.evaluation.fusion import RANK_CONSTANT, Method, fuse_runs
from splade_lucene.evaluation.run_info import FusedRun, FusionInfo
from splade_lucene.evaluation.runs import Run, read_notes, read_run


def fuse_files(
    paths: Sequence[Path],
    *,
    method: Method = "rrf",
    weights: Sequence[float] | None = None,
    k: int = 1000,
    rank_constant: int = RANK_CONSTANT,
) -> tuple[Run, FusionInfo]:
    """Fuses run files as :func:`~splade_lucene.evaluation.fusion.fuse_runs` does.

    Args:
        paths: TREC runs.
        method: ``rrf``, ``sum`` or ``max``.
        weights: one per run.
        k: the number of hits of each query.
        rank_constant: of ``rrf``.

    Returns:
        The fused run, and how it was made.

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
    made_from = tuple(FusedRun(str(path), file_sha256(path)) for path in paths)
    cost = Cost.together(Cost.from_notes(read_notes(path)) for path in paths)
    constant = rank_constant if method == "rrf" else None
    return fused, FusionInfo(method, None if weights is None else tuple(weights), k, constant, made_from, cost)
