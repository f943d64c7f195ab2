"""What a chemist would try first, tuned as carefully as the model: the errors that a model must beat.

Every baseline reads the same training formulas as the model and predicts the same evaluated ones. Its settings and
its reading of the amounts are searched by inner cross-validation on the training formulas alone, over settings drawn
from its grid (random search: Bergstra & Bengio 2012, JMLR 13:281), fewer for the slow trees, whose grid is small. Targets are on the
property's scale (log where it is log), and predictions are held within the range that trained, as the model's are.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array, csr_matrix, hstack

from matrep_core.errors import SettingRefused
from matrep_core.formulas.schema import FormulaSet, Observations
from matrep_core.model.problem import TargetScale
from matrep_core.sampling import at_most
from matrep_core.threads import one_thread
from matrep_core.views.cache import cache_path, content_key, read_cached, write_cached

VERSION = 1  # of what a fit means; a new number makes cached predictions be computed again
CANDIDATES = 24
FEW_ROWS = 600  # measurements; up to here five inner folds, three beyond and for the slow trees
TUNED_ROWS = 3_000  # measurements; larger sets are tuned on a sample of this size and fitted on all
CURVES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "amounts": lambda a: a,
    "square roots": np.sqrt,
    "log(1 + a)": np.log1p,
    "log(1 + 100 a)": lambda a: np.log1p(100 * a),
}


@dataclass(frozen=True, eq=False)
class Baseline:
    """One fitted baseline: its settings in words, and its error in the inner cross-validation (target scale)."""

    name: str
    settings: dict[str, Any]
    inner_error: float
    estimator: Any

    def predict(self, amounts: csr_array, conditions: np.ndarray) -> np.ndarray:
        """(R,) predictions on the target's scale for amounts (R, M) in weight-% and conditions (R, C)."""
        with one_thread():
            return np.asarray(self.estimator.predict(_joined(amounts, conditions)), np.float64)


@dataclass(frozen=True)
class _Method:
    """How one baseline is built, and what is searched."""

    build: Callable[[int], Any]  # seed -> estimator
    grid: Mapping[str, Sequence[Any]]
    reads: Mapping[str, Any] = field(default_factory=dict)  # settings of the reader; without any, its curve is searched too
    finally_: Mapping[str, Any] = field(default_factory=dict)  # settings that differ in the last fit, on all formulas
    tries: int = CANDIDATES
    rows: int | None = None  # measurements; larger sets are fitted on a sample of this size, or it would take hours


def names() -> tuple[str, ...]:
    """The baselines that this installation has, in the order in which they are shown."""
    return tuple(name for name in _METHODS if name != "LightGBM" or find_spec("lightgbm"))


def fit_baseline(
    name: str, amounts: csr_array, conditions: np.ndarray, target: np.ndarray, groups: np.ndarray, seed: int = 0
) -> Baseline:
    """Tune and fit one baseline.

    amounts (R, M) in weight-%, conditions (R, C), target (R,) standardised on the property's scale, groups (R,) the
    formula of each measurement, so that no formula stands on both sides of an inner fold. Deterministic by ``seed``.
    Raises SettingRefused for an unknown name and for fewer than 4 formulas.
    """
    if name not in names():
        raise SettingRefused("baselines", name, f"choose among {', '.join(names())}.")
    if (formulas := len(np.unique(groups))) < 4:
        raise SettingRefused("baselines", name, f"tuning it needs at least 4 training formulas, and there are {formulas}.")
    from sklearn.model_selection import GroupKFold, ParameterGrid, RandomizedSearchCV

    method, rng = _METHODS[name], np.random.default_rng(seed)
    inputs, target = _joined(amounts, conditions), np.asarray(target, np.float64)
    pipeline, grid = _pipeline(method, conditions.shape[1], seed)
    tuned = _sample(len(target), TUNED_ROWS, rng)
    folds = min(5 if len(tuned) <= FEW_ROWS and method.tries == CANDIDATES else 3, len(np.unique(groups[tuned])))
    search = RandomizedSearchCV(
        pipeline, grid, n_iter=min(method.tries, len(ParameterGrid(grid))), scoring=_score, random_state=seed, refit=False, error_score="raise",
        cv=GroupKFold(folds, shuffle=True, random_state=seed),
    )  # fmt: skip
    with one_thread(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # solvers that stop at their last iteration: their error is measured anyhow
        search.fit(inputs[tuned], target[tuned], groups=groups[tuned])
        fitted = _sample(len(target), method.rows, rng)
        last = {f"fit__{key}": value for key, value in method.finally_.items()}
        estimator = pipeline.set_params(**search.best_params_, **last).fit(inputs[fitted], target[fitted])
    settings = {key.split("__")[-1]: value for key, value in sorted(search.best_params_.items())}
    return Baseline(name, settings, float(-search.best_score_), estimator)


def baseline_predictions(
    root: Path | None, data: FormulaSet, observed: Observations, trains: np.ndarray, name: str
) -> tuple[np.ndarray, float]:
    """(R,) predictions of one baseline in the property's unit for every measurement, and its inner error.

    ``trains`` (R,) bool: the measurements it may learn from, validation included. Computed once: the result is kept
    below the folder ``root`` by the content of all that it follows from; None keeps nothing.
    Raises SettingRefused where all training values are equal, and what ``fit_baseline`` raises.
    """
    if root and (kept := kept_predictions(root, data, observed, trains, name)):
        return kept
    scale = TargetScale.fitted(observed.target.scale, observed.values[trains], observed.target.name)
    amounts, target = data.amounts[observed.formulas], scale.to_target(observed.values[trains])
    model = fit_baseline(name, amounts[trains], observed.conditions[trains], target, observed.formulas[trains])
    predicted = scale.to_value(model.predict(amounts, observed.conditions))
    if root:
        keep_predictions(root, data, observed, trains, name, predicted, model.inner_error)
    return predicted, model.inner_error


def keep_predictions(
    root: Path, data: FormulaSet, observed: Observations, trains: np.ndarray, name: str, predicted: np.ndarray, inner_error: float
) -> None:
    """Keep below ``root`` what a baseline predicts, wherever it was fitted, so that ``kept_predictions`` finds it."""
    made = {"predicted": predicted, "inner_error": np.array([inner_error])}
    write_cached(cache_path(root, _key(data, observed, trains, name)), made)


def kept_predictions(
    root: Path, data: FormulaSet, observed: Observations, trains: np.ndarray, name: str
) -> tuple[np.ndarray, float] | None:
    """What ``baseline_predictions`` kept below ``root``, or None where it has not been computed; fits nothing."""
    kept = read_cached(cache_path(root, _key(data, observed, trains, name)))
    return (kept["predicted"], float(kept["inner_error"][0])) if kept else None


def _key(data: FormulaSet, observed: Observations, trains: np.ndarray, name: str) -> str:
    amounts = data.amounts[observed.formulas]
    contents = {
        "indptr": amounts.indptr.astype(np.int64), "indices": amounts.indices.astype(np.int64), "data": amounts.data,
        "conditions": observed.conditions, "values": observed.values, "formulas": observed.formulas, "trains": trains,
    }  # fmt: skip
    about = {"scale": observed.target.scale, "materials": len(data.materials), "version": VERSION, "library": _library(name)}
    return content_key(contents, baseline=name, **about)


def _library(name: str) -> str:
    from importlib.metadata import version

    package = "lightgbm" if name == "LightGBM" else "scikit-learn"
    return f"{package} {version(package)}"


def _joined(amounts: csr_array, conditions: np.ndarray) -> csr_matrix:
    return csr_matrix(hstack([csr_matrix(amounts), csr_matrix(conditions)]))


def _sample(count: int, most: int | None, rng: np.random.Generator) -> np.ndarray:
    return at_most(np.arange(count), count if most is None else most, rng)


def _score(estimator: Any, inputs: csr_matrix, target: np.ndarray) -> float:
    """The geometric mean of mean absolute and root mean squared error, negative: tuned for either judge."""
    error = np.abs(estimator.predict(inputs) - target)
    return -float(np.sqrt(error.mean() * np.sqrt(np.square(error).mean())))


def _pipeline(method: _Method, conditions: int, seed: int) -> tuple[Any, dict[str, Sequence[Any]]]:
    from sklearn.pipeline import Pipeline

    reader = _reader()(conditions, **method.reads)
    grid: dict[str, Sequence[Any]] = {f"fit__{name}": values for name, values in method.grid.items()}
    if not method.reads:
        grid |= {"read__curve": list(CURVES), "read__scaled": [False, True]}
    return Pipeline([("read", reader), ("fit", method.build(seed))]), grid


@lru_cache
def _reader() -> type:
    """The class that turns amounts and conditions into features; made on first use, as scikit-learn loads slowly."""
    from sklearn.base import BaseEstimator, TransformerMixin

    class Reader(TransformerMixin, BaseEstimator):  # type: ignore[misc]
        """Amounts through a curve, each column over its spread if ``scaled``; a condition weighs as much as a material.

        Features are scaled as a whole so that two formulas are on average a squared distance of 1 apart, which
        gives widths of kernels and penalties one meaning on every set. Columns of fewer than ``least`` amounts are
        left out.
        """

        def __init__(self, conditions: int = 0, curve: str = "amounts", scaled: bool = False, least: int = 1):
            self.conditions, self.curve, self.scaled, self.least = conditions, curve, scaled, least

        def fit(self, inputs: csr_matrix, target: np.ndarray | None = None) -> Any:
            amounts, conditions = self._parts(inputs)
            used = np.bincount(amounts.indices, minlength=amounts.shape[1])
            self.columns_ = np.flatnonzero(used >= self.least)
            kept = amounts[:, self.columns_]
            mean = np.asarray(kept.mean(axis=0)).ravel()
            variance = np.maximum(np.asarray(kept.multiply(kept).mean(axis=0)).ravel() - mean**2, 0)
            constant = variance <= 1e-12 * np.maximum(mean**2, 1e-300)
            weight = np.where(constant, 0.0, 1 / np.sqrt(np.where(constant, 1, variance))) if self.scaled else np.ones(len(mean))
            each = amounts.nnz / max(amounts.shape[0], 1)  # materials a formula
            total = float((variance * weight**2).sum())
            self.mean_, spread = conditions.mean(axis=0), conditions.std(axis=0)
            per_condition = np.sqrt(total / max(each, 1)) if total else 1.0
            whole = 1 / np.sqrt(2 * (total + per_condition**2 * np.count_nonzero(spread)) or 1.0)
            self.weight_ = weight * whole
            self.condition_weight_ = per_condition * whole / np.where(spread > 0, spread, np.inf)
            return self

        def transform(self, inputs: csr_matrix) -> Any:
            amounts, conditions = self._parts(inputs)
            features = amounts[:, self.columns_].multiply(self.weight_)
            return hstack([features, csr_matrix((conditions - self.mean_) * self.condition_weight_)], format="csr")

        def _parts(self, inputs: csr_matrix) -> tuple[csr_matrix, np.ndarray]:
            split = inputs.shape[1] - self.conditions
            amounts = inputs[:, :split].copy()
            amounts.data = CURVES[self.curve](amounts.data)
            return amounts, inputs[:, split:].toarray()

    return Reader


def _mean(seed: int) -> Any:
    from sklearn.dummy import DummyRegressor

    return DummyRegressor()


def _ridge(seed: int) -> Any:
    from sklearn.linear_model import Ridge

    return Ridge(solver="sparse_cg", max_iter=1_000)


def _neighbours(seed: int) -> Any:
    from sklearn.neighbors import KNeighborsRegressor

    return KNeighborsRegressor(algorithm="brute")


def _svr(seed: int) -> Any:
    from sklearn.svm import SVR

    return SVR(cache_size=400, max_iter=200_000)


def _forest(seed: int) -> Any:
    from sklearn.ensemble import RandomForestRegressor

    return RandomForestRegressor(60, random_state=seed)


def _boosting(seed: int) -> Any:
    from sklearn.ensemble import GradientBoostingRegressor

    return GradientBoostingRegressor(subsample=0.7, random_state=seed)


def _lightgbm(seed: int) -> Any:
    from lightgbm import LGBMRegressor

    return LGBMRegressor(n_jobs=1, random_state=seed, verbosity=-1, deterministic=True, force_row_wise=True)


_METHODS: dict[str, _Method] = {
    "mean": _Method(_mean, {}, {"least": 1}),
    "ridge": _Method(_ridge, {"alpha": list(np.geomspace(1e-4, 100, 13))}),
    "kNN": _Method(
        _neighbours, {"n_neighbors": [1, 2, 3, 5, 8, 12, 20], "weights": ["uniform", "distance"], "metric": ["euclidean", "cosine"]}
    ),
    "SVR": _Method(_svr, {"C": [0.3, 1, 3, 10, 30], "gamma": [0.3, 1, 3, 10], "epsilon": [0.03, 0.1, 0.3]}, rows=8_000),
    # Trees see only the order of the amounts, so that no curve changes them.
    "random forest": _Method(
        _forest, {"max_features": ["sqrt", 0.1, 0.33, 1.0], "min_samples_leaf": [1, 2, 4]}, {"least": 2}, {"n_estimators": 300}, tries=8
    ),
    "gradient boosting": _Method(
        _boosting,
        {"learning_rate": [0.03, 0.1], "n_estimators": [100, 300], "max_depth": [2, 4, 7], "max_features": [0.33, 1.0]},
        {"least": 2}, tries=10, rows=20_000,
    ),
    "LightGBM": _Method(
        _lightgbm, {"learning_rate": [0.03, 0.1], "n_estimators": [100, 300], "num_leaves": [4, 12, 31], "min_child_samples": [3, 10]},
        {"least": 3}, tries=10,
    ),
}  # fmt: skip
