"""The one shape in which formulas travel through MatRep: sparse amounts, measurements, material facts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from matrep_core.errors import DataRefused, Fault, NotThere, SettingRefused

SCALES = ("linear", "sqrt", "log")
MEASUREMENT_COLUMNS = ("formula", "property", "value", "unit")


@dataclass(frozen=True)
class Property:
    """A measured quantity: its name, its unit as text ("" if none) and the scale it is modelled on."""

    name: str
    unit: str
    scale: str  # one of SCALES


@dataclass(frozen=True, eq=False)
class FormulaSet:
    """Formulas with their measurements; F formulas, M materials. Never holds a dense F × M matrix.

    formula_ids:   F texts, in file order
    materials:     M codes (texts), sorted; exactly the materials that occur in a formula
    amounts:       (F, M) csr_array of float64, weight-%; sorted indices, no explicit zeros
    measurements:  one row a measurement: formula (int, row of ``amounts``), property, value (float64),
                   unit, then any number of condition columns (float64, NaN where not given)
    material_info: M rows in the order of ``materials``, text columns such as inci, function ("" = unknown)
    properties:    the properties in the order in which they first appear
    """

    name: str
    formula_ids: tuple[str, ...]
    materials: tuple[str, ...]
    amounts: csr_array
    measurements: pd.DataFrame
    material_info: pd.DataFrame
    properties: tuple[Property, ...]

    @property
    def condition_columns(self) -> tuple[str, ...]:
        return tuple(c for c in self.measurements.columns if c not in MEASUREMENT_COLUMNS)

    @cached_property
    def material_index(self) -> dict[str, int]:
        return {code: i for i, code in enumerate(self.materials)}

    @cached_property
    def support(self) -> np.ndarray:
        """(M,) number of formulas in which each material occurs."""
        return np.bincount(self.amounts.indices, minlength=len(self.materials))

    def property_named(self, name: str) -> Property:
        """The property of that name; raises NotThere with the names that exist."""
        for prop in self.properties:
            if prop.name == name:
                return prop
        known = ", ".join(p.name for p in self.properties) or "none"
        raise NotThere(f"There is no property {name!r} in {self.name}. Its properties: {known}.")

    def formula(self, index: int) -> list[tuple[str, float]]:
        """(material, amount in weight-%) of one formula, largest amount first."""
        start, stop = self.amounts.indptr[index : index + 2]
        pairs = zip(self.amounts.indices[start:stop], self.amounts.data[start:stop])
        return sorted(((self.materials[m], float(a)) for m, a in pairs), key=lambda p: (-p[1], p[0]))


@dataclass(frozen=True, eq=False)
class Observations:
    """What one model trains on: R measurements of one property, with C conditions.

    formulas:   (R,) int64 rows of FormulaSet.amounts; a formula measured several times repeats
    values:     (R,) float64 in the property's unit
    conditions: (R, C) float64
    """

    target: Property
    condition_names: tuple[str, ...]
    formulas: np.ndarray
    values: np.ndarray
    conditions: np.ndarray


def observations(data: FormulaSet, property_name: str, condition_names: Sequence[str] = ()) -> Observations:
    """Select the measurements of one property and the conditions that they were taken at.

    A condition is a column of the properties table, or another property of the same formula that has
    exactly one value (for example a temperature that was recorded as a property).

    Raises NotThere for an unknown property or condition, SettingRefused where a condition is the
    target itself or is not one number a formula, DataRefused where a measurement lacks a condition.
    """
    target = data.property_named(property_name)
    rows = data.measurements[data.measurements["property"] == property_name]
    columns = []
    for name in condition_names:
        if name == property_name:
            raise SettingRefused("condition", name, "a property cannot be a condition of itself.")
        columns.append(_condition_values(data, rows, name))
    conditions = np.column_stack(columns) if columns else np.empty((len(rows), 0))
    formulas = rows["formula"].to_numpy(np.int64)
    missing = np.argwhere(~np.isfinite(conditions))
    if len(missing):
        raise DataRefused(
            [
                Fault("properties", None, condition_names[c], "", f"formula {data.formula_ids[formulas[r]]} has no value",
                      f"Give {condition_names[c]} for every measurement of {property_name}, or do not declare it a condition.")
                for r, c in missing
            ]
        )  # fmt: skip
    return Observations(target, tuple(condition_names), formulas, rows["value"].to_numpy(np.float64), conditions)


def _condition_values(data: FormulaSet, rows: pd.DataFrame, name: str) -> np.ndarray:
    if name in data.condition_columns:
        return rows[name].to_numpy(np.float64)
    if name not in {p.name for p in data.properties}:
        known = ", ".join([*data.condition_columns, *(p.name for p in data.properties)]) or "none"
        raise NotThere(f"There is no condition {name!r} in {data.name}. What could be one: {known}.")
    measured = data.measurements[data.measurements["property"] == name]
    if measured["formula"].duplicated().any():
        raise SettingRefused("condition", name, "it has several values in one formula; a condition needs exactly one.")
    by_formula = np.full(len(data.formula_ids), np.nan)
    by_formula[measured["formula"]] = measured["value"]
    return by_formula[rows["formula"]]
