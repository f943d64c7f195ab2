"""A training problem: measurements as sparse rows, scaled targets and conditions, ready for either engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from matrep_core.errors import SettingRefused
from matrep_core.formulas.schema import FormulaSet, Observations
from matrep_core.model.layout import AMOUNT_UNIT
from matrep_core.settings import TrainingSettings


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
    part: np.ndarray  # (R,) text: train, validation, eval
    materials: int
    scale: TargetScale
    condition_mean: np.ndarray  # (C,) float64
    condition_spread: np.ndarray  # (C,) float64

    def rows(self, *parts: str) -> np.ndarray:
        """(.,) int64 measurements that belong to any of the parts."""
        return np.flatnonzero(np.isin(self.part, parts)).astype(np.int64)

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
    return Problem(
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
