"""Baselines: they learn what there is to learn, see no evaluated formula, repeat exactly, and are fitted once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_array

from matrep_core.errors import SettingRefused
from matrep_core.evaluation.baselines import baseline_predictions, fit_baseline, names
from matrep_core.formulas.reading import read_data
from matrep_core.formulas.schema import observations
from matrep_core.formulas.splits import split_formulas

QUICK = ("mean", "ridge", "kNN", "SVR")


def mixtures(count: int = 240, seed: int = 0):
    """(amounts, conditions, target): ten materials, three a formula; the target follows amounts and one condition."""
    rng = np.random.default_rng(seed)
    dense = np.zeros((count, 10))
    for row in dense:
        row[rng.choice(10, 3, replace=False)] = rng.dirichlet([2, 2, 2]) * 100
    conditions = rng.normal(25, 5, (count, 1))
    target = np.sqrt(dense) @ np.linspace(-1, 1, 10) + 0.3 * (conditions[:, 0] - 25) + rng.normal(0, 0.1, count)
    return csr_array(dense), conditions, (target - target.mean()) / target.std()


@pytest.mark.parametrize("name", [name for name in names() if name != "mean"])
def test_each_baseline_learns(name):
    amounts, conditions, target = mixtures()
    trains = np.arange(240) < 100
    fitted = fit_baseline(name, amounts[trains], conditions[trains], target[trains], np.arange(100))
    error = np.abs(fitted.predict(amounts[~trains], conditions[~trains]) - target[~trains]).mean()
    assert error < 0.75 * np.abs(target[~trains]).mean()


def test_a_fit_with_chance_in_it_repeats_exactly():
    amounts, conditions, target = mixtures(60)
    first, again = (fit_baseline("random forest", amounts, conditions, target, np.arange(60)) for _ in range(2))
    assert again.settings == first.settings
    np.testing.assert_array_equal(again.predict(amounts, conditions), first.predict(amounts, conditions))


@pytest.mark.parametrize("name", ["ridge", "kNN", "SVR"])
def test_a_condition_that_matters_is_used(name):
    amounts, conditions, target = mixtures()
    trains = np.arange(240) < 160
    errors = []
    for given in (conditions, np.zeros((240, 0))):
        fitted = fit_baseline(name, amounts[trains], given[trains], target[trains], np.arange(160))
        errors.append(np.abs(fitted.predict(amounts[~trains], given[~trains]) - target[~trains]).mean())
    assert errors[0] < 0.9 * errors[1]


def test_ridge_finds_the_curve_of_the_amounts_by_itself():
    amounts, conditions, target = mixtures()
    assert fit_baseline("ridge", amounts, conditions, target, np.arange(240)).settings["curve"] == "square roots"


def test_tuning_keeps_a_formula_that_was_measured_twice_on_one_side():
    rng = np.random.default_rng(0)
    amounts = csr_array(rng.dirichlet(np.ones(6), 40) * 100)
    twice, target = np.repeat(np.arange(40), 2), np.repeat(rng.normal(size=40), 2)  # noise: nothing to learn but the twin
    fitted = fit_baseline("kNN", amounts[twice], np.zeros((80, 0)), target, twice)
    assert fitted.inner_error > 0.5


@pytest.mark.parametrize("name", QUICK)
def test_evaluated_values_change_no_prediction(small_cosmetics, name):
    observed = observations(small_cosmetics, "viscosity")
    trains = np.arange(len(observed.values)) % 3 > 0
    predicted, error = baseline_predictions(None, small_cosmetics, observed, trains, name)
    other = replace(observed, values=np.where(trains, observed.values, observed.values[::-1] * 7))
    again, same_error = baseline_predictions(None, small_cosmetics, other, trains, name)
    np.testing.assert_array_equal(predicted, again)
    assert error == same_error and predicted.shape == observed.values.shape
    assert predicted.min() >= observed.values[trains].min() * 0.999 and predicted.max() <= observed.values[trains].max() * 1.001


def test_the_mean_is_the_mean_on_the_scale_of_the_property(small_cosmetics):
    observed = observations(small_cosmetics, "viscosity")
    trains = np.arange(len(observed.values)) % 3 > 0
    predicted, _ = baseline_predictions(None, small_cosmetics, observed, trains, "mean")
    assert observed.target.scale == "log"
    np.testing.assert_allclose(predicted, np.exp(np.log(observed.values[trains]).mean()), rtol=1e-5)


def test_a_result_is_kept_by_its_content_and_a_damaged_one_is_made_again(small_cosmetics, tmp_path):
    observed = observations(small_cosmetics, "pH")
    trains = np.arange(len(observed.values)) % 3 > 0
    first, _ = baseline_predictions(tmp_path, small_cosmetics, observed, trains, "ridge")
    (file,) = (tmp_path / "cache").iterdir()
    made = file.stat().st_ino  # a file that is written again is another one
    np.testing.assert_array_equal(first, baseline_predictions(tmp_path, small_cosmetics, observed, trains, "ridge")[0])
    assert file.stat().st_ino == made
    baseline_predictions(tmp_path, small_cosmetics, observed, ~trains, "ridge")
    assert len(list((tmp_path / "cache").iterdir())) == 2
    file.write_bytes(file.read_bytes()[:-9] + b"\0" * 9)
    np.testing.assert_array_equal(first, baseline_predictions(tmp_path, small_cosmetics, observed, trains, "ridge")[0])
    assert file.stat().st_ino != made


def test_refusals_name_the_number_that_is_missing(small_cosmetics):
    amounts, conditions, target = mixtures(12)
    with pytest.raises(SettingRefused, match="at least 4 training formulas, and there are 3"):
        fit_baseline("ridge", amounts, conditions, target, np.repeat(np.arange(3), 4))
    with pytest.raises(SettingRefused, match="choose among mean, ridge"):
        fit_baseline("lasso", amounts, conditions, target, np.arange(12))
    observed = observations(small_cosmetics, "pH")
    constant = replace(observed, values=np.full(len(observed.values), 7.0))
    with pytest.raises(SettingRefused, match="all its training values are equal"):
        baseline_predictions(None, small_cosmetics, constant, np.arange(len(observed.values)) % 2 > 0, "ridge")


def test_real_formulas_are_beaten_by_the_mean_nowhere(shared_data):
    data = read_data([shared_data / "shampoo"]).data
    observed = observations(data, "viscosity_100s")
    split = split_formulas(data, observed.formulas, "random", 0.7, 0, observed.values)
    trains = np.isin(observed.formulas, split.train)
    found = {}
    for name in QUICK:
        predicted, _ = baseline_predictions(None, data, observed, trains, name)
        found[name] = float(np.sqrt(np.square(np.log10(predicted / observed.values)[~trains]).mean()))
    print("\nshampoo, log10 RMSE of one split:", {name: round(error, 3) for name, error in found.items()})
    assert set(QUICK) <= set(names()) and max(found, key=found.get) == "mean" and found["SVR"] < 0.8 * found["mean"]
