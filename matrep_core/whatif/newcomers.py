"""Formulas that hold materials which a run does not know: who is new, and in which order they can be placed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.sparse import csr_array, hstack, vstack

from matrep_core.errors import NotThere, SettingRefused
from matrep_core.formulas.schema import FormulaSet
from matrep_core.whatif.bench import Asked

MOST_TOLD = 5  # formulas that one refusal names


@dataclass(frozen=True, eq=False)
class NewFormulas:
    """R formulas of a further data set, over the M materials of the run and U unknown ones.

    amounts (R, M + U) weight-%, the unknown ones behind; codes: the U unknown codes; measured (R,) the mean measured
    value, NaN where there is none; conditions (R, C) in their own units
    """

    asked: Asked
    ids: tuple[str, ...]
    codes: tuple[str, ...]
    amounts: csr_array
    measured: np.ndarray
    conditions: np.ndarray
    info: pd.DataFrame = field(repr=False)

    @property
    def known(self) -> csr_array:
        """(R, M) the amounts of known materials."""
        return self.amounts[:, : self.asked.predictor.layout.materials]

    @property
    def unknown(self) -> np.ndarray:
        """(R, U) the amounts of unknown materials."""
        return self.amounts[:, self.asked.predictor.layout.materials :].toarray()


def new_formulas(asked: Asked, new: FormulaSet) -> NewFormulas:
    """Sort the materials of ``new`` into known and unknown ones; a code that no training formula holds is unknown.

    Raises NotThere where nothing is unknown or a needed condition is not given, SettingRefused for another unit.
    """
    run = asked.run
    index, support = run.data.material_index, run.support
    unknown = [code for code in new.materials if code not in index or support[index[code]] == 0]
    if not unknown:
        raise NotThere(f"Every material of {new.name} trained in {run.id} already; there is none to place.")
    size = len(run.data.materials)
    place = {code: size + number for number, code in enumerate(unknown)}
    columns = np.array([place[code] if code in place else index[code] for code in new.materials])
    amounts = csr_array((new.amounts.data, columns[new.amounts.indices], new.amounts.indptr), (len(new.formula_ids), size + len(unknown)))
    amounts.sort_indices()
    measured, conditions = _measurements(asked, new)
    rows = [new.material_index[code] for code in unknown]
    return NewFormulas(asked, new.formula_ids, tuple(unknown), amounts, measured, conditions, new.material_info.iloc[rows].reset_index(drop=True))


def _measurements(asked: Asked, new: FormulaSet) -> tuple[np.ndarray, np.ndarray]:
    table = new.measurements[new.measurements["property"] == asked.name]
    units = {prop.unit for prop in new.properties if prop.name == asked.name}
    if units - {asked.unit}:
        raise SettingRefused("unit", units.pop(), f"{asked.name} trained in {asked.unit or 'no unit'}; give it so.")
    mean = table.groupby("formula")["value"].mean()
    measured = mean.reindex(range(len(new.formula_ids))).to_numpy(float)
    if asked.predictor.scale.kind == "log" and (measured <= 0).any():
        raise SettingRefused(asked.name, float(np.nanmin(measured)), "it is modelled on a log scale; give values above 0.")
    conditions = asked.conditions(None, len(new.formula_ids))
    for number, name in enumerate(asked.run.settings.conditions):
        if name not in new.condition_columns:
            raise NotThere(f"{new.name} does not give {name}, the condition that {asked.name} was trained at. Add the column.")
        given = table.groupby("formula")[name].mean().reindex(range(len(new.formula_ids))).to_numpy(float)
        conditions[:, number] = np.where(np.isnan(given), conditions[:, number], given)
    return measured, conditions


def order_of(found: NewFormulas) -> list[tuple[int, np.ndarray]]:
    """(unknown material, rows of its formulas) in the order of placing: first where it is the only unknown one.

    Of several, the one with most measured formulas of its own; a formula of two unknown materials follows once one of
    them is placed. Raises SettingRefused naming the formulas whose unknown materials never stand alone.
    """
    held = found.unknown > 0
    left, order = set(range(len(found.codes))), []
    while left:
        open_ = np.zeros(len(found.codes), bool)
        open_[list(left)] = True
        alone = held & ((held & open_).sum(axis=1) == 1)[:, None]
        counts = {each: int((alone[:, each] & ~np.isnan(found.measured)).sum()) for each in left}
        ready = [each for each in left if alone[:, each].any()]
        if not ready:
            stuck = [found.ids[row] for row in np.flatnonzero((held & open_).any(axis=1))]
            named = ", ".join(stuck[:MOST_TOLD]) + (f" and {len(stuck) - MOST_TOLD} more" if len(stuck) > MOST_TOLD else "")
            codes = ", ".join(found.codes[each] for each in sorted(left)[:MOST_TOLD])
            raise SettingRefused(
                "new formulas", named,
                f"they hold two or more unknown materials ({codes}) where one is allowed; add a formula in which one of them is the only unknown one.",
            )  # fmt: skip
        first = max(ready, key=lambda each: (counts[each], -each))
        order.append((first, np.flatnonzero(alone[:, first])))
        left.discard(first)
    return order


def joined(data: FormulaSet, amounts: csr_array, code: str, info: dict[str, str]) -> FormulaSet:
    """``data`` with further formulas (R, M + 1) behind it, whose last column is the material ``code``; no measurements.

    The materials stay in the order of ``data``, the new one last: for profiles of use, which need no measurement.
    """
    wide = csr_array(hstack([data.amounts, csr_array((data.amounts.shape[0], 1))]))
    ids = (*data.formula_ids, *(f"new {row}" for row in range(amounts.shape[0])))
    facts = pd.concat([data.material_info, pd.DataFrame([{name: info.get(name, "") for name in data.material_info.columns}])], ignore_index=True)
    return FormulaSet(
        data.name, ids, (*data.materials, code), csr_array(vstack([wide, amounts])), data.measurements, facts, data.properties
    )


def texts_of(found: NewFormulas, number: int, columns: Sequence[str]) -> dict[str, str]:
    """What materials.csv says of one unknown material, by column."""
    row = found.info.iloc[number]
    return {name: str(row[name]) for name in columns if name in found.info.columns and isinstance(row[name], str)}
