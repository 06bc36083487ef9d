"""Means over data sets, only over those that every system has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from splade_lucene.evaluation.reference import published_average
from splade_lucene.evaluation.result_records import Average, Row, System

CQADUPSTACK = "cqadupstack"


def averages(
    rows: Sequence[Row],
    systems: Sequence[System],
    measures: Sequence[str],
    *,
    forums: Sequence[str] = (),
    groups: Mapping[str, Sequence[str]] | None = None,
    comparable: Callable[[str, System], bool] = lambda dataset, system: True,
) -> list[Average]:
    """Averages over the data sets that every system has.

    Args:
        rows: of the evaluation.
        systems: whose means are wanted.
        measures: in which.
        forums: the collections of cqadupstack; where all are there, they count as one data set, as in BEIR.
        groups: name of an average → its data sets; made where all of them are there.
        comparable: whether a system's figure on a data set has the settings and the corpus of published ones; an average is compared
            where all its members are.

    Returns:
        One average per system for ``cqadupstack``, for the ``mean`` over all data sets if there are several, and for each group.
    """
    scores: dict[tuple[str, str], Mapping[str, float]] = {(row.dataset, row.system): row.scores for row in rows}
    names = [name for name in dict.fromkeys(row.dataset for row in rows) if all((name, system.name) in scores for system in systems)]
    wanted: dict[str, Sequence[str]] = {}
    if forums and set(forums) <= set(names):
        wanted[CQADUPSTACK] = forums
        names = [name for name in names if name not in forums] + [CQADUPSTACK]
    if len(names) > 1:
        wanted["mean"] = names
    wanted |= {group: members for group, members in (groups or {}).items() if set(members) <= set(names)}
    found = []
    for name, members in wanted.items():
        for system in systems:
            means = {measure: _mean(scores[member, system.name][measure] for member in members) for measure in measures}
            scores[name, system.name] = means  # the mean of the forums is a member of later means
            leaves = [leaf for member in members for leaf in (forums if member == CQADUPSTACK else (member,))]
            fair = all(comparable(leaf, system) for leaf in leaves)
            beside = published_average(name, members, system, means) if fair else {}
            found.append(Average(name, tuple(members), system.name, means, beside))
    return found


def _mean(values: Iterable[float]) -> float:
    each = list(values)
    return sum(each) / len(each)
