"""The way of all materials through a run: every frame at once, as the numbers that were stored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from matrep_core.errors import NotThere
from matrep_core.runs.frames import FrameEntry
from matrep_core.runs.store import Run
from matrep_core.views.cache import content_key


@dataclass(frozen=True, eq=False)
class Trajectory:
    """T frames of M materials in N entries; the vector of a material is ``codes × scales`` of its frame.

    steps:   (T,) int64 training steps, ascending
    codes:   (T, M, N) int16 as stored, each frame on a scale of its own: whole numbers, so that squared
             distances within a frame are exact and equal on every machine
    scales:  (T,) float64
    trained: (M,) bool, the material occurs in a training formula
    key:     names all of that by content
    """

    steps: np.ndarray
    codes: np.ndarray
    scales: np.ndarray
    trained: np.ndarray
    key: str
    entries: tuple[FrameEntry, ...]

    def __len__(self) -> int:
        return len(self.steps)

    def vectors(self, frame: int) -> np.ndarray:
        """(M, N) float64 material vectors of one frame."""
        return self.codes[frame] * self.scales[frame]

    def length(self, frame: int, material: int) -> float:
        """The length of one material's vector at one frame."""
        return float(np.linalg.norm(self.vectors(frame)[material]))

    def frame_of(self, step: int) -> int:
        """The frame nearest to ``step``, on the log scale on which frames are spaced."""
        return int(np.abs(np.log1p(self.steps) - np.log1p(max(0, step))).argmin())


def trajectory(run: Run, before: Trajectory | None = None) -> Trajectory:
    """All frames of ``run`` so far; those that ``before`` holds already are not read again.

    Raises NotThere where the run has none yet, RunBroken where a frame is damaged.
    """
    reader = run.frames()
    if not len(reader):
        raise NotThere(f"{run.id} has not started to train. Wait a moment, or look at the Train page.")
    known = len(before) if before is not None and reader.entries[: len(before)] == before.entries else 0
    if before is not None and known == len(reader):
        return before
    codes = np.empty((len(reader), len(run.data.materials), run.settings.n_entries), np.int16)
    if before is not None and known:
        codes[:known] = before.codes
    for number in range(known, len(reader)):
        codes[number], _ = reader.packed(number)
    trained = run.support > 0
    scales = np.array([entry.scale for entry in reader.entries])
    sums = np.array([entry.crc32 for entry in reader.entries], np.int64)
    key = content_key(
        {"steps": reader.steps, "scales": scales, "sums": sums, "trained": trained}, materials=run.data.materials
    )
    return Trajectory(reader.steps, codes, scales, trained, key, reader.entries)
