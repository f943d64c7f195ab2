"""Two runs side by side: turned onto each other without changing a distance, and the neighbours that both agree on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from matrep_core.errors import SettingRefused
from matrep_core.sampling import at_most
from matrep_core.views.dynamics import NEAREST, neighbour_history
from matrep_core.views.trajectory import Trajectory

_SAMPLE = 500  # materials


@dataclass(frozen=True, eq=False)
class Alignment:
    """The turn (and mirroring) that lays one run's materials onto another's as well as it can.

    rotation:  (N of the one, N of the other); orthonormal columns, or rows where the other has more entries
    centre:    (N of the one,) mean that is taken off before, and ``target`` the one that is put on after
    agreement: 0 … 1, the share of the spread in which both clouds agree after the turn and one common
               factor of size, which is only measured and not applied
    """

    rotation: np.ndarray
    centre: np.ndarray
    target: np.ndarray
    agreement: float

    def apply(self, vectors: np.ndarray) -> np.ndarray:
        """(M, N of the other) vectors of the one run in the space of the other."""
        return (vectors - self.centre) @ self.rotation + self.target


def procrustes(vectors: np.ndarray, target: np.ndarray) -> Alignment:
    """The orthogonal map of (K, N₁) ``vectors`` nearest to (K, N₂) ``target``, row for row, in least squares.

    The narrower space is thought to be filled up with zeros. Source: Schönemann 1966, A generalized solution
    of the orthogonal Procrustes problem, Psychometrika 31. Raises SettingRefused for fewer than 2 materials.
    """
    if len(vectors) < 2 or len(vectors) != len(target):
        raise SettingRefused("materials", len(vectors), "two runs need at least 2 common materials that trained.")
    centre, middle = vectors.mean(axis=0), target.mean(axis=0)
    one, other = vectors - centre, target - middle
    left, singular, right = np.linalg.svd(one.T @ other, full_matrices=False)
    spread = float((one**2).sum() * (other**2).sum())
    agreement = float(singular.sum()) ** 2 / spread if spread > 0 else 0.0
    return Alignment(left @ right, centre, middle, min(1.0, agreement))


def common_materials(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the codes that both know, in the order of ``one``: indices in ``one`` and in ``other``."""
    place = {code: row for row, code in enumerate(other)}
    rows = [row for row, code in enumerate(one) if code in place]
    return np.array(rows, np.int64), np.array([place[one[row]] for row in rows], np.int64)


@dataclass(frozen=True, eq=False)
class Agreement:
    """(T,) share of the ``of`` nearest that two runs have in common at each frame of the first; see ``common_neighbours``.

    by_chance: the share that two unrelated runs would have
    """

    share: np.ndarray
    of: int
    by_chance: float


def common_neighbours(
    one: Trajectory, other: Trajectory, rows: tuple[np.ndarray, np.ndarray],
    progress: Callable[[float], None] = lambda _: None, seed: int = 0,
) -> Agreement:  # fmt: skip
    """How many nearest neighbours two runs share, frame by frame, among the materials that trained in both.

    ``rows`` are the common materials as ``common_materials`` gives them. Each frame of ``one`` is compared with
    the frame of ``other`` that is nearest in log step. Measured at up to 500 materials drawn with ``seed``.
    Raises SettingRefused for fewer than 3 such materials.
    """
    both = one.trained[rows[0]] & other.trained[rows[1]]
    first, second = rows[0][both], rows[1][both]
    count = len(first)
    if count < 3:
        raise SettingRefused("materials", count, "two runs need at least 3 common materials that trained.")
    of = max(1, min(NEAREST, (count - 1) // 2))
    asked = at_most(np.arange(count), _SAMPLE, np.random.default_rng(seed))
    share = np.empty(len(one))
    for frame, step in enumerate(one.steps):
        nearest = [
            neighbour_history(_one_frame(way, at, members), asked, of)[0]
            for way, at, members in ((one, frame, first), (other, other.frame_of(int(step)), second))
        ]
        common = (nearest[0][:, :, None] == nearest[1][:, None, :]).any(axis=2)
        share[frame] = common.mean()
        progress((frame + 1) / len(one))
    return Agreement(share, of, of / (count - 1))


def _one_frame(way: Trajectory, frame: int, members: np.ndarray) -> Trajectory:
    """One frame with these materials alone."""
    steps, scales = way.steps[[frame]], way.scales[[frame]]
    return Trajectory(steps, way.codes[[frame]][:, members], scales, way.trained[members], "", ())
