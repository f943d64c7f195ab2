"""A training problem: measurements as sparse rows, scaled targets and conditions, ready for either engine."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from matrep_core.errors import SettingRefused
from matrep_core.formulas.schema import FormulaSet, Observations, observations
from matrep_core.model.layout import AMOUNT_UNIT
from matrep_core.settings import TrainingSettings


COMPANION = "companion"  # part of the measurements of further properties: they train, and nothing is judged by them


@dataclass(frozen=True)
class TargetScale:
    """How a property's values become the numbers that the network predicts, and back.

    kind: linear, sqrt or log (log10), each then standardised by ``mean`` and ``spread`` of the training
    part; raw leaves the values as they are, as the research did. Predictions are held within the range that
    trained (``low`` to ``high``): beyond it the network knows nothing, and a log scale turns that into decades.
    """

    kind: str
    mean: float
    spread: float
    low: float
    high: float

    @classmethod
    def fitted(cls, kind: str, values: np.ndarray, property_name: str) -> TargetScale:
        """The scale of the training values (R,); raises SettingRefused where the kind does not fit them."""
        if kind == "log" and values.min() <= 0:
            raise SettingRefused("scale", kind, f"{property_name} has values of 0 or below; choose linear or sqrt.")
        if kind == "sqrt" and values.min() < 0:
            raise SettingRefused("scale", kind, f"{property_name} has values below 0; choose linear.")
        if values.min() == values.max():
            raise SettingRefused("property", property_name, "all its training values are equal; there is nothing to learn.")
        shaped = _shape(kind, values)
        with np.errstate(over="ignore"):
            mean, spread = (0.0, 1.0) if kind == "raw" else (float(shaped.mean()), float(shaped.std()))
        return cls(kind, mean, spread, float(shaped.min()), float(shaped.max()))

    def to_target(self, values: np.ndarray) -> np.ndarray:
        """(R,) values in the property's unit -> float32 targets; values outside a log or sqrt domain become NaN."""
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            return ((_shape(self.kind, values) - self.mean) / self.spread).astype(np.float32)

    def to_value(self, targets: np.ndarray, *, held: bool = True) -> np.ndarray:
        """(R,) predicted targets -> float64 values in the property's unit, ``held`` within the range that trained."""
        shaped = targets.astype(np.float64) * self.spread + self.mean
        if held:
            shaped = np.clip(shaped, self.low, self.high)
        if self.kind == "log":
            with np.errstate(over="ignore"):
                return 10.0**shaped
        return np.square(np.maximum(shaped, 0)) if self.kind == "sqrt" else shaped


def _shape(kind: str, values: np.ndarray) -> np.ndarray:
    if kind == "log":
        return np.log10(values)
    return np.sqrt(values) if kind == "sqrt" else np.asarray(values, np.float64)


@dataclass(frozen=True, eq=False)
class Problem:
    """R measurements: CSR rows over M materials, conditions, targets, and the part that each belongs to.

    amounts are in the model's unit (AMOUNT_UNIT × weight-%), conditions standardised by the training part.
    """

    indptr: np.ndarray  # (R + 1,) int64
    indices: np.ndarray  # (nonzeros,) int32
    amounts: np.ndarray  # (nonzeros,) float32
    conditions: np.ndarray  # (R, C) float32
    targets: np.ndarray  # (R,) float32
    values: np.ndarray  # (R,) float64, in the property's unit
    formulas: np.ndarray  # (R,) int64
    part: np.ndarray  # (R,) text: train, validation, eval, companion; the companions come last
    materials: int
    scale: TargetScale
    condition_mean: np.ndarray  # (C,) float64
    condition_spread: np.ndarray  # (C,) float64

    def rows(self, *parts: str) -> np.ndarray:
        """(.,) int64 measurements that belong to any of the parts."""
        return np.flatnonzero(np.isin(self.part, parts)).astype(np.int64)

    @property
    def own(self) -> int:
        """How many of the measurements are of the property that is predicted; they come first."""
        return int((self.part != COMPANION).sum())

    def facts(self) -> dict[str, Any]:
        """What predicting a further formula needs to know beside the weights; plain JSON."""
        return {
            "target_scale": vars(self.scale),
            "condition_mean": self.condition_mean.tolist(),
            "condition_spread": self.condition_spread.tolist(),
        }


def build_problem(data: FormulaSet, observed: Observations, parts: np.ndarray, settings: TrainingSettings) -> Problem:
    """Scale and cut the measurements for training; ``parts`` (F,) as in Run.parts.

    Raises SettingRefused where the chosen scale does not fit the values or the training values are constant.
    """
    part = parts[observed.formulas].astype(object)
    fitted = np.isin(part, ["train", "validation"])
    kind = observed.target.scale if settings.scale == "auto" else settings.scale
    if kind in ("log", "sqrt"):
        TargetScale.fitted(kind, observed.values, observed.target.name)
    scale = TargetScale.fitted(kind, observed.values[fitted], observed.target.name)
    condition_mean = observed.conditions[fitted].mean(axis=0)
    condition_spread = observed.conditions[fitted].std(axis=0)
    condition_spread[condition_spread == 0] = 1.0
    amounts = data.amounts[observed.formulas]
    own = Problem(
        indptr=amounts.indptr.astype(np.int64),
        indices=amounts.indices.astype(np.int32),
        amounts=(amounts.data * AMOUNT_UNIT).astype(np.float32),
        conditions=((observed.conditions - condition_mean) / condition_spread).astype(np.float32),
        targets=scale.to_target(observed.values),
        values=observed.values,
        formulas=observed.formulas,
        part=part,
        materials=len(data.materials),
        scale=scale,
        condition_mean=condition_mean,
        condition_spread=condition_spread,
    )
    return _with_companions(own, data, parts, settings) if settings.also else own


def _with_companions(own: Problem, data: FormulaSet, parts: np.ndarray, settings: TrainingSettings) -> Problem:
    """The problem with the measurements of further properties behind its own, each on a scale of its own.

    They train and nothing else. Which property a measurement is of enters the regressor as one number a property, 0 or 1;
    the material vectors are shared (multi-task learning: Caruana 1997, Machine Learning 28). Formulas that evaluate give
    none of their measurements, formulas without a value of the first property give theirs. A condition that a further
    property was not measured at is set to its mean.
    """
    count, known = len(own.targets), parts != "eval"
    blocks, targets, values, formulas, conditions, asked = [], [own.targets], [own.values], [own.formulas], [own.conditions], []
    asked.append(np.full(count, 0))
    for number, name in enumerate(settings.also, start=1):
        kept = observations(data, name, ())
        rows = np.flatnonzero(known[kept.formulas])
        if len(rows) < 2:
            raise SettingRefused("also", name, f"only {len(rows)} formulas that train have a value of it; leave it out.")
        kind = kept.target.scale if settings.scale in ("auto", "raw") else settings.scale
        scale = TargetScale.fitted(kind, kept.values[rows], name)
        targets.append(scale.to_target(kept.values[rows]))
        values.append(kept.values[rows])
        formulas.append(kept.formulas[rows])
        conditions.append(np.zeros((len(rows), own.conditions.shape[1]), np.float32))
        asked.append(np.full(len(rows), number))
        blocks.append(len(rows))
    which = np.concatenate(asked)
    every = np.concatenate(formulas)
    amounts = data.amounts[every]
    flags = np.eye(1 + len(settings.also), dtype=np.float32)[which]
    return replace(
        own,
        indptr=amounts.indptr.astype(np.int64),
        indices=amounts.indices.astype(np.int32),
        amounts=(amounts.data * AMOUNT_UNIT).astype(np.float32),
        conditions=np.concatenate([np.concatenate(conditions), flags], axis=1),
        targets=np.concatenate(targets),
        values=np.concatenate(values),
        formulas=every,
        part=np.concatenate([own.part, np.full(sum(blocks), COMPANION, dtype=object)]),
        condition_mean=np.concatenate([own.condition_mean, np.zeros(flags.shape[1])]),
        condition_spread=np.concatenate([own.condition_spread, np.ones(flags.shape[1])]),
    )
