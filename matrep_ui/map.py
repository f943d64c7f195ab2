"""What the points of a map of materials can be coloured by."""

from __future__ import annotations

import numpy as np

from matrep_ui.looking import Look
from matrep_ui.scatter import Categories, Scale

MOST_NAMED = 24  # in the legend; the rarer ones share one colour


def by_text(name: str, texts: np.ndarray) -> Categories | None:
    """A colour by the (M,) texts of a column, "" = unknown; None where no text stands twice, which colours nothing."""
    found, places, counts = np.unique(np.asarray(texts, dtype=str), return_inverse=True, return_counts=True)
    order = [i for i in np.argsort(-counts, kind="stable") if found[i] != ""]
    if not order or counts[order[0]] < 2:
        return None
    shown = order[:MOST_NAMED]
    legend = [str(found[i]) for i in shown] + ["rarer ones"] * (len(order) > len(shown))
    code_of = np.full(len(found), len(shown))
    code_of[shown] = np.arange(len(shown))
    code_of[found == ""] = -1
    return Categories(name, legend, code_of[places], "unknown")


def colours(look: Look, labels: np.ndarray) -> list[Categories | Scale]:
    """What the map can be coloured by: cluster, function where functions are known, support."""
    names = [f"Cluster {number + 1}" for number in range(labels.max() + 1)]
    columns: list[Categories | Scale] = [Categories("cluster", names, labels, "no cluster")]
    if (functions := by_text("function", look.facts["function"].to_numpy(object))) is not None:
        columns.append(functions)
    support = look.facts["support"].to_numpy(float)
    columns.append(Scale("support", np.where(support > 0, support, np.nan), "training formulas", log=True))
    return columns
