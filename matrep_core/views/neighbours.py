"""Exact neighbours of materials in the original space of their vectors, and the formulas that they share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from matrep_core.errors import NotThere, SettingRefused
from matrep_core.formulas.schema import FormulaSet
from matrep_core.limits import MAX_NEIGHBOURS, Bound

METRICS = {
    "cosine": "1 − cosine of the angle between two vectors: 0 = same direction, 2 = opposite",
    "euclidean": "straight distance between two vectors: 0 = same place",
}
_NO_LENGTH = 1e-6  # of the longest vector; below that a direction is mostly rounding
_BLOCK = 2**22  # distances held at once by all_neighbours (float64: 32 MB)


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The neighbours of one material, nearest first; equal distances stand in the order of the codes.

    indices:   (k,) int64 materials
    distances: (k,) float64; NaN, and last, where the metric defines none (a vector without length has no
               direction and so no cosine distance)
    """

    query: int
    metric: str
    indices: np.ndarray
    distances: np.ndarray

    @property
    def reason(self) -> str:
        """Why some distances are missing, as a sentence; "" where none is."""
        missing = int(np.isnan(self.distances).sum())
        if not missing:
            return ""
        what = "1 material has a vector" if missing == 1 else f"{missing} materials have vectors"
        return f"{what} without length, hence without a direction or a {self.metric} distance, and {'stands' if missing == 1 else 'stand'} last."


def _comparable(vectors: np.ndarray, metric: str) -> tuple[np.ndarray, np.ndarray]:
    """(M, N) float64 points whose squared straight distance orders as ``metric`` does, (M,) whether it is defined."""
    if metric not in METRICS:
        raise SettingRefused("metric", metric, f"choose one of {', '.join(METRICS)}.")
    points = np.asarray(vectors, dtype=np.float64)
    if metric == "euclidean":
        return points, np.ones(len(points), bool)
    lengths = np.linalg.norm(points, axis=1)
    defined = lengths > _NO_LENGTH * lengths.max(initial=0.0)
    return points / np.where(defined, lengths, 1.0)[:, None], defined


def _distance(squared: np.ndarray, metric: str) -> np.ndarray:
    """Between unit vectors |u − v|² = 2 (1 − u·v), and the left side loses no digits for near ones."""
    return np.sqrt(squared) if metric == "euclidean" else squared / 2


def neighbours(vectors: np.ndarray, query: int, k: int, metric: str, among: np.ndarray | None = None) -> Neighbours:
    """The ``k`` materials nearest to ``query`` by ``metric``, or all that there are if fewer.

    ``vectors`` is (M, N); ``among`` is (M,) bool, the materials that may be named (default all). The query
    itself is never its own neighbour. Raises NotThere for an unknown query, SettingRefused for an unknown
    metric, a ``k`` out of bounds, or a query without a direction under the cosine metric.
    """
    if not 0 <= query < len(vectors):
        raise NotThere(f"There is no material number {query}.")
    Bound(1, MAX_NEIGHBOURS).check("k", k)
    points, defined = _comparable(vectors, metric)
    if not defined[query]:
        raise SettingRefused("metric", metric, "this material's vector has no length and so no direction; use euclidean.")
    candidates = np.ones(len(points), bool) if among is None else among.copy()
    candidates[query] = False
    indices = np.flatnonzero(candidates)
    distances = np.full(len(indices), np.nan)
    measured = defined[indices]
    difference = points[indices[measured]] - points[query]
    distances[measured] = _distance(np.einsum("ij,ij->i", difference, difference), metric)
    order = np.argsort(distances, kind="stable")[:k]  # stable keeps the order of the codes; NaN sorts last
    return Neighbours(query, metric, indices[order], distances[order])


def relative_length(vectors: np.ndarray, query: int, among: np.ndarray) -> float:
    """The length of one vector over the median length of the vectors in ``among`` (M,) bool; NaN where that is 0.

    A direction, and with it the cosine metric, is the less certain the shorter a vector is.
    """
    lengths = np.linalg.norm(np.asarray(vectors, dtype=np.float64), axis=1)
    usual = float(np.median(lengths[among])) if among.any() else 0.0
    return float(lengths[query]) / usual if usual > 0 else float("nan")


def all_neighbours(
    vectors: np.ndarray, k: int, metric: str = "euclidean", queries: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The ``k`` nearest of every material in ``queries`` (Q,) int (default all M), among all materials.

    Returns (Q, k) int64 indices and (Q, k) float64 distances in the order that ``neighbours`` gives. Where
    fewer than ``k`` others have a defined distance the row ends in index −1 and distance NaN. Memory stays
    bounded: the Q × M distances exist one block at a time.
    """
    points, defined = _comparable(vectors, metric)
    queries = np.arange(len(points)) if queries is None else np.asarray(queries)
    width = max(0, min(k, len(points) - 1))
    indices, distances = np.full((len(queries), k), -1), np.full((len(queries), k), np.nan)
    block = max(1, _BLOCK // max(1, len(points)))
    for start in range(0, len(queries) if width else 0, block):
        rows = queries[start : start + block]
        found, squared = _nearest(points, defined, rows, width)
        indices[start : start + len(rows), :width] = found
        distances[start : start + len(rows), :width] = _distance(squared, metric)
    indices[np.isnan(distances)] = -1
    return indices, distances


def _nearest(
    points: np.ndarray, defined: np.ndarray, rows: np.ndarray, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """Indices and squared distances (rows, width) of the nearest others, ascending, ties by index.

    A matrix product finds candidates fast but rounds; their distances are then measured again from the
    differences. A row in which more candidates tie than were kept is measured against every material.
    """
    count, dimensions = points.shape
    kept = min(width + 8, count - 1)
    norms = np.where(defined, np.einsum("ij,ij->i", points, points), np.inf)
    rounding = 4 * (dimensions + 8) * np.finfo(float).eps * norms[defined].max(initial=0.0)
    rough = norms[rows, None] + norms[None, :] - 2 * points[rows] @ points.T
    rough[np.arange(len(rows)), rows] = np.inf
    candidates = np.argpartition(rough, kept - 1, axis=1)[:, :kept]
    edge = np.partition(np.take_along_axis(rough, candidates, axis=1), width - 1, axis=1)[:, width - 1]
    crowded = (rough <= edge[:, None] + 2 * rounding).sum(axis=1) > kept
    candidates.sort(axis=1)
    squared = _measured(points, defined, rows[:, None], candidates)
    order = np.argsort(squared, axis=1, kind="stable")[:, :width]
    found = np.take_along_axis(candidates, order, axis=1)
    squared = np.take_along_axis(squared, order, axis=1)
    for row in np.flatnonzero(crowded & defined[rows]):
        others = np.delete(np.arange(count), rows[row])
        exact = _measured(points, defined, rows[row], others)
        best = np.argsort(exact, kind="stable")[:width]
        found[row], squared[row] = others[best], exact[best]
    return found, squared


def _measured(points: np.ndarray, defined: np.ndarray, rows: np.ndarray | int, others: np.ndarray) -> np.ndarray:
    """Squared distances from the differences, NaN where either side has no direction."""
    difference = points[others] - points[rows]
    squared = np.einsum("...j,...j->...", difference, difference)
    return np.where(defined[rows] & defined[others], squared, np.nan)


def formulas_with(data: FormulaSet, material: int) -> np.ndarray:
    """Ascending int64 rows of the formulas that contain a material."""
    places = np.flatnonzero(data.amounts.indices == material)
    return np.searchsorted(data.amounts.indptr, places, side="right").astype(np.int64) - 1


def shared_counts(data: FormulaSet, material: int) -> np.ndarray:
    """(M,) int64: in how many formulas each material stands together with ``material``."""
    rows = data.amounts[formulas_with(data, material)]
    return np.bincount(rows.indices, minlength=len(data.materials))


def compared_formulas(data: FormulaSet, a: int, b: int) -> pd.DataFrame:
    """Every formula with material ``a`` or ``b``: formula_id, and their amounts in weight-% (0 = not in it).

    Columns formula_id, amount_a, amount_b; those with both come first, then in file order.
    """
    rows = np.union1d(formulas_with(data, a), formulas_with(data, b))
    pair = data.amounts[rows][:, [a, b]].toarray()  # (rows, 2), never all materials
    table = pd.DataFrame(
        {"formula_id": [data.formula_ids[r] for r in rows], "amount_a": pair[:, 0], "amount_b": pair[:, 1]}
    )
    both = (pair > 0).all(axis=1)
    return table.iloc[np.argsort(~both, kind="stable")].reset_index(drop=True)


def shared_formulas(data: FormulaSet, a: int, b: int) -> pd.DataFrame:
    """The formulas that contain both materials: formula_id, amount_a, amount_b in weight-%, in file order."""
    table = compared_formulas(data, a, b)
    return table[(table["amount_a"] > 0) & (table["amount_b"] > 0)].reset_index(drop=True)


def neighbour_table(data: FormulaSet, found: Neighbours, facts: pd.DataFrame) -> pd.DataFrame:
    """What to know of each neighbour, nearest first; ``facts`` comes from ``views.facts.material_facts``.

    Columns: material, inci, function, distance, support, low, high (amounts in weight-% in training
    formulas), shared_formulas (all formulas that contain both), same_function ("yes", "no", "" = unknown).
    """
    table = facts.iloc[found.indices].reset_index(drop=True)
    table.insert(3, "distance", found.distances)
    table["shared_formulas"] = shared_counts(data, found.query)[found.indices]
    own = facts["function"].iloc[found.query].casefold()
    other = table["function"].str.casefold()
    table["same_function"] = np.where((other == "") | (own == ""), "", np.where(other == own, "yes", "no"))
    return table
