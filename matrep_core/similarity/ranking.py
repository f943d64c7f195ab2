"""Ranking the materials that act alike: by the learned vectors, by use in formulas, or by all evidence fused.

The weights were chosen on sets other than those that docs/SIMILARITY.md reports; ``python -m benchmarks similarity``
measures them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from matrep_core.errors import SettingRefused
from matrep_core.formulas.schema import FormulaSet
from matrep_core.limits import MAX_NEIGHBOURS, Bound
from matrep_core.similarity.effects import Models, fingerprints, probe_formulas
from matrep_core.similarity.functions import function_distances, multi_hot
from matrep_core.similarity.profiles import Swaps, amount_profiles, co_use, unit
from matrep_core.similarity.reliability import Reliability, reliability
from matrep_core.views.facts import TRAINING_PARTS, find_material
from matrep_core.views.neighbours import METRICS, Neighbours, Points

BY = {
    "fused": "everything: amounts, partners, predicted effect, learned vectors, swaps made in formulas, known functions",
    "profile": "use in formulas alone: in what amounts, and with which partners; no model takes part",
    "code": "the learned vectors alone, averaged over the models",
}


USE = 1.118  # what the straight distance of use in formulas is scaled to; the other weights go with it


@dataclass(frozen=True)
class Weights:
    """What each kind of evidence counts in the fused distance; use in formulas, amounts and partners together, counts USE.

    ``co_use`` is what partners count beside amounts, times the root of ``Reliability.ratio``.
    """

    co_use: float = 1.6
    effect: float = 0.1
    code: float = 0.1
    rarity: float = 0.6
    functions: float = 0.3
    swaps: float = 20.0


class Similarity:
    """The materials of one run or study, ready to be ranked against any of them. Computed once, held by the caller.

    ``ensemble`` holds the models of a lone run, each of which is a voice; ``runs`` those of the runs of a study, each
    run a voice. ``parts`` is (F,): the formulas that any of them trained on are "train" or "validation".
    """

    def __init__(
        self, data: FormulaSet, parts: np.ndarray, ensemble: Models, weights: Weights | None = None, runs: Sequence[Models] = ()
    ):
        self.data, self.parts, self.ensemble = data, parts, ensemble
        self.weights = weights or Weights()
        self.voices, self.noun = (list(runs), "runs") if runs else (ensemble.voices, "models")
        self.support = np.bincount(data.amounts[np.isin(parts, TRAINING_PARTS)].indices, minlength=len(data.materials))

    @property
    def target(self) -> str:
        """The property that the models predict."""
        return self.ensemble.settings.property

    @property
    def unit(self) -> str:
        return self.data.property_named(self.target).unit

    @cached_property
    def amounts(self) -> np.ndarray:
        """(M, BINS) as ``amount_profiles`` gives."""
        return amount_profiles(self.data)

    @cached_property
    def partners(self) -> np.ndarray:
        """(M, ·) as ``co_use`` gives, with the entries that come back in the other half of the formulas."""
        return co_use(self.data, self.reliability.entries)

    @cached_property
    def reliability(self) -> Reliability:
        """How far amounts and partners come back in the other half of the formulas."""
        return reliability(self.data)

    @cached_property
    def fingerprint(self) -> np.ndarray:
        """(M, P) mean of ``effects.fingerprints`` over the voices, of which no two are held at once."""
        total = np.zeros((len(self.data.materials), len(probe_formulas(self.parts))))
        for each in self.each_fingerprint():
            total += each
        return total / len(self.voices)

    def each_fingerprint(self) -> Iterator[np.ndarray]:
        """(M, P) of one voice after the other; zeros where a member never trained the material."""
        probes = self.data.amounts[probe_formulas(self.parts)]
        for voice in self.voices:
            found = fingerprints(voice, probes)
            for member, each in zip(voice.members, found, strict=True):
                each[member.support == 0] = 0
            yield found.mean(axis=0)

    @cached_property
    def functions(self) -> Any:
        """(M, functions) csr_array and the functions' names, as ``multi_hot`` gives."""
        return multi_hot(self.data)

    @cached_property
    def swaps(self) -> Swaps:
        return Swaps(self.data)

    @cached_property
    def profile_points(self) -> np.ndarray:
        """(M, ·) float32: straight distance compares use in formulas."""
        partners = self.weights.co_use * np.sqrt(self.reliability.ratio)
        return (USE / np.hypot(1, partners) * np.hstack([self.amounts, partners * self.partners])).astype(np.float32)

    @cached_property
    def fused_points(self) -> np.ndarray:
        """(M, ·) float32: the profile, the mean fingerprint and the members' vectors, each at its weight."""
        effect = self._scaled(self.fingerprint)
        parts = [self.profile_points, self.weights.effect * effect, self.weights.code * self.code_points("euclidean")]
        return np.hstack(parts).astype(np.float32)

    def code_points(self, metric: str) -> np.ndarray:
        """(M, ·) float32: distances between rows are the mean over the members of all voices, which needs no alignment.

        cosine: the mean of 1 − cosine. euclidean: the root of the mean squared distance, each member's vectors
        in units of their root mean square length. A lone model's euclidean distances stay in its own unit.
        """
        members = [member.vectors.astype(np.float64) for voice in self.voices for member in voice.members]
        if metric == "cosine":
            members = [unit(each) for each in members]
        elif len(members) > 1:
            members = [self._scaled(each) for each in members]
        return np.hstack(members).astype(np.float32) / np.float32(np.sqrt(len(members)))

    @cached_property
    def voice_points(self) -> list[Points]:
        """The learned vectors of each voice by cosine, the mean over its members."""
        return [Points(np.hstack([unit(m.vectors) for m in voice.members]), "cosine") for voice in self.voices]

    def _scaled(self, points: np.ndarray) -> np.ndarray:
        """Rows in units of their root mean square length over the materials with support."""
        squares = np.einsum("ij,ij->i", points, points, dtype=np.float64)
        trained = self.support > 0
        usual = float(np.sqrt(squares[trained].mean())) if trained.any() else 0.0
        return points / (usual or 1.0)

    @cached_property
    def _points(self) -> dict[str, Points]:
        return {}

    def points(self, by: str, metric: str = "cosine") -> Points:
        """The materials as points whose distances ``by`` compares; for ``fused`` without swaps and functions.

        Raises SettingRefused for an unknown ``by`` or metric.
        """
        if by not in BY:
            raise SettingRefused("by", by, f"choose one of {', '.join(BY)}.")
        if by == "code" and metric not in METRICS:
            raise SettingRefused("metric", metric, f"choose one of {', '.join(METRICS)}.")
        key = f"code {metric}" if by == "code" else by
        if key not in self._points:
            if by == "code":
                self._points[key] = Points(self.code_points(metric), metric)
            else:
                self._points[key] = Points(self.profile_points if by == "profile" else self.fused_points, "euclidean")
        return self._points[key]

    def distances(self, query: int, *, functions: bool = True) -> np.ndarray:
        """(M,) float64 fused distances from one material, 0 the same; ``functions`` whether known functions count.

        √(straight distance² + rarity² / (uses + 1) + functions² · Jaccard²), then divided by 1 + swaps × strength.
        The second term is what few uses leave uncertain: rare materials are not near by accident.
        """
        points, w = self.fused_points, self.weights
        difference = points - points[query]
        squared = np.einsum("ij,ij->i", difference, difference, dtype=np.float64)
        squared += w.rarity**2 / (self.data.support + 1)
        if functions and self.functions[1]:
            jaccard = function_distances(self.functions[0], query)
            squared += w.functions**2 * np.where(np.isnan(jaccard), 0.5, jaccard) ** 2
        return np.sqrt(squared) / (1 + w.swaps * self.swaps.around(query)[0])

    def neighbours(
        self,
        query: int,
        k: int,
        by: str = "fused",
        metric: str = "cosine",
        among: np.ndarray | None = None,
        *,
        functions: bool = True,
    ) -> Neighbours:
        """The ``k`` materials most similar to ``query``; ``among`` is (M,) bool, the materials that may be named.

        Raises NotThere for an unknown query, SettingRefused for a setting that does not exist or ``k`` out of bounds.
        """
        points = self.points(by, metric)
        if by != "fused":
            return points.nearest(query, k, among)
        Bound(1, MAX_NEIGHBOURS).check("k", k)
        find_material(self.data, self.data.materials[query])
        distances = self.distances(query, functions=functions)
        allowed = np.ones(len(distances), bool) if among is None else among.copy()
        allowed[query] = False
        indices = np.flatnonzero(allowed)
        order = np.argsort(distances[indices], kind="stable")[:k]
        return Neighbours(query, "fused", indices[order], distances[indices[order]])
