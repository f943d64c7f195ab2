"""What a data set holds: counted against a count by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from matrep_core.formulas.schema import FormulaSet, Property
from matrep_core.views.summary import formula_table, material_table, property_table, use_by_rank


def small_set() -> FormulaSet:
    dense = np.array([[50.0, 50, 0, 0], [0, 30, 70, 0], [0, 40, 0, 60]])
    measurements = pd.DataFrame(
        {"formula": [0, 0, 2], "property": ["v", "v", "v"], "value": [1.0, 3.0, 8.0], "unit": ["cP"] * 3}
    )
    info = pd.DataFrame({"inci": ["a", "b", "c", "d"]})
    return FormulaSet(
        "s",
        ("F1", "F2", "F3"),
        ("A", "B", "C", "D"),
        csr_array(dense),
        measurements,
        info,
        (Property("v", "cP", "log"),),
    )


def test_properties_are_summed_up() -> None:
    assert property_table(small_set()).to_numpy().tolist() == [["v", "cP", "log", 3, 2, 1.0, 3.0, 8.0]]


def test_equal_use_is_one_step_of_the_tail() -> None:
    assert use_by_rank(small_set()).to_numpy().tolist() == [[1, 1, 3], [2, 4, 1]]


def test_materials_are_listed_by_use() -> None:
    assert material_table(small_set()).to_numpy().tolist() == [
        ["B", 3, 30.0, 50.0, "b"], ["A", 1, 50.0, 50.0, "a"], ["C", 1, 70.0, 70.0, "c"], ["D", 1, 60.0, 60.0, "d"],
    ]  # fmt: skip


def test_formulas_are_listed_with_their_medians() -> None:
    table = formula_table(small_set())
    assert table.columns.tolist() == ["formula_id", "materials", "v (cP)"]
    assert table["materials"].tolist() == [2, 2, 2]
    np.testing.assert_array_equal(table["v (cP)"], [2.0, np.nan, 8.0])


def test_columns_that_have_the_names_of_ours_are_told_apart() -> None:
    data = replace(small_set(), material_info=pd.DataFrame({"low": list("abcd"), "formulas": list("abcd")}))
    assert material_table(data).columns.tolist() == ["material", "formulas", "low", "high", "low 2", "formulas 2"]
