"""Where a model is wrong: every evaluated formula with its error, and the errors by what may explain them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from matrep_core.formulas.schema import FormulaSet
from matrep_core.wording import measured

RANGES = 5  # equally filled ranges of the measured values
SUPPORTS = (0, 1, 2, 5, 10, 20)  # upper ends of the groups by support of the rarest material
FLATTERS = 0.1  # share of evaluated formulas with a twin in training, from which on a sentence warns
NOMINAL = (80, 95)  # per cent of measurements that an interval is meant to hold


def evaluated(data: FormulaSet, predictions: pd.DataFrame, parts: np.ndarray) -> pd.DataFrame:
    """One row a measurement of the evaluated part, with what may explain its error.

    ``predictions`` as Run.predictions() gives them, ``parts`` (F,) as Run.parts. Adds formula (row of
    ``data.amounts``), error (predicted − measured) and absolute_error in the property's unit, materials (how many the
    formula holds), rarest (code of the material with the least support), support (of that one, in training formulas),
    unseen (how many of its materials never trained), twin (another formula of exactly these materials trains).
    """
    row_of = {formula_id: row for row, formula_id in enumerate(data.formula_ids)}
    table = predictions[predictions["part"] == "eval"].drop(columns="part").reset_index(drop=True)
    table.insert(0, "formula", [row_of[each] for each in table["formula_id"]])
    table["error"] = table["predicted"] - table["measured"]
    table["absolute_error"] = table["error"].abs()
    trains = np.isin(parts, ["train", "validation"])
    support = np.bincount(data.amounts[trains].indices, minlength=len(data.materials))
    sets = material_sets(data)
    trained_sets = {sets[row] for row in np.flatnonzero(trains)}
    facts: dict[str, list[Any]] = {"materials": [], "rarest": [], "support": [], "unseen": [], "twin": []}
    for row in table["formula"]:
        its = data.amounts.indices[data.amounts.indptr[row] : data.amounts.indptr[row + 1]]
        rarest = its[int(np.argmin(support[its]))]
        values = (len(its), data.materials[rarest], int(support[rarest]), int((support[its] == 0).sum()), sets[row] in trained_sets)
        for name, value in zip(facts, values, strict=True):
            facts[name].append(value)
    return table.assign(**facts)


def material_sets(data: FormulaSet) -> list[bytes]:
    """F texts, equal for formulas of exactly the same materials, whatever their amounts."""
    amounts = data.amounts
    return [amounts.indices[start:stop].tobytes() for start, stop in zip(amounts.indptr[:-1], amounts.indptr[1:], strict=True)]


def by_range(table: pd.DataFrame) -> pd.DataFrame:
    """Errors by range of the measured value, RANGES groups of about the same number of measurements."""
    edges = np.unique(np.quantile(table["measured"], np.linspace(0, 1, RANGES + 1)))
    if len(edges) < 2:
        return _grouped(table, np.zeros(len(table), int), [measured(edges[0])])
    group = np.clip(np.searchsorted(edges, table["measured"], side="right") - 1, 0, len(edges) - 2)
    return _grouped(table, group, [f"{measured(low)} to {measured(high)}" for low, high in zip(edges[:-1], edges[1:], strict=True)])


def by_support(table: pd.DataFrame) -> pd.DataFrame:
    """Errors by the support of the formula's rarest material."""
    group = np.searchsorted(SUPPORTS, table["support"])
    lows = [0, *(end + 1 for end in SUPPORTS)]
    labels = [str(low) if low == high else f"{low} to {high}" for low, high in zip(lows, SUPPORTS)]
    return _grouped(table, group, [*labels, f"{lows[-1]} or more"])


def by_unseen(table: pd.DataFrame) -> pd.DataFrame:
    """Errors by the number of materials that never trained: none, one, many."""
    return _grouped(table, np.minimum(table["unseen"], 2), ["none", "one", "two or more"])


def _grouped(table: pd.DataFrame, group: Any, labels: list[str]) -> pd.DataFrame:
    """group, measurements, mae, median and bias (mean of predicted − measured), groups without a measurement left out."""
    rows = []
    for number, label in enumerate(labels):
        part = table[np.asarray(group) == number]
        if len(part):
            absolute = part["absolute_error"]
            rows.append((label, len(part), absolute.mean(), absolute.median(), part["error"].mean()))
    return pd.DataFrame(rows, columns=["group", "measurements", "mae", "median", "bias"])


def worst(table: pd.DataFrame, scale: str, most: int = 20) -> pd.DataFrame:
    """The formulas predicted worst, each once with its mean over measurements and splits, the worst first.

    Adds times (how often it was evaluated) and factor (on a log scale the geometric mean of predicted / measured,
    turned over where below 1), by which a log scale sorts; other scales sort by absolute_error.
    """
    means = table.groupby(["formula", "formula_id"], sort=False)[["measured", "predicted", "absolute_error", "support", "unseen"]].mean()
    means["times"] = table.groupby(["formula", "formula_id"], sort=False).size()
    by = "absolute_error"
    if scale == "log":
        by = "factor"
        ratio = np.log(np.maximum(table["predicted"], 1e-300) / table["measured"]).abs()
        means["factor"] = np.exp(ratio.groupby([table["formula"], table["formula_id"]], sort=False).mean())
    return means.sort_values(by, ascending=False, kind="stable").head(most).reset_index()


def coverage(table: pd.DataFrame) -> pd.DataFrame:
    """How often the measured value lies in its prediction interval: nominal (%), measured (%), noise (±, 95 %), measurements.

    By all evaluated measurements and by none, one, many unseen materials; empty where the predictions carry no
    interval.
    """
    rows: list[tuple[Any, ...]] = []
    for percent in NOMINAL:
        if f"low{percent}" not in table or table[f"low{percent}"].isna().all():
            continue
        inside = (table["measured"] >= table[f"low{percent}"]) & (table["measured"] <= table[f"high{percent}"])
        width = table[f"high{percent}"] - table[f"low{percent}"]
        groups = [("all", np.ones(len(table), bool))]
        groups += [(f"{words} unseen", (np.minimum(table["unseen"], 2) == n).to_numpy()) for n, words in enumerate(("none", "one", "many"))]
        for label, chosen in groups:
            if n := int(chosen.sum()):
                share = float(inside[chosen].mean())
                noise = 1.96 * np.sqrt(max(share * (1 - share), 1 / (4 * n)) / n)
                rows.append((label, percent, 100 * share, 100 * noise, float(width[chosen].median()), n))
    return pd.DataFrame(rows, columns=["formulas", "nominal", "measured", "noise", "median_width", "measurements"])


def flattery(table: pd.DataFrame, split: str) -> tuple[float, str]:
    """The share of evaluated formulas whose set of materials also trains, and what it means in a sentence."""
    formulas = table.drop_duplicates("formula" if "seed" not in table else ["formula", "seed"])
    share = float(formulas["twin"].mean()) if len(formulas) else 0.0
    words = f"{share:.0%} of the evaluated formulas hold exactly the materials of a formula that trains"
    if share < FLATTERS:
        return share, f"{words}; this split does not flatter by twins."
    if split == "random":
        mend = "A random split flatters here: it asks for other amounts of known mixtures. Judge new mixtures by the split grouped."
    else:
        mend = "These errors speak for other amounts of known mixtures, less for new ones."
    return share, f"{words}. {mend}"
