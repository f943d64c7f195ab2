"""What a data set holds, as tables to look at before anything is learned from it."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd

from matrep_core.formulas.schema import FormulaSet
from matrep_core.views.facts import material_facts


def property_table(data: FormulaSet) -> pd.DataFrame:
    """One row a property: property, unit, scale, values, formulas, least, median and largest in its unit."""
    rows = []
    for each in data.properties:
        measured = data.measurements[data.measurements["property"] == each.name]
        value = measured["value"]
        rows.append(
            (
                each.name,
                each.unit,
                each.scale,
                len(value),
                measured["formula"].nunique(),
                value.min(),
                value.median(),
                value.max(),
            )
        )
    columns = ["property", "unit", "scale", "values", "formulas", "least", "median", "largest"]
    return pd.DataFrame(rows, columns=columns)


def use_by_rank(data: FormulaSet) -> pd.DataFrame:
    """The long tail: materials by use, most used first, one row a distinct use.

    rank is the last place that has that use, formulas the number of formulas; thousands of materials that
    occur once are one row.
    """
    use = np.sort(data.support)[::-1]
    last = np.append(np.flatnonzero(np.diff(use)), len(use) - 1)
    first = np.append(0, last[:-1] + 1)
    return pd.DataFrame({"first": first + 1, "rank": last + 1, "formulas": use[last]})


def material_table(data: FormulaSet) -> pd.DataFrame:
    """One row a material, most used first: material, formulas, low and high in weight-%, then its description."""
    facts = material_facts(data, np.full(len(data.formula_ids), "train"))
    table = facts[["material", "support", "low", "high"]].rename(columns={"support": "formulas"})
    taken = list(table.columns)
    for name in data.material_info.columns:
        table[_free_name(name, taken)] = data.material_info[name].to_numpy()
    return table.sort_values(["formulas", "material"], ascending=[False, True], ignore_index=True)


def formula_table(data: FormulaSet) -> pd.DataFrame:
    """One row a formula: formula_id, materials (their number), then the median of each property in its unit."""
    table = pd.DataFrame({"formula_id": list(data.formula_ids), "materials": np.diff(data.amounts.indptr)})
    medians = data.measurements.groupby(["formula", "property"])["value"].median().unstack()
    taken = list(table.columns)
    for each in data.properties:
        name = _free_name(f"{each.name} ({each.unit})" if each.unit else each.name, taken)
        table[name] = medians[each.name].reindex(range(len(table))).to_numpy()
    return table


def _free_name(name: str, taken: list[str]) -> str:
    """``name``, or with a number after it where a column has that name; the result is added to ``taken``."""
    free = next(n for n in itertools.chain([name], (f"{name} {i}" for i in itertools.count(2))) if n not in taken)
    taken.append(free)
    return free
