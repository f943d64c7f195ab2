"""A material that never trained, placed among the others by its formulas; the networks stay as they are.

Its use (amounts, partners) and its functions say which trained materials may stand in for it: the prior. Each measured
formula is predicted with each stand-in, and who explains it gains weight. The prediction is the weighted mean over the
stand-ins, corrected near the measured formulas by Gaussian process regression on what it missed there (Rasmussen and
Williams 2006, chapter 2), and averaged with trees, which know no vectors and are grown again in a moment. How wide an
interval must be is measured on the run itself: trained materials are placed as if they were new.

The settings below were chosen on materials other than those that docs/WHATIF.md reports.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import csr_array

from matrep_core.errors import NotThere
from matrep_core.formulas.schema import FormulaSet
from matrep_core.model import partners
from matrep_core.similarity.functions import function_distances, multi_hot
from matrep_core.similarity.profiles import amount_profiles, co_use
from matrep_core.views.facts import RARE, TRAINING_PARTS
from matrep_core.whatif.bench import Asked

STAND_INS = 12
PRIOR_WIDTH = 0.1  # of the squared distance by use and function: what takes a stand-in's prior weight down to 1/e
CO_USE, FUNCTIONS, RARITY = 0.5, 0.3, 0.6  # as in the fused distance of similarity/ranking.py
DOUBT, LEAST_MISFIT, TRUST = 0.5, 0.01, 0.5  # how misfit becomes weight: misfit ** -(DOUBT + TRUST × formulas / 2)
OFFSET, LOCAL, REACH = 0.02, 0.4, 0.4  # variances of the correction (squared standard deviations) and its length scale
NOISE = 0.5  # of the variance that the interval of a known formula has
TREE_SHARE = 0.3
LEVELS, MOST_LEVEL = (0.80, 0.95), 0.99
REHEARSED, REHEARSALS, FEWEST = 12, 20, 8  # trained materials placed as if new, formulas of each, and the least of them
CONFIDENCE = 0.8  # how far the rehearsed width is believed, as a power; 0 takes the estimated variance as it is
DRAWS, FEWEST_REHEARSED = 4, 3  # of the known formulas of each rehearsed material, and the least of such materials
RAISE, FADING = 1.5, 3.0  # materials' worth that the level is raised by, and the known formulas that halve it
OWN_SCALE = 5.0  # formulas' worth of the usual scale that every material's own starts from
WIDEST = 6.0  # no interval is taken to be wider than that many estimated standard deviations


@dataclass(frozen=True, eq=False)
class Evidence:
    """R formulas of one new material, as each of S stand-ins predicts them; on the target scale.

    stand_ins (S,) materials; log_prior (S,); each (S, R); noise (R,) variance; apart (R, R) distances of the formulas in
    units of the usual one; amounts (R, M + 1) weight-%, the new material last
    """

    stand_ins: np.ndarray
    log_prior: np.ndarray
    each: np.ndarray
    noise: np.ndarray
    apart: np.ndarray
    amounts: np.ndarray

    def weights(self, rows: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """(S,) probability of each stand-in once the formulas ``rows`` (k,) measured ``targets`` (k,)."""
        log = self.log_prior.copy()
        if len(rows):
            misfit = (np.square(targets - self.each[:, rows]) / self.noise[rows]).sum(axis=1)
            log -= (DOUBT + TRUST * len(rows) / 2) * np.log(LEAST_MISFIT + misfit / 2)
        weight = np.exp(log - log.max())
        return weight / weight.sum()

    def settled(self, rows: np.ndarray, targets: np.ndarray) -> Settled:
        """What all R formulas measure once ``rows`` (k,) measured ``targets`` (k,)."""
        weights = self.weights(rows, targets)
        mean = weights @ self.each
        between = weights @ np.square(self.each - mean)
        share = OFFSET + LOCAL * np.exp(-0.5 * np.square(self.apart / REACH))
        if len(rows):
            inner = share[np.ix_(rows, rows)] + np.diag(NOISE * self.noise[rows])
            gain = np.linalg.solve(inner, share[rows])  # (k, R)
            mean = mean + (targets - mean[rows]) @ gain
            share = share - share[:, rows] @ gain
        return Settled(weights, mean, between + self.noise + np.maximum(np.diag(share), 0), share)

    def surprises(self, rows: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """(k,) how far each of the formulas ``rows`` is from what the others say of it, in estimated standard deviations."""
        found = np.empty(len(rows))
        for left_out, row in enumerate(rows):
            settled = self.settled(np.delete(rows, left_out), np.delete(targets, left_out))
            found[left_out] = (targets[left_out] - settled.mean[row]) / np.sqrt(settled.variance[row])
        return found


@dataclass(frozen=True, eq=False)
class Settled:
    """weights (S,); mean and variance (R,) on the target scale; shared (R, R) covariance of what is yet to be learned."""

    weights: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    shared: np.ndarray


class Placer:
    """One run, ready to place materials that it does not know."""

    def __init__(self, asked: Asked):
        self.asked = asked
        run, size = asked.run, len(asked.run.data.materials)
        self.support = run.support
        self._may = np.flatnonzero(self.support > RARE)
        if not len(self._may):
            raise NotThere(f"{run.id} has no material of more than {RARE} training formulas; nothing could stand in for a new one.")
        rows = run.data.measurements[run.data.measurements["property"] == asked.name]
        mean = rows.groupby("formula")["value"].mean()
        kept = np.isin(run.parts, TRAINING_PARTS)
        self._rows = np.array([row for row in mean.index if kept[row]])
        self._targets = asked.targets(mean.loc[self._rows].to_numpy())
        self._amounts = run.data.amounts[self._rows]
        self._size = size
        self._widths: dict[int, tuple[float, tuple[float, ...]] | None] = {}

    @cached_property
    def usual(self) -> float:
        """The median distance of two training formulas, by the square roots of their amounts."""
        random = np.random.default_rng(0)
        one, other = random.integers(0, len(self._rows), (2, 2_000))
        apart = csr_array(np.sqrt(self._amounts[one])) - csr_array(np.sqrt(self._amounts[other]))
        lengths = np.sqrt(np.asarray(apart.multiply(apart).sum(axis=1)).ravel())
        return float(np.median(lengths[lengths > 0])) if (lengths > 0).any() else 1.0

    def evidence(
        self, amounts: np.ndarray, conditions: np.ndarray, joint: FormulaSet, query: int, without: int = -1, folds: np.ndarray | None = None
    ) -> Evidence:
        """The formulas ``amounts`` (R, M + 1) of a new material, whose use ``joint`` shows as its material ``query``.

        For a rehearsal: ``without`` may not stand in, it is the material itself, and each formula is predicted by the
        models of its own fold in ``folds`` (R,), which never saw it.
        """
        squared = self._distances(joint, query)
        may = self._may[self._may != without]
        stand_ins = may[np.argsort(squared[may], kind="stable")][:STAND_INS]
        rows = len(amounts)
        wide = np.tile(amounts[:, :-1], (len(stand_ins), 1))
        wide[np.arange(len(wide)), np.repeat(stand_ins, rows)] += np.tile(amounts[:, -1], len(stand_ins))
        asked = csr_array(wide), np.tile(conditions, (len(stand_ins), 1))
        found = self.asked.predictor.predict(*asked)
        each = self.asked.targets(found.value).reshape(-1, rows)
        if folds is not None and len(self.asked.predictor.vectors) > 1:
            each = self.asked.predictor.by_fold(*asked)[np.tile(folds, len(stand_ins)), np.arange(len(wide))].reshape(-1, rows)
        noise = self._noise(found.low80, found.high80).reshape(-1, rows).mean(axis=0)
        root = np.sqrt(amounts)
        lengths = np.square(root).sum(axis=1)
        apart = np.sqrt(np.maximum(lengths[:, None] + lengths - 2 * root @ root.T, 0)) / self.usual
        return Evidence(stand_ins, -squared[stand_ins] / PRIOR_WIDTH, each, noise, apart, amounts)

    def _noise(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """The variance that an 80 % interval of a known formula stands for; a wide one where the run has no folds."""
        scale = self.asked.predictor.scale
        least = scale.to_value(np.array([(scale.low - scale.mean) / scale.spread - 10]), held=False)[0]
        half = (self.asked.targets(high) - self.asked.targets(np.maximum(low, least))) / 2
        return np.square(np.where(np.isfinite(half) & (half > 0), half, 1.0) / 1.2816)

    def _distances(self, joint: FormulaSet, query: int) -> np.ndarray:
        """(M,) squared distance by use in formulas and by function, with what few uses leave uncertain."""
        points = np.hstack([amount_profiles(joint), CO_USE * co_use(joint)])
        squared = np.square(points[: self._size] - points[query]).sum(axis=1)
        functions, names = multi_hot(joint)
        if names:
            jaccard = function_distances(functions, query)[: self._size]
            squared += FUNCTIONS**2 * np.where(np.isnan(jaccard), 0.5, jaccard) ** 2
        return squared + RARITY**2 / (self.support + 1)

    def trees(self, evidence: Evidence, rows: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """(R,) predictions of trees grown on the training formulas and the measured new ones ``rows`` (k,)."""
        columns = np.append(partners.tree_columns(self.support), self._size)
        known = csr_array(self._amounts)
        known.resize((known.shape[0], self._size + 1))
        inputs = np.vstack([known[:, columns].toarray(), evidence.amounts[rows][:, columns]]).astype(np.float32)
        grown = partners.joined([partners.fit_trees(inputs, np.concatenate([self._targets, targets]), seed=0)])
        return grown.predict(0, evidence.amounts[:, columns].astype(np.float32))

    def predicted(self, evidence: Evidence, settled: Settled, rows: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """(R,) the default prediction on the target scale: stand-ins and correction, averaged with the trees."""
        if not len(rows):
            return settled.mean
        return (1 - TREE_SHARE) * settled.mean + TREE_SHARE * self.trees(evidence, rows, targets)

    def training(self) -> tuple[np.ndarray, np.ndarray]:
        """(T, M + 1) amounts of the measured training formulas, none of the new material, and their (T,) targets."""
        return np.pad(self._amounts.toarray(), ((0, 0), (0, 1))), self._targets

    @cached_property
    def rehearsals(self) -> list[tuple[Evidence, np.ndarray]]:
        """Trained materials as if they were new: evidence, and the measured targets of its formulas."""
        data = self.asked.run.data
        present = self._amounts.tocsc()
        counts = np.diff(present.indptr)
        fit = np.flatnonzero((counts >= FEWEST) & (counts <= 0.5 * len(self._rows)))
        random = np.random.default_rng(0)
        found = []
        for material in random.permutation(fit)[:REHEARSED]:
            mine = np.sort(random.permutation(present.indices[present.indptr[material] : present.indptr[material + 1]])[:REHEARSALS])
            amounts = np.zeros((len(mine), self._size + 1))
            amounts[:, :-1] = self._amounts[mine].toarray()
            amounts[:, -1], amounts[:, material] = amounts[:, material], 0
            conditions = np.concatenate([self.asked.conditions(int(row), 1) for row in self._rows[mine]])
            found.append((self.evidence(amounts, conditions, data, int(material), int(material), self.asked.run.folds[self._rows[mine]]), self._targets[mine]))
        return found

    def quantiles(self, evidence: Evidence, rows: np.ndarray, targets: np.ndarray) -> tuple[float, float]:
        """How many estimated standard deviations hold 80 % and 95 % of the errors, once the formulas ``rows`` (k,) are known.

        Conformal prediction whose units are materials: the errors of the rehearsed materials with as many known formulas,
        each in units of that material's own scale, and each material counting the same (Dunn, Wasserman, Ramdas 2023,
        JASA 118, "Distribution-free prediction sets with random effects"; own scales: Lei et al. 2018, JASA 113). The
        scale is what the known formulas show of how wrong the others are about them, drawn towards the usual one. A new
        material is one more draw of materials, so the level is raised by their number: by more than one in it while
        nothing is known, since a rehearsed material did train beside the others and a new one did not, and by less the
        more formulas tell what it is like. A normal distribution's where too few were rehearsed.
        """
        found = self._rehearsed(len(rows))
        if found is None:
            return 1.2816, 1.9600
        usual, widths = found
        own = _scale(evidence.surprises(rows, targets), usual)
        first, second = (min((width * own) ** CONFIDENCE, WIDEST) for width in widths)
        return first, second

    def _rehearsed(self, measured: int) -> tuple[float, tuple[float, ...]] | None:
        """The usual scale of the rehearsed materials with ``measured`` known formulas, and the widths for LEVELS in own scales."""
        if measured not in self._widths:
            self._widths[measured] = self._rehearse(measured)
        return self._widths[measured]

    def _rehearse(self, measured: int) -> tuple[float, tuple[float, ...]] | None:
        if len(self.rehearsals) < FEWEST_REHEARSED:
            return None
        random = np.random.default_rng(1)
        tried: list[list[tuple[np.ndarray, np.ndarray]]] = []  # a material: (ratios, surprises) of each draw
        for evidence, targets in self.rehearsals:
            known, draws = min(measured, len(targets) // 2), []
            for _ in range(DRAWS):
                order = random.permutation(len(targets))
                rows, rest = order[:known], order[known:]
                settled = evidence.settled(rows, targets[rows])
                ratios = np.abs(settled.mean - targets)[rest] / np.sqrt(settled.variance[rest])
                draws.append((ratios, evidence.surprises(rows, targets[rows])))
            tried.append(draws)
        usual = float(np.median([np.mean([np.square(ratios).mean() for ratios, _ in draws]) for draws in tried]))
        ratio = np.concatenate([ratios / _scale(surprises, usual) for draws in tried for ratios, surprises in draws])
        weight = np.concatenate([np.full(len(ratios), 1 / len(ratios)) for draws in tried for ratios, _ in draws])
        order = np.argsort(ratio)
        share = np.cumsum(weight[order]) / weight.sum()
        raised = 1 + RAISE * FADING / (FADING + measured) / len(tried)
        levels = [min(level * raised, MOST_LEVEL) for level in LEVELS]
        return usual, tuple(float(ratio[order][min(np.searchsorted(share, level), len(ratio) - 1)]) for level in levels)


def _scale(surprises: np.ndarray, usual: float) -> float:
    """The root of the mean of ``surprises`` (k,), squared, and of OWN_SCALE times the usual square."""
    return float(np.sqrt((OWN_SCALE * usual + np.square(surprises).sum()) / (OWN_SCALE + len(surprises))))
