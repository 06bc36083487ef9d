"""Expected scores in a YAML file, which turn a finished evaluation into a regression check."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from splade_lucene.core.files import atomic_file
from splade_lucene.errors import InputError
from splade_lucene.evaluation.result_records import Results

# Scores are written with four digits.
_TOLERANCE = 0.0001
# Of adding and subtracting decimal fractions in binary.
_EPSILON = 1e-9


class Expectations(NamedTuple):
    """What ``--expect`` reads.

    Attributes:
        tolerance: by how much a score may differ.
        scores: data set or average → system → measure → score. What is not in it is not checked.
    """

    tolerance: float
    scores: Mapping[str, Mapping[str, Mapping[str, float]]]


class Unexpected(NamedTuple):
    """A score that is not as expected.

    Attributes:
        dataset: the data set or average.
        system: name.
        measure: ir_measures' name.
        expected: what the file says.
        measured: what was measured; None if it was not.
    """

    dataset: str
    system: str
    measure: str
    expected: float
    measured: float | None


def write_expectations(file: Path, results: Results) -> None:
    """Writes the scores of an evaluation, averages too, as the expectation of later ones."""
    import yaml

    scores: dict[str, dict[str, dict[str, float]]] = {}
    for (name, system), each in _scores(results).items():
        scores.setdefault(name, {})[system] = {measure: round(value, 4) for measure, value in each.items()}
    with atomic_file(file) as stream:
        stream.write("# Expected scores: `splade-lucene beir … --expect` of this file fails where one is further off than the tolerance.\n")
        yaml.safe_dump({"tolerance": _TOLERANCE, "scores": scores}, stream, sort_keys=False, allow_unicode=True)


def find_unexpected(expectations: Expectations, results: Results) -> list[Unexpected]:
    """The scores of an evaluation that differ by more than the tolerance or were not measured; empty if all is as expected."""
    tolerance, expected = expectations
    measured = _scores(results)
    return [
        Unexpected(name, system, measure, value, found)
        for name, systems in expected.items()
        for system, scores in systems.items()
        for measure, value in scores.items()
        for found in [measured.get((name, system), {}).get(measure)]
        if found is None or abs(found - value) > tolerance + _EPSILON
    ]


def read_expectations(file: Path) -> Expectations:
    """Reads a YAML file with ``tolerance`` and ``scores``.

    Raises:
        InputError: the file is missing or not of this form.
    """
    import yaml
    from pydantic import TypeAdapter, ValidationError

    try:
        data: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(file, f"is not YAML ({' '.join(str(error).split())}); correct it") from None
    except OSError as error:
        raise InputError(file, f"cannot be read ({error.strerror or error}); check its name") from None
    if not isinstance(data, dict) or not data.keys() <= {"tolerance", "scores"} or "scores" not in data:
        raise InputError(file, "holds no expected scores; write such a file with --write-expect")
    try:
        tolerance = TypeAdapter(float).validate_python(data.get("tolerance", _TOLERANCE))
        return Expectations(tolerance, TypeAdapter(dict[str, dict[str, dict[str, float]]]).validate_python(data["scores"]))
    except ValidationError as error:
        first = error.errors()[0]
        place = " of ".join(str(part) for part in reversed(first["loc"])) or "tolerance"
        raise InputError(file, f"the value {first['input']!r} for {place} is not what is expected there ({first['msg']})") from None


def _scores(results: Results) -> dict[tuple[str, str], Mapping[str, float]]:
    return {
        **{(row.dataset, row.system): row.scores for row in results.rows},
        **{(each.name, each.system): each.scores for each in results.averages},
    }
