"""How far each frame of a picture can be trusted, in total and for each material: neighbours kept, trustworthiness, continuity.

Among thousands of materials a picture reaches 0.99 in the last two although it shuffles the nearest ten: they count how
far away a wrong neighbour comes from, measured in all materials. The share that is kept says what the nearest are worth.

Source: Venna & Kaski 2001, Neighborhood preservation in nonlinear projection methods, ICANN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from matrep_core.errors import SettingRefused
from matrep_core.sampling import at_most
from matrep_core.views.trajectory import Trajectory

NEAREST = 10
_EVERY = 8_000  # trained materials; beyond it a sample of the materials is measured, against all
_SAMPLE = 2_000
_BLOCK = 2**20  # squared distances held at once (float64: 8 MB, which a processor's cache holds)


@dataclass(frozen=True, eq=False)
class Trust:
    """How well a picture keeps the ``of`` nearest of each material, from 0 to 1 (all kept), frame by frame.

    trustworthiness: (T,) falls where materials stand near in the picture that are far in the original space
    continuity:      (T,) falls where materials near in the original space stand far apart in the picture
    kept:            (T,) share of the nearest in the original space that are among the nearest in the picture too;
                     by chance ``by_chance``, where the other two reach about 1/2
    each_*:          (T, M) float32 of every material; NaN where it was not measured
    """

    of: int
    trustworthiness: np.ndarray
    continuity: np.ndarray
    each_trustworthiness: np.ndarray
    each_continuity: np.ndarray
    kept: np.ndarray
    each_kept: np.ndarray
    by_chance: float


def measured_materials(trained: np.ndarray, seed: int = 0) -> np.ndarray:
    """The rows that are measured: all ``trained`` (M,) bool materials, or 2,000 of them drawn where there are over 8,000."""
    members = np.flatnonzero(trained)
    if len(members) <= _EVERY:
        return members
    return at_most(members, _SAMPLE, np.random.default_rng(seed))


def trust(
    way: Trajectory, pictures: Sequence[np.ndarray], progress: Callable[[float], None] = lambda _: None
) -> list[Trust]:
    """Measure (T, M, D) int16 ``pictures`` of all frames against the original space, Euclidean in both.

    Only materials that trained are measured and counted; the others stand where the random start put them.
    Distances are whole numbers, so that equal ones are equal; the lower index comes first. ``progress`` is
    told the share that is done. Raises SettingRefused for fewer than 4 trained materials.
    """
    members = np.flatnonzero(way.trained)
    count = len(members)
    if count < 4:
        raise SettingRefused("materials", count, "trust in a picture needs at least 4 materials that trained.")
    of = max(1, min(NEAREST, (count - 1) // 3))
    asked = measured_materials(way.trained)
    own = np.searchsorted(members, asked)
    shape = (len(pictures), 3, len(way), len(asked))
    kept = np.empty(shape, np.float32)
    for frame in range(len(way)):
        drawn = [picture[frame][members] for picture in pictures]
        kept[:, :, frame] = _of_one_frame(way.codes[frame][members], drawn, own, of)
        progress((frame + 1) / len(way))
    return [_spread_out(of, each, asked, way.trained) for each in kept]


def _spread_out(of: int, found: np.ndarray, asked: np.ndarray, trained: np.ndarray) -> Trust:
    each = np.full((3, found.shape[1], len(trained)), np.nan, np.float32)
    each[:, :, asked] = found
    means = found.astype(np.float64).mean(axis=2)
    return Trust(of, means[0], means[1], each[0], each[1], means[2], each[2], of / (int(trained.sum()) - 1))


def _of_one_frame(original: np.ndarray, drawn: Sequence[np.ndarray], own: np.ndarray, of: int) -> np.ndarray:
    """(pictures, 3, Q): trustworthiness, continuity and share kept of the rows ``own`` (Q,) of one frame."""
    from matrep_core.views.ranks import nearest, ranks

    count = len(original)
    spaces = [_Space(codes) for codes in (original, *drawn)]
    worst = of * (2 * count - 3 * of - 1) / 2  # the largest sum of ranks beyond ``of``; normalises to 0 … 1
    kept = np.empty((len(drawn), 3, len(own)))
    block = max(1, _BLOCK // count)
    for start in range(0, len(own), block):
        rows = own[start : start + block]
        squares = spaces[0].squares(rows)
        true = nearest(squares, rows, of)
        for number, space in enumerate(spaces[1:]):
            seen = space.squares(rows)
            false_ranks = ranks(squares, rows, nearest(seen, rows, of))
            missing_ranks = ranks(seen, rows, true)
            for which, found in enumerate((false_ranks, missing_ranks)):
                kept[number, which, start : start + block] = 1 - np.maximum(found - of, 0).sum(axis=1) / worst
            kept[number, 2, start : start + block] = (missing_ranks <= of).mean(axis=1)
    return kept


class _Space:
    """Whole-number points whose squared distances a matrix product gives exactly (they stay below 2 ** 53)."""

    def __init__(self, codes: np.ndarray):
        self.points = codes.astype(np.float64)
        self.norms = np.einsum("ij,ij->i", self.points, self.points)

    def squares(self, rows: np.ndarray) -> np.ndarray:
        """(rows, M) squared distances."""
        product = self.points[rows] @ self.points.T
        product *= -2
        product += self.norms[None, :]
        product += self.norms[rows, None]
        return product
