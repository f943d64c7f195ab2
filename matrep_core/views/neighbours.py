"""Exact neighbours of materials in the original space of their vectors, and the formulas that they share."""

from __future__ import annotations

from collections.abc import Callable
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
_BLOCK = 2**22  # distances held at once by all_neighbours (float32: 16 MB)


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


class Points:
    """Materials ready to be asked for their neighbours: prepared once, each answer then exact and fast.

    ``vectors`` is (M, N). A matrix product in single precision finds candidates fast but rounds; every candidate
    within its rounding is then measured again from the differences, in double precision.
    """

    def __init__(self, vectors: np.ndarray, metric: str):
        if metric not in METRICS:
            raise SettingRefused("metric", metric, f"choose one of {', '.join(METRICS)}.")
        self.metric, self.vectors = metric, np.asarray(vectors)
        count, entries = self.vectors.shape
        self.defined = np.ones(count, bool)
        self._lengths = np.ones(count)
        if metric == "cosine":
            lengths = np.linalg.norm(self.vectors.astype(np.float64), axis=1)
            self.defined = lengths > _NO_LENGTH * lengths.max(initial=0.0)
            self._lengths = np.where(self.defined, lengths, 1.0)
        centre = self.vectors.mean(axis=0, dtype=np.float64) if metric == "euclidean" and count else np.zeros(entries)
        self._rough = ((self.vectors - centre) / self._lengths[:, None]).astype(np.float32)
        self._norms = np.einsum("ij,ij->i", self._rough, self._rough)
        largest = float(self._norms[self.defined].max(initial=0.0))
        self._rounding = 8 * (entries + 8) * np.finfo(np.float32).eps * largest

    def nearest(self, query: int, k: int, among: np.ndarray | None = None) -> Neighbours:
        """The ``k`` materials nearest to one, as the function ``neighbours`` gives them."""
        if not 0 <= query < len(self.vectors):
            raise NotThere(f"There is no material number {query}.")
        Bound(1, MAX_NEIGHBOURS).check("k", k)
        if not self.defined[query]:
            raise SettingRefused("metric", self.metric, "this material's vector has no length and so no direction; use euclidean.")
        rough = self._norms - 2 * (self._rough @ self._rough[query])
        rough[~self.defined] = np.inf
        if among is not None:
            rough[~among] = np.inf
        rough[query] = np.inf
        indices, squared = self._exact(rough, query, k)
        if len(indices) < k:  # those without a distance come last
            rest = ~self.defined if among is None else among & ~self.defined
            rest = np.flatnonzero(rest)[: k - len(indices)]
            indices = np.concatenate([indices, rest])
            squared = np.concatenate([squared, np.full(len(rest), np.nan)])
        return Neighbours(query, self.metric, indices, self._distance(squared))

    def nearest_of_all(
        self,
        k: int,
        queries: np.ndarray | None = None,
        progress: Callable[[int, int], None] = lambda done, of: None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """The ``k`` nearest of every material in ``queries`` (Q,) int (default all M), as ``all_neighbours`` gives."""
        count = len(self.vectors)
        queries = np.arange(count) if queries is None else np.asarray(queries)
        indices, distances = np.full((len(queries), k), -1), np.full((len(queries), k), np.nan)
        block = max(1, _BLOCK // max(1, count))
        for start in range(0, len(queries), block):
            rows = queries[start : start + block]
            rough = self._norms - 2 * (self._rough[rows] @ self._rough.T)
            rough[:, ~self.defined] = np.inf
            rough[np.arange(len(rows)), rows] = np.inf
            for place, query in enumerate(rows):
                if self.defined[query]:
                    found, squared = self._exact(rough[place], query, k)
                    indices[start + place, : len(found)] = found
                    distances[start + place, : len(found)] = self._distance(squared)
            progress(start + len(rows), len(queries))
        return indices, distances

    def _exact(self, rough: np.ndarray, query: int, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Indices and squared distances of the nearest, ascending, ties by index; ``rough`` is inf where excluded."""
        width = min(k, len(rough) - 1)
        if width < 1:
            return np.empty(0, np.int64), np.empty(0)
        edge = np.partition(rough, width - 1)[width - 1]
        candidates = np.flatnonzero(rough <= edge + 2 * self._rounding)
        candidates = candidates[np.isfinite(rough[candidates])]
        difference = self._point(candidates) - self._point(query)
        squared = np.einsum("ij,ij->i", difference, difference)
        order = np.argsort(squared, kind="stable")[:k]  # stable keeps the order of the codes
        return candidates[order].astype(np.int64), squared[order]

    def _point(self, which: np.ndarray | int) -> np.ndarray:
        return self.vectors[which].astype(np.float64) / self._lengths[which, None]

    def _distance(self, squared: np.ndarray) -> np.ndarray:
        """Between unit vectors |u − v|² = 2 (1 − u·v), and the left side loses no digits for near ones."""
        return np.sqrt(squared) if self.metric == "euclidean" else squared / 2


def neighbours(vectors: np.ndarray, query: int, k: int, metric: str, among: np.ndarray | None = None) -> Neighbours:
    """The ``k`` materials nearest to ``query`` by ``metric``, or all that there are if fewer.

    ``vectors`` is (M, N); ``among`` is (M,) bool, the materials that may be named (default all). The query
    itself is never its own neighbour. Raises NotThere for an unknown query, SettingRefused for an unknown
    metric, a ``k`` out of bounds, or a query without a direction under the cosine metric.
    """
    return Points(vectors, metric).nearest(query, k, among)


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
    return Points(vectors, metric).nearest_of_all(k, queries)


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
