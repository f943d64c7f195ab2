"""The default predictor: the vectors' models of all folds, trees and a kernel machine, weighted by honest errors.

Every training formula belongs to one of K folds, and every model of a fold is fitted without that fold. So each
training measurement has a prediction by models that never saw it. From these come the weights of the blend
(stacking: Breiman 1996, Machine Learning 24; van der Laan, Polley, Hubbard 2007, "Super Learner"), and the width of
the intervals (conformal prediction on held-out folds: Vovk 2015, "Cross-conformal predictors"; Barber et al. 2021,
"Predictive inference with the jackknife+"), scaled by how much the models disagree and how rare the materials are.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from matrep_core.errors import RunBroken, SettingRefused
from matrep_core.model import partners
from matrep_core.model.layout import AMOUNT_UNIT, Layout
from matrep_core.model.predicting import regress
from matrep_core.model.problem import Problem, TargetScale
from matrep_core.sampling import at_most, generator
from matrep_core.settings import TrainingSettings

VECTORS, TREES, MIXTURE_TREES, KERNEL = "vectors", "trees", "trees on mixture vectors", "kernel"
LEVELS = (0.80, 0.95)
MIXTURES = 400  # at which the models' variance is looked at
STIRRED_IN = 0.15  # of another formula, in each of them


@dataclass(frozen=True, eq=False)
class Prediction:
    """What is predicted for R formulas, in the property's unit.

    value (R,); low80, high80, low95, high95 (R,), NaN where the run has no folds; alone (R,) the vectors without
    trees and kernel; models (1 + K, R) each model of the vectors by itself; unseen (R,) int materials of the formula
    that no training formula holds
    """

    value: np.ndarray
    low80: np.ndarray
    high80: np.ndarray
    low95: np.ndarray
    high95: np.ndarray
    alone: np.ndarray
    models: np.ndarray
    unseen: np.ndarray


@dataclass(frozen=True)
class Interval:
    """Half width = quantile × (base + disagreement × d + rarity × r), on the scale of the target.

    d: standard deviation between the kinds of model, mean over the folds; r: sum over the materials of the formula
    of 1 / (1 + support). quantiles: of |error| / width on the held-out folds, for LEVELS.
    """

    base: float
    disagreement: float
    rarity: float
    quantiles: tuple[float, ...]

    def width(self, disagreement: np.ndarray, rarity: np.ndarray) -> np.ndarray:
        return self.base + self.disagreement * disagreement + self.rarity * rarity


@dataclass(frozen=True, eq=False)
class Ensemble:
    """All that predicting needs. vectors (1 + K, M, N), regressors (1 + K, P): the main model, then one a fold."""

    layout: Layout
    declared: int  # conditions
    activation: str
    scale: TargetScale
    condition_mean: np.ndarray
    condition_spread: np.ndarray
    vectors: np.ndarray
    regressors: np.ndarray
    support: np.ndarray
    columns: np.ndarray
    forests: dict[str, partners.Forest]
    kernel: partners.Kernel | None
    known: csr_array | None
    weights: dict[str, float]
    interval: Interval | None

    def predict(self, amounts: csr_array, conditions: np.ndarray) -> Prediction:
        """Predict R formulas: amounts (R, M) in weight-%, conditions (R, C) in their own units."""
        amounts, standard = self._asked(amounts, conditions)
        parts = self._parts(amounts, standard)
        alone = parts[VECTORS].mean(axis=0)
        blended = self.weights[VECTORS] * alone
        for name, weight in self.weights.items():
            if name != VECTORS and weight:
                blended = blended + weight * parts[name].mean(axis=0)
        bounds = [np.full(len(blended), np.nan)] * 4
        if self.interval:
            kinds = np.stack([parts[VECTORS][1:], *(parts[n] for n in self.weights if n != VECTORS)])
            width = self.interval.width(kinds.std(axis=0).mean(axis=0), rarity(amounts, self.support))
            centre = np.clip(blended, *self._range)
            bounds = [self.open_value(centre + side * q * width) for q in self.interval.quantiles for side in (-1, 1)]
        never = csr_array((np.ones(amounts.nnz), amounts.indices, amounts.indptr), amounts.shape) @ (self.support == 0)
        return Prediction(
            self.scale.to_value(blended), *bounds, self.scale.to_value(alone),
            np.stack([self.scale.to_value(each) for each in parts[VECTORS]]), never.astype(np.int64),
        )  # fmt: skip

    def by_fold(self, amounts: csr_array, conditions: np.ndarray) -> np.ndarray:
        """(K, R) the blended prediction of each fold's models alone, on the target scale: fold k never saw its formulas."""
        parts = self._parts(*self._asked(amounts, conditions))
        parts[VECTORS] = parts[VECTORS][1:]
        return np.clip(sum(weight * parts[name] for name, weight in self.weights.items() if weight), *self._range)

    def _asked(self, amounts: csr_array, conditions: np.ndarray) -> tuple[csr_array, np.ndarray]:
        """Amounts as they are, and conditions standardised; raises SettingRefused where either has another shape."""
        amounts = csr_array(amounts)
        given = np.asarray(conditions, np.float64).reshape(amounts.shape[0], -1)
        if amounts.shape[1] != self.layout.materials or given.shape[1] != self.declared:
            raise SettingRefused(
                "conditions", given.shape[1],
                f"this model takes amounts of {self.layout.materials} materials and {self.declared} conditions a formula.",
            )  # fmt: skip
        return amounts, self.standard(given)

    def standard(self, conditions: np.ndarray) -> np.ndarray:
        """(R, declared) conditions in their own units -> (R, C) inputs beside the mixture vector, standardised.

        Where several properties were learned together, the first is asked for.
        """
        asked = np.zeros((len(conditions), self.layout.conditions - self.declared))
        asked[:, :1] = 1.0
        return (np.concatenate([conditions, asked], axis=1) - self.condition_mean) / self.condition_spread

    @property
    def _range(self) -> tuple[float, float]:
        return (self.scale.low - self.scale.mean) / self.scale.spread, (self.scale.high - self.scale.mean) / self.scale.spread

    def open_value(self, targets: np.ndarray) -> np.ndarray:
        """(R,) bounds of an interval in the property's unit: they may leave the range that trained, not the sign."""
        values = self.scale.to_value(targets, held=False)
        return np.maximum(values, 0.0) if self.scale.low >= 0 and self.scale.kind in ("linear", "raw") else values

    def _parts(self, amounts: csr_array, standard: np.ndarray) -> dict[str, np.ndarray]:
        """Scaled predictions of each kind: vectors (1 + K, R), the others (K, R)."""
        mixtures = [(amounts * AMOUNT_UNIT) @ each for each in self.vectors]
        out = {
            VECTORS: np.stack([
                regress(np.concatenate([mixture, standard], axis=1), flat, self.layout, self.activation)
                for mixture, flat in zip(mixtures, self.regressors, strict=True)
            ]).astype(np.float64)
        }  # fmt: skip
        folds = range(len(self.vectors) - 1)
        if TREES in self.forests:
            inputs = partners.dense_inputs(amounts, standard, self.columns)
            out[TREES] = np.stack([self.forests[TREES].predict(k, inputs) for k in folds])
        if MIXTURE_TREES in self.forests:
            joined = [np.concatenate([m, standard], axis=1).astype(np.float32) for m in mixtures[1:]]
            out[MIXTURE_TREES] = np.stack([self.forests[MIXTURE_TREES].predict(k, joined[k]) for k in folds])
        if self.kernel is not None and self.known is not None:
            shaped = partners.kernel_inputs(amounts, standard, self.kernel.root, self.kernel.stretch)
            out[KERNEL] = np.stack([self.kernel.predict(k, shaped, self.known) for k in folds])
        return out

    # What a run keeps ---------------------------------------------------------------------------

    def stored(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Tensors and plain facts; ``restored`` takes them back. The main model is stored by the run itself."""
        tensors = {"folds/vectors": self.vectors[1:], "folds/regressors": self.regressors[1:], "trees/columns": self.columns}
        for name, forest in self.forests.items():
            tensors |= {f"{name}/{part}": array for part, array in vars(forest).items()}
        facts: dict[str, Any] = {"weights": self.weights, "interval": asdict(self.interval) if self.interval else None}
        if self.kernel:
            arrays = {n: v for n, v in vars(self.kernel).items() if isinstance(v, np.ndarray)}
            tensors |= {f"kernel/{name}": array for name, array in arrays.items()}
            facts["kernel"] = {"root": self.kernel.root, "stretch": self.kernel.stretch}
        return tensors, facts


def rarity(amounts: csr_array, support: np.ndarray) -> np.ndarray:
    """(R,) sum over the materials of each formula of 1 / (1 + support)."""
    present = csr_array((np.ones(amounts.nnz), amounts.indices, amounts.indptr), amounts.shape)
    return present @ (1.0 / (1.0 + support))


def lone(problem: Problem, settings: TrainingSettings, vectors: np.ndarray, regressor: np.ndarray) -> Ensemble:
    """The main model by itself: no folds, no partners, no interval."""
    rows = problem.rows("train", "validation")
    return Ensemble(
        Layout.of(settings, problem.materials), len(settings.conditions), settings.hidden_activation, problem.scale, problem.condition_mean,
        problem.condition_spread, vectors[None], regressor[None], _support(problem, rows), np.empty(0, np.int32), {}, None,
        None, {VECTORS: 1.0}, None,
    )  # fmt: skip


def _support(problem: Problem, rows: np.ndarray) -> np.ndarray:
    """(M,) int: in how many formulas of the measurements ``rows`` each material occurs."""
    _, first = np.unique(problem.formulas[rows], return_index=True)
    return np.bincount(_amounts(problem)[rows[first]].indices, minlength=problem.materials)


def _amounts(problem: Problem) -> csr_array:
    """(R, M) in weight-%."""
    data = problem.amounts / np.float32(AMOUNT_UNIT)
    return csr_array((data, problem.indices, problem.indptr), shape=(len(problem.targets), problem.materials))


def fit_ensemble(
    problem: Problem, settings: TrainingSettings, fold: np.ndarray, vectors: np.ndarray, regressors: np.ndarray, workers: int = 1
) -> Ensemble:
    """Fit the partners of every fold, weigh all by their held-out predictions, and measure the interval.

    ``fold`` (R,) int is the fold of each training measurement of the property, -1 for the others; ``vectors`` (1 + K, M, N) and
    ``regressors`` (1 + K, P) are trained already.
    """
    amounts, standard = _amounts(problem), problem.conditions.astype(np.float64)
    train = np.flatnonzero(fold >= 0)
    columns = partners.tree_columns(_support(problem, train))
    folds = range(len(vectors) - 1)
    sides = [
        at_most(np.flatnonzero((fold >= 0) & (fold != k)), partners.MOST_ROWS, generator(settings.seed, f"partners {k}"))
        for k in folds
    ]
    forests: dict[str, partners.Forest] = {}
    kernel, known = None, None
    if settings.blend == "yes":
        dense = partners.dense_inputs(amounts, standard, columns)
        mixtures = [(amounts * AMOUNT_UNIT) @ each for each in vectors[1:]]
        mixed = [np.concatenate([m, standard], axis=1).astype(np.float32) for m in mixtures]
        targets = problem.targets.astype(np.float64)
        for name, inputs in ((TREES, [dense] * len(folds)), (MIXTURE_TREES, mixed)):
            with ThreadPoolExecutor(workers) as pool:  # the fits are compiled code and hold no interpreter lock
                fitted = pool.map(lambda k: partners.fit_trees(inputs[k][sides[k]], targets[sides[k]], settings.seed + k), folds)
                forests[name] = partners.joined(list(fitted))
        kernel, known = _fit_kernels(problem, amounts, standard, targets, sides, np.flatnonzero(fold == 0), workers)
    main = Ensemble(
        Layout.of(settings, problem.materials), len(settings.conditions), settings.hidden_activation, problem.scale, problem.condition_mean,
        problem.condition_spread, vectors, regressors, _support(problem, train), columns, forests, kernel, known,
        {VECTORS: 1.0}, None,
    )  # fmt: skip
    return _weighed(main, problem, amounts, standard, fold)


def _fit_kernels(
    problem: Problem, amounts: csr_array, standard: np.ndarray, targets: np.ndarray, sides: list[np.ndarray], first: np.ndarray,
    workers: int,
) -> tuple[partners.Kernel, csr_array]:
    """One machine a fold; the first fold chooses how amounts enter it."""

    def fitted(root: bool, k: int) -> tuple[partners.FittedKernel, csr_array, float]:
        stretch = partners.stretch_of(amounts[sides[0]], root)
        inputs = partners.kernel_inputs(amounts, standard, root, stretch)
        return partners.fit_kernel(inputs[sides[k]], targets[sides[k]]), inputs, stretch

    def as_kernel(root: bool, stretch: float, each: list[partners.FittedKernel]) -> partners.Kernel:
        rows = [sides[k][one.rows] for k, one in enumerate(each)]
        bounds = np.cumsum([0, *map(len, rows)]).astype(np.int64)
        every = np.concatenate(rows)
        return partners.Kernel(
            problem.formulas[every], standard[every], np.concatenate([one.dual for one in each]), bounds,
            np.array([one.gamma for one in each]), np.array([one.intercept for one in each]), root, stretch,
        )  # fmt: skip

    tried = {}
    for root in (True, False):
        one, inputs, stretch = fitted(root, 0)
        machine = as_kernel(root, stretch, [one])
        error = np.abs(machine.predict(0, inputs[first], inputs[sides[0][one.rows]]) - targets[first]).mean()
        tried[root] = error, one, inputs, stretch
    root = min(tried, key=lambda r: tried[r][0])
    _, one, inputs, stretch = tried[root]
    with ThreadPoolExecutor(workers) as pool:
        every = [one, *pool.map(lambda k: fitted(root, k)[0], range(1, len(sides)))]
    known = inputs[np.concatenate([sides[k][each.rows] for k, each in enumerate(every)])]
    return as_kernel(root, stretch, every), known


def _weighed(ensemble: Ensemble, problem: Problem, amounts: csr_array, standard: np.ndarray, fold: np.ndarray) -> Ensemble:
    """The same with weights and interval from the predictions of measurements that their models never saw."""
    train = np.flatnonzero(fold >= 0)
    parts = ensemble._parts(amounts[train], standard[train])
    parts[VECTORS] = parts[VECTORS][1:]
    own = fold[train], np.arange(len(train))
    held = {name: np.clip(each[own], *ensemble._range) for name, each in parts.items()}  # each (training measurements,)
    targets = problem.targets[train].astype(np.float64)
    names = list(held)
    stacked = np.stack([held[n] for n in names], axis=1)
    gains = _gain_of_averaging(ensemble, amounts[train], standard[train], names)
    rare = np.empty(len(train))
    for k in range(len(ensemble.vectors) - 1):
        mine = fold[train] == k
        rare[mine] = rarity(amounts[train[mine]], _support(problem, train[~mine]))
    kinds = stacked.std(axis=1)
    ratio = np.empty(len(train))  # weights and widths see a fold no more than its models did, or the interval would be too narrow
    for k in range(len(ensemble.vectors) - 1):
        mine, others = fold[train] == k, fold[train] != k
        share = _stacked(stacked[others], targets[others], gains)
        widths = _widths(np.abs(stacked[others] @ share - targets[others]), kinds[others], rare[others])
        ratio[mine] = np.abs(stacked[mine] @ share - targets[mine]) / widths.width(kinds[mine], rare[mine])
    share = _stacked(stacked, targets, gains)
    interval = _widths(np.abs(stacked @ share - targets), kinds, rare)
    places = [min(len(ratio) - 1, int(np.ceil((len(ratio) + 1) * level)) - 1) for level in LEVELS]
    quantiles = tuple(float(np.sort(ratio)[place]) for place in places)
    weights = {name: float(w) for name, w in zip(names, share, strict=True)}
    return replace(ensemble, weights=weights, interval=replace(interval, quantiles=quantiles))


def _widths(error: np.ndarray, disagreement: np.ndarray, rare: np.ndarray) -> Interval:
    """The width that follows held-out errors (R,) best, never less than a tenth of their mean; quantiles to come."""
    from scipy.optimize import nnls

    base, *slopes = nnls(np.stack([np.ones(len(error)), disagreement, rare], axis=1), error)[0]
    return Interval(float(max(base, 0.1 * error.mean())), float(slopes[0]), float(slopes[1]), ())


def _gain_of_averaging(ensemble: Ensemble, amounts: csr_array, standard: np.ndarray, names: list[str]) -> np.ndarray:
    """(J, J) by how much averaging over the folds lowers the mean products of the errors of two kinds of models.

    It is the covariance between the models of the folds less that of their means, taken at mixtures of two training
    formulas, mostly of one: they are new to every model, and as near to its formulas as those that will be predicted.
    Kinds that see the same folds err alike; without the products of two kinds, mixing them would look worse than it is.
    """
    random = generator(len(names), f"halfway {amounts.shape[0]}")
    one, other = random.choice(amounts.shape[0], (2, MIXTURES))
    share = 1 - STIRRED_IN
    mixed = csr_array(share * amounts[one] + STIRRED_IN * amounts[other])
    parts = ensemble._parts(mixed, share * standard[one] + STIRRED_IN * standard[other])
    models = np.stack([parts[name][1:] if name == VECTORS else parts[name] for name in names])  # (J, K, MIXTURES)
    apart = models - models.mean(axis=1, keepdims=True)
    folds = models.shape[1]
    return np.einsum("ikh,jkh->ij", apart, apart) / ((folds - 1) * models.shape[2]) * (1 - 1 / folds)


def _stacked(held: np.ndarray, targets: np.ndarray, gains: np.ndarray) -> np.ndarray:
    """(J,) weights >= 0 that sum to 1 with the least expected squared error of the averaged models.

    ``held`` (R, J) are held-out predictions of single models: what averaging will gain, ``gains`` (J, J), is taken off
    the products of their errors, or stacking would underrate those that vary most.
    """
    from scipy.optimize import minimize

    count = held.shape[1]
    if count == 1:
        return np.ones(1)
    moments, reach = held.T @ held / len(held) - gains, held.T @ targets / len(held)
    found = minimize(
        lambda w: w @ moments @ w - 2 * reach @ w, np.full(count, 1 / count), jac=lambda w: 2 * (moments @ w - reach),
        bounds=[(0, 1)] * count, constraints={"type": "eq", "fun": lambda w: w.sum() - 1}, method="SLSQP",
    )  # fmt: skip
    share = np.where(np.isfinite(found.x) & (found.x > 1e-3), found.x, 0.0)
    return share / share.sum() if share.sum() > 0 else np.full(count, 1 / count)


def restored(
    layout: Layout, settings: TrainingSettings, tensors: dict[str, np.ndarray], facts: dict[str, Any],
    support: np.ndarray, amounts: csr_array,
) -> Ensemble:
    """The predictor of a kept model; ``amounts`` (F, M) are the run's formulas. Raises RunBroken where parts do not fit."""
    try:
        main_vectors, main_regressor = tensors["material_vectors"], tensors["regressor"]
        vectors = np.concatenate([main_vectors[None], tensors["folds/vectors"]]) if "folds/vectors" in tensors else main_vectors[None]
        regressors = main_regressor[None]
        if "folds/regressors" in tensors:
            regressors = np.concatenate([regressors, tensors["folds/regressors"]])
        if vectors.shape[1:] != (layout.materials, layout.n_entries) or regressors.shape != (len(vectors), layout.parameters):
            raise ValueError("its vectors or regressors have another shape")
        columns = len(tensors.get("trees/columns", ()))
        forests = {
            name: partners.Forest(**{part: tensors[f"{name}/{part}"] for part in partners.Forest.__dataclass_fields__}).checked(width)
            for name, width in ((TREES, columns + layout.conditions), (MIXTURE_TREES, layout.inputs))
            if f"{name}/roots" in tensors
        }
        kernel, known = None, None
        if "kernel" in facts:
            arrays = ("formulas", "conditions", "dual", "first", "gamma", "intercept")
            kernel = partners.Kernel(**{name: tensors[f"kernel/{name}"] for name in arrays}, **facts["kernel"])
            known = partners.kernel_inputs(amounts[kernel.formulas], kernel.conditions, kernel.root, kernel.stretch)
        interval = facts.get("interval")
        return Ensemble(
            layout, len(settings.conditions), settings.hidden_activation, TargetScale(**facts["target_scale"]), np.array(facts["condition_mean"]),
            np.array(facts["condition_spread"]), vectors, regressors, support,
            tensors.get("trees/columns", np.empty(0, np.int32)), forests, kernel, known,
            {str(k): float(v) for k, v in facts.get("weights", {VECTORS: 1.0}).items()},
            Interval(**{**interval, "quantiles": tuple(interval["quantiles"])}) if interval else None,
        )  # fmt: skip
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise RunBroken(f"The kept model of this run does not fit its settings ({error}). Load the run again.") from None
