"""How far what formulas say of a material comes back in the other half of them: what each kind of use may weigh.

No label and no measured value is looked at, so a set tells by itself whether its amounts or its partners are habit
or chance. Mixtures that were designed and collections that grew differ in just that.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_array

from matrep_core.formulas.schema import FormulaSet
from matrep_core.sampling import at_most
from matrep_core.similarity.profiles import CO_USE_ENTRIES, amount_profiles, directions, partners_of, unit

HALVINGS = 2
ROUGH = 0.01  # relative error of singular values: enough to compare halves
LEAST_USES = 4  # of a material in each half
LEAST = 20  # such materials; with fewer nothing is said
MOST = 300  # such materials; a pair of them is one comparison
MOST_ENTRIES = 12
COMES_BACK = 0.45  # of the directions of one half that the other half has too, beyond chance


@dataclass(frozen=True)
class Reliability:
    """What comes back in the other half of the formulas.

    entries:  directions of co-use that do, as far as COMES_BACK asks
    amounts, partners: correlation of the distances of all pairs of materials between the halves, 0 to 1
    """

    entries: int
    amounts: float
    partners: float

    @property
    def ratio(self) -> float:
        """Signal to noise of the partners over that of the amounts."""
        return _signal_to_noise(self.partners) / _signal_to_noise(self.amounts)


# What the generated sets show: a set with too little to be halved is taken to be like them.
USUAL = Reliability(CO_USE_ENTRIES, 0.85, 0.46)


def reliability(data: FormulaSet, seed: int = 0) -> Reliability:
    """How two random halves of the formulas agree, the mean over HALVINGS; USUAL where too few materials stand in both.

    Entries are counted as in bi-cross-validation of a factorisation: the largest number of leading directions that
    span, for the one half and the other, subspaces of which COMES_BACK overlaps. Source of the idea: Owen and Perry
    2009, Ann. Appl. Stat. 3.
    """
    random = np.random.default_rng(seed)
    overlaps, amounts, partners = [], [], []
    for _ in range(HALVINGS):
        order = random.permutation(len(data.formula_ids))
        halves = [_part(data, np.sort(rows)) for rows in np.array_split(order, 2)]
        kept = np.flatnonzero(np.min([half.support for half in halves], axis=0) >= LEAST_USES)
        if len(kept) < LEAST:
            return USUAL
        found = [directions(partners_of(half), MOST_ENTRIES, ROUGH) for half in halves]
        overlaps.append(_overlap(*(left[kept] for left, _ in found)))
        compared = at_most(kept, MOST, random)
        amounts.append(_agreement(*(amount_profiles(half)[compared] for half in halves)))
        partners.append([left[compared] * np.sqrt(values) for left, values in found])
    shortest = min(map(len, overlaps))
    entries = _entries(np.mean([each[:shortest] for each in overlaps], axis=0))
    agreed = [_agreement(*(unit(each[:, :entries]) for each in pair)) for pair in partners]
    return Reliability(entries, float(np.mean(amounts)), float(np.mean(agreed)))


def _part(data: FormulaSet, rows: np.ndarray) -> FormulaSet:
    """The formulas ``rows`` alone, with all materials and without what was measured."""
    ids = tuple(data.formula_ids[f] for f in rows)
    return replace(data, formula_ids=ids, amounts=csr_array(data.amounts[rows]), measurements=data.measurements.iloc[:0])


def _overlap(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(entries,) share of the first 1, 2, … columns of (K, entries) ``one`` that lies in those of ``other``; 0 by chance."""
    shared = (np.linalg.qr(one)[0].T @ np.linalg.qr(other)[0]) ** 2
    numbers = np.arange(1, min(shared.shape) + 1)
    share, chance = np.array([shared[:n, :n].sum() / n for n in numbers]), numbers / len(one)
    return (share - chance) / np.maximum(1 - chance, 1e-9)


def _entries(overlap: np.ndarray) -> int:
    enough = np.flatnonzero(overlap >= COMES_BACK)
    return int(enough[-1]) + 1 if len(enough) else 1


def _agreement(one: np.ndarray, other: np.ndarray) -> float:
    """Correlation of the squared distances of all pairs of rows."""
    upper = np.triu_indices(len(one), 1)
    apart = []
    for points in (one, other):
        squares = np.einsum("ij,ij->i", points, points)
        apart.append((squares[:, None] + squares - 2 * points @ points.T)[upper])
    return float(np.corrcoef(apart)[0, 1]) if min(each.std() for each in apart) > 0 else 0.0


def _signal_to_noise(correlation: float) -> float:
    correlation = min(max(correlation, 0.01), 0.99)
    return correlation / (1 - correlation)
