from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from splade_lucene.evaluation.significance import Tally, holm, paired, randomisation_tests, t_test, tally


def mean(values: np.ndarray, axis: int) -> np.ndarray:
    return np.asarray(values.mean(axis=axis))


def differences(queries: int, shift: float, seed: int = 1) -> list[float]:
    rng = np.random.default_rng(seed)
    return list(np.where(rng.random(queries) < 0.5, 0.0, rng.normal(shift, 0.3, queries)))


@pytest.mark.parametrize("shift", [-0.2, 0.0, 0.1, 0.3])
def test_the_randomisation_test_agrees_with_scipys_exact_one(shift: float) -> None:
    values = differences(14, shift)
    exact = stats.permutation_test((np.array(values),), mean, permutation_type="samples", vectorized=True, n_resamples=1 << 15).pvalue
    assert randomisation_tests([values]) == [pytest.approx(exact, abs=0.006)]


def test_the_randomisation_test_of_many_queries_agrees_with_the_t_test() -> None:
    systems = [differences(3000, shift, seed) for seed, shift in enumerate((0.0, 0.015, -0.03))]
    assert randomisation_tests(systems) == [pytest.approx(t_test(each), abs=0.01) for each in systems]


def test_each_system_gets_the_p_that_it_would_get_alone() -> None:
    systems = [differences(50, shift, seed) for seed, shift in enumerate((0.0, 0.1, -0.2))]
    assert randomisation_tests(systems) == [randomisation_tests([each])[0] for each in systems]


def test_the_smallest_p_is_one_in_all_resamples_and_the_largest_is_1() -> None:
    assert randomisation_tests([[0.1] * 200, [0.0] * 200], resamples=999) == [0.001, 1.0]
    assert randomisation_tests([[], []]) == [1.0, 1.0]


def test_the_t_test_is_scipys() -> None:
    system, baseline = np.random.default_rng(0).random((2, 40))
    assert t_test(list(system - baseline)) == pytest.approx(stats.ttest_rel(system, baseline).pvalue)


@pytest.mark.parametrize(("values", "p"), [([], 1.0), ([0.5], 1.0), ([0.0] * 9, 1.0), ([1e-12, -1e-13, 0.0], 1.0), ([0.25] * 9, 0.0)])
def test_the_t_test_without_variance(values: list[float], p: float) -> None:
    assert t_test(values) == p


def test_holm_multiplies_by_the_number_of_hypotheses_left_and_never_falls() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([0.04]) == [0.04]
    assert holm([]) == []


def test_holm_equals_statsmodels() -> None:
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    p_values = list(np.random.default_rng(3).random(20) ** 3)
    assert holm(p_values) == pytest.approx(multitest.multipletests(p_values, method="holm")[1])


def test_wins_ties_and_losses_are_counted_with_room_for_floating_point() -> None:
    assert tally([0.1 + 0.2 - 0.3, 0.5, -0.5, -1e-3, 0.0]) == Tally(wins=1, ties=2, losses=2)


def test_only_scores_of_the_same_queries_are_paired() -> None:
    assert paired({"b": 0.5, "a": 0.25}, {"a": 0.0, "b": 1.0}) == [0.25, -0.5]
    with pytest.raises(KeyError, match="different queries"):
        paired({"a": 0.5}, {"a": 0.5, "b": 0.0})
