"""Projections of all frames at once, as the viewer takes them: whole numbers and a scale a frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from matrep_core.runs.frames import LEVELS
from matrep_core.threads import one_thread
from matrep_core.views.alignment import Alignment
from matrep_core.views.projection import PcaBasis
from matrep_core.views.trajectory import Trajectory

_STILL_GOOD = 0.8  # of what a basis of the newest frame itself would explain


@dataclass(frozen=True, eq=False)
class Film:
    """A projection of all frames; the place of a material is ``codes × scales`` of its frame.

    codes:     (T, M, D) int16
    scales:    (T,) float64; one a frame, so that a frame that comes later changes no earlier one
    axes:      D labels
    missed:    UMAP over frames: root mean square distance by which the network misses the layout that it
               learned, in shares of that layout's radius; 0 for others
    """

    codes: np.ndarray
    scales: np.ndarray
    axes: tuple[str, ...]
    missed: float = 0.0

    def coordinates(self, frame: int) -> np.ndarray:
        """(M, D) float64 places of one frame."""
        return self.codes[frame] * self.scales[frame]


def quantised(coordinates: np.ndarray, axes: tuple[str, ...], missed: float = 0.0) -> Film:
    """(T, M, D) coordinates as a Film; the error is at most half of 1 / 32,767 of a frame's largest coordinate."""
    largest = np.abs(coordinates).max(axis=(1, 2), initial=0.0).astype(np.float64)
    scales = largest / LEVELS
    codes = np.rint(coordinates / np.where(scales > 0, scales, 1.0)[:, None, None]).astype(np.int16)
    return Film(codes, scales, axes, missed)


def raw_film(way: Trajectory, entries: list[int]) -> Film:
    """The chosen entries as they are stored."""
    return Film(np.ascontiguousarray(way.codes[:, :, entries]), way.scales, tuple(f"entry {e + 1}" for e in entries))


def pca_film(way: Trajectory, basis: PcaBasis) -> Film:
    """All frames on one basis."""
    axes = basis.apply(np.zeros((1, len(basis.mean)))).axes
    directions = basis.directions.astype(np.float32)
    shift = (basis.mean @ basis.directions).astype(np.float32)
    with one_thread():  # products this small are slower on two threads, and far slower on a busy machine
        frames = [
            codes.astype(np.float32) @ directions * np.float32(scale) - shift
            for codes, scale in zip(way.codes, way.scales)
        ]  # fmt: skip
    return quantised(np.stack(frames), axes)


def still_good(way: Trajectory, basis: PcaBasis) -> bool:
    """Whether a basis from an earlier frame shows at least 0.8 of the spread that one of the newest frame would.

    While a run trains its basis is kept as long as this holds, so that frames already shown stay as they are.
    """
    points = way.vectors(-1)[way.trained]
    points = points - points.mean(axis=0)
    best = np.linalg.eigvalsh(points.T @ points)[::-1][: basis.directions.shape[1]].sum()
    return bool(((points @ basis.directions) ** 2).sum() >= _STILL_GOOD * best)


def aligned_film(
    way: Trajectory, alignment: Alignment, basis: PcaBasis | None, axes: tuple[str, ...], entries: list[int]
) -> Film:
    """All frames of one run in the space of another: on that run's ``basis``, or on its ``entries`` where it is None."""
    places = []
    for frame in range(len(way)):
        vectors = alignment.apply(way.vectors(frame))
        places.append(vectors[:, entries] if basis is None else (vectors - basis.mean) @ basis.directions)
    return quantised(np.stack(places), axes)
