"""What is known of each material beside its vector: its name, its function and how it was used in training."""

from __future__ import annotations

import numpy as np
import pandas as pd

from matrep_core.errors import NotThere
from matrep_core.formulas.schema import FormulaSet

TRAINING_PARTS = ("train", "validation")
RARE = 2  # training formulas; nobody predicts from so few


def info_texts(data: FormulaSet, column: str) -> np.ndarray:
    """(M,) texts of one column of the materials table, "" where it is unknown or there is no such column."""
    if column not in data.material_info.columns:
        return np.full(len(data.materials), "", dtype=object)
    return data.material_info[column].fillna("").astype(str).to_numpy(object)


def material_facts(data: FormulaSet, parts: np.ndarray) -> pd.DataFrame:
    """One row a material, in the order of ``data.materials``; ``parts`` is (F,) the part of every formula.

    material, inci, function (texts, "" = unknown), support (number of training formulas with the material,
    validation included), low and high (its least and largest amount there in weight-%, NaN without support).
    """
    trained = data.amounts[np.isin(parts, TRAINING_PARTS)].tocsc()
    trained.sort_indices()
    support = np.diff(trained.indptr)
    used = support > 0
    low, high = np.full((2, len(support)), np.nan)
    if used.any():
        starts = trained.indptr[:-1][used]  # columns without an amount take no place between these starts
        low[used] = np.minimum.reduceat(trained.data, starts)
        high[used] = np.maximum.reduceat(trained.data, starts)
    return pd.DataFrame(
        {
            "material": list(data.materials),
            "inci": info_texts(data, "inci"),
            "function": info_texts(data, "function"),
            "support": support,
            "low": low,
            "high": high,
        }
    )


def find_material(data: FormulaSet, code: str) -> int:
    """The index of the material with that code; raises NotThere for any other text."""
    if code not in data.material_index:
        shown = code if len(code) <= 80 else code[:80] + "…"
        raise NotThere(f"There is no material {shown!r} in {data.name}. Choose one from the list.")
    return data.material_index[code]


def caution(support: int) -> str:
    """What to say of a material that was hardly or never trained; "" for the others."""
    if support == 0:
        return "never trained"
    return f"rare: {support} formula{'s' if support > 1 else ''}" if support <= RARE else ""
