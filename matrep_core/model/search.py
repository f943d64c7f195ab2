"""Which step to keep: error curves of formulas that did not train, and the rule that reads them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from matrep_core.model.engine import Engine, Order
from matrep_core.model.problem import Problem
from matrep_core.settings import TrainingSettings

CHECKS = 40  # how often the held-out error is looked at in one training


@dataclass(frozen=True, eq=False)
class Curve:
    """The error of W held-out measurements at K steps of one training.

    steps:  (K,) int64
    errors: (K, W) float32 absolute errors in the unit of the scaled target
    mae:    (K,) float64 their mean in the property's unit
    """

    steps: np.ndarray
    errors: np.ndarray
    mae: np.ndarray


@dataclass(frozen=True, eq=False)
class Search:
    """What the held-out formulas say about the steps: where training ends and which step is kept; steps, mae as in Curve."""

    steps: np.ndarray
    mae: np.ndarray
    best_step: int
    last_step: int


def watched_training(
    problem: Problem,
    settings: TrainingSettings,
    engine: Engine,
    order: Order,
    held_out: np.ndarray,
    going_on: Callable[[int], bool] = lambda step: True,
    patience: float = 1.0,
) -> Curve | None:
    """Train ``engine`` along ``order`` and look at the measurements ``held_out`` CHECKS times on the way.

    Training ends early once ``patience`` × steps have passed since the lowest error, and where it is no longer
    finite (the curve then ends before ``settings.steps``). ``going_on`` is asked at every check; where it says no,
    None is returned.
    """
    every = max(1, settings.steps // CHECKS)
    checks = [*range(0, settings.steps, every), settings.steps]
    errors: list[np.ndarray] = []
    means: list[float] = []
    mae: list[float] = []
    step = 0
    for check in checks:
        step = order.advance(engine, step, check, settings.batch_size)
        if step < check:
            break
        engine.vectors(step)
        predicted = engine.predict(held_out)
        errors.append(np.abs(predicted - problem.targets[held_out]))
        means.append(float(errors[-1].mean()))
        mae.append(float(np.abs(problem.scale.to_value(predicted) - problem.values[held_out]).mean()))
        if not going_on(step):
            return None
        if step - checks[int(np.argmin(means))] > patience * settings.steps:
            break
    return Curve(np.array(checks[: len(mae)]), np.array(errors, np.float32), np.array(mae))


def best_step(curves: list[Curve]) -> Search:
    """The step to keep by the curves of one or several trainings, all looked at at the same steps.

    Kept is the last step whose error is not clearly above the lowest: its paired difference, measurement by
    measurement, is within one standard error (the one-standard-error rule of Breiman et al. 1984, "Classification
    and Regression Trees", here for steps). The lowest error itself is often an accident of few formulas, and a
    later step has a lower learning rate behind it.
    """
    looked = min(len(curve.steps) for curve in curves)
    errors = np.concatenate([curve.errors[:looked] for curve in curves], axis=1)  # (K, measurements)
    weights = [curve.errors.shape[1] for curve in curves]
    mae = np.average([curve.mae[:looked] for curve in curves], axis=0, weights=weights)
    excess = errors - errors[int(np.argmin(errors.mean(axis=1)))]
    noise = excess.std(axis=1) / np.sqrt(errors.shape[1])
    best = int(np.flatnonzero(excess.mean(axis=1) <= noise)[-1])
    steps = curves[0].steps[:looked]
    return Search(steps, mae, int(steps[best]), int(steps[-1]))
