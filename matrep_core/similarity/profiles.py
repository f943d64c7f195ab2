"""What the formulas alone say of a material: in what amounts it is used, with what, and what took its place.

No measured value enters here, so every formula counts, also those that evaluate a model.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array, diags_array

from matrep_core.formulas.schema import FormulaSet

BINS = 24  # of log10 weight-%, from the least to the largest amount of the set
PRIOR = 3.0  # formulas' worth of the usual amounts that every material starts from
CO_USE_ENTRIES = 5
MOST_FORMULAS = 512  # of one material, looked through for swaps
LIKE = 0.3  # formulas that share less are no before and after of a swap
PAIRS = 2**16  # of formulas looked at at once
SHARPNESS = 4  # a pair of formulas counts with its likeness to this power


def amount_profiles(data: FormulaSet) -> np.ndarray:
    """(M, BINS) float64 unit vectors: the square roots of each material's smoothed histogram of log10 weight-%.

    The straight distance between two such vectors is √2 × Hellinger's. Each histogram is a mean of the
    material's own amounts and of PRIOR formulas of the set's usual ones, so that one use says little.
    """
    amounts = data.amounts.tocoo()
    place = np.log10(amounts.data)
    low, high = place.min(), place.max()
    place = (place - low) / max(high - low, 1e-9) * (BINS - 1)
    shares = np.exp(-0.5 * (place[:, None] - np.arange(BINS)) ** 2)  # one bin wide
    shares /= shares.sum(axis=1, keepdims=True)
    counts = np.stack([np.bincount(amounts.col, shares[:, b], len(data.materials)) for b in range(BINS)], axis=1)
    usual = counts.sum(axis=0) / counts.sum()
    profile = counts + PRIOR * usual
    return np.sqrt(profile / profile.sum(axis=1, keepdims=True))


def co_use(data: FormulaSet, entries: int = CO_USE_ENTRIES, smoothing: float = 0.0) -> np.ndarray:
    """(M, entries) float64 unit vectors: with what a material stands in formulas; zeros where it stands alone.

    A truncated singular value decomposition of positive pointwise mutual information (PPMI) of standing
    together. ``smoothing`` is the power of the partner's frequency: 1 is plain PPMI, 0 takes every partner
    as equally likely beforehand. Source: Levy, Goldberg, Dagan 2015, TACL 3.
    """
    matrix = partners_of(data, smoothing)
    if not matrix.nnz:
        return np.zeros((len(data.materials), 1))
    left, values = directions(matrix, entries)
    return unit(left * np.sqrt(values))


def partners_of(data: FormulaSet, smoothing: float = 0.0) -> csr_array:
    """(M, M) positive pointwise mutual information of standing in one formula; ``smoothing`` as in ``co_use``."""
    present = _present(data)
    together = (present.T @ present).tocoo()
    apart = together.row != together.col
    row, column, count = together.row[apart], together.col[apart], together.data[apart]
    size = len(data.materials)
    own, partner = np.bincount(row, count, size), np.bincount(column, count, size) ** smoothing
    information = np.log(count * partner.sum() / (own[row] * partner[column]))
    kept = information > 0
    return csr_array((information[kept], (row[kept], column[kept])), shape=(size, size))


def directions(matrix: csr_array, entries: int, tolerance: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """(M, entries) left singular vectors of (M, M) and their values, largest first; the same every time.

    ``tolerance`` is the relative error that a value may have; 0 is as exact as the numbers are.
    """
    from scipy.sparse.linalg import svds

    size = matrix.shape[0]
    if size <= 64 or entries >= size - 1:
        left, values, _ = np.linalg.svd(matrix.toarray(), full_matrices=False)
    else:
        left, values, _ = svds(matrix, k=entries, v0=np.ones(size), tol=tolerance)
    order = np.argsort(-values)[:entries]
    return left[:, order], values[order]


def unit(vectors: np.ndarray) -> np.ndarray:
    """(M, N) rows of length 1; a row of zeros stays."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1)


def _present(data: FormulaSet) -> csr_array:
    amounts = data.amounts
    return csr_array((np.ones(amounts.nnz), amounts.indices, amounts.indptr), shape=amounts.shape)


class Swaps:
    """Pairs of formulas that are alike but for one material: what was used in the place of what.

    The likeness of two formulas is the cosine of the materials that they hold, rare ones weighing more
    (the weight is log of formulas / uses, as in text search).
    """

    def __init__(self, data: FormulaSet):
        self._present = _present(data)
        uses = np.maximum(data.support, 1)
        weighted = self._present @ diags_array(np.log(len(data.formula_ids) / uses) + 0.1)
        lengths = np.sqrt(np.asarray(weighted.multiply(weighted).sum(axis=1)).ravel())
        self._weighted = csr_array(diags_array(1 / np.maximum(lengths, 1e-12)) @ weighted)
        self._other_way = csr_array(self._weighted.T)
        self._of_material = self._present.tocsc()
        self._uses = uses

    def around(self, material: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """How often each other material stood in the place of this one, and the likest pair that shows it.

        Returns (M,) float64 strengths, 0 where no pair of formulas shows the swap; (M, 2) int64 rows of the
        likest pair (the formula with ``material`` first), −1 where there is none; (M,) its likeness, 0 to 1.
        At most MOST_FORMULAS formulas of the material are looked through, evenly chosen.
        """
        size = self._present.shape[1]
        mine = self._of_material.indices[slice(*self._of_material.indptr[material : material + 2])]
        without = np.ones(self._present.shape[0], bool)
        without[mine] = False
        if len(mine) > MOST_FORMULAS:
            mine = mine[np.linspace(0, len(mine) - 1, MOST_FORMULAS).astype(int)]
        strength, likest = np.zeros(size), np.zeros(size)
        pair = np.full((size, 2), -1, np.int64)
        alike = (self._weighted[mine] @ self._other_way).tocoo()
        kept = np.flatnonzero((alike.data >= LIKE) & without[alike.col])
        before, after, likeness = mine[alike.row[kept]], alike.col[kept], alike.data[kept]
        for start in range(0, len(kept), PAIRS):
            block = slice(start, start + PAIRS)
            there = self._present[after[block]]
            new = csr_array(there - there.multiply(self._present[before[block]]))  # what came in, a row a pair
            new.eliminate_zeros()
            counts = np.diff(new.indptr)
            which = np.repeat(np.arange(start, start + len(counts)), counts)
            strength += np.bincount(new.indices, (likeness**SHARPNESS)[which] / counts[which - start], size)  # they share the evidence
            order = np.argsort(-likeness[which], kind="stable")
            materials, first = np.unique(new.indices[order], return_index=True)
            best = which[order][first]
            better = likeness[best] > likest[materials]
            materials, best = materials[better], best[better]
            likest[materials], pair[materials] = likeness[best], np.column_stack([before[best], after[best]])
        return strength / np.sqrt(self._uses[material] * self._uses), pair, likest
