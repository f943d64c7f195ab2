"""Frames: the material vectors at log-spaced training steps, appended while training runs.

``frames/vectors.bin`` holds one block of M × N_entries int16 a frame; ``frames/index.jsonl`` one line a
frame: its step, its scale (value = int16 × scale) and the CRC-32 of both and its block. A line is written
after its block, so a killed training leaves at most a block without a line, which is not a frame.
"""

from __future__ import annotations

import json
import os
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from matrep_core.errors import NotThere, RunBroken
from matrep_core.runs.files import open_lines, parse_json

LEVELS = 32767  # int16, symmetric
_FOLDER, _BLOCKS, _INDEX = "frames", "vectors.bin", "index.jsonl"


def frame_steps(steps: int, count: int) -> np.ndarray:
    """At most ``count`` log-spaced steps from 0 to ``steps``, both included, each once; int64, ascending."""
    spaced = np.geomspace(1, steps, max(count - 1, 1))
    return np.unique(np.concatenate([[0], np.round(spaced), [steps]]).astype(np.int64))


def _check_sum(step: int, scale: float, block: bytes | memoryview) -> int:
    return zlib.crc32(block, zlib.crc32(f"{step} {scale!r}".encode()))


@dataclass(frozen=True)
class FrameEntry:
    """One line of the index: where a frame was taken and how to read its block."""

    step: int
    scale: float
    crc32: int


class FrameReader:
    """The frames that a run holds now; open a new one to see those that were appended since.

    Raises RunBroken where the index is malformed or a block is not the one that was written.
    """

    def __init__(self, run: Path, materials: int, n_entries: int):
        self._blocks = run / _FOLDER / _BLOCKS
        self._shape = (materials, n_entries)
        self._name = run.name
        index = run / _FOLDER / _INDEX
        lines = index.read_bytes().splitlines(keepends=True) if index.exists() else []
        complete = [line for line in lines if line.endswith(b"\n")]
        self.entries = tuple(self._entry(i, line) for i, line in enumerate(complete))
        steps = [entry.step for entry in self.entries]
        if steps != sorted(set(steps)):
            raise self._broken(_INDEX, "its steps do not ascend")

    def _broken(self, file: str, why: str) -> RunBroken:
        return RunBroken(f"{self._name}/{_FOLDER}/{file} is damaged: {why}. Delete the run, or load it again.")

    def _entry(self, number: int, line: bytes) -> FrameEntry:
        try:
            record = parse_json(line)
            entry = FrameEntry(**record)
            fine = type(entry.step) is int and isinstance(entry.scale, float) and type(entry.crc32) is int
        except (ValueError, TypeError):
            fine = False
        if not fine or entry.step < 0 or not 0 <= entry.scale < np.inf:
            raise self._broken(_INDEX, f"line {number + 1} is not a frame")
        return entry

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def steps(self) -> np.ndarray:
        """(T,) int64, ascending."""
        return np.array([entry.step for entry in self.entries], dtype=np.int64)

    def packed(self, number: int) -> tuple[np.ndarray, float]:
        """One frame as stored: (M, N_entries) int16 and its scale."""
        if not -len(self) <= number < len(self):
            raise NotThere(f"{self._name} has no frame {number}; it has {len(self)} frames.")
        entry = self.entries[number]
        size = 2 * self._shape[0] * self._shape[1]
        try:
            with self._blocks.open("rb") as file:
                file.seek((number % len(self)) * size)
                block = file.read(size)
        except OSError as error:
            raise self._broken(_BLOCKS, error.strerror or "unreadable") from None
        if len(block) != size or _check_sum(entry.step, entry.scale, block) != entry.crc32:
            raise self._broken(_BLOCKS, f"the frame of step {entry.step} is not the one that was written")
        return np.frombuffer(block, np.int16).reshape(self._shape), entry.scale

    def vectors(self, number: int) -> np.ndarray:
        """One frame as (M, N_entries) float32 material vectors."""
        codes, scale = self.packed(number)
        return codes.astype(np.float32) * np.float32(scale)

    def all_packed(self) -> tuple[np.ndarray, float]:
        """Every frame on ONE common scale: (T, M, N_entries) int16 and that scale, for the viewer."""
        common = max((entry.scale for entry in self.entries), default=0.0) or 1.0
        out = np.empty((len(self), *self._shape), np.int16)
        for number in range(len(self)):
            codes, scale = self.packed(number)
            out[number] = np.round(codes * np.float32(scale / common))
        return out, common


class FrameWriter:
    """Appends frames; opened at ``kept`` frames it drops whatever a killed training wrote after them."""

    def __init__(self, run: Path, materials: int, n_entries: int, kept: int):
        folder = run / _FOLDER
        folder.mkdir(exist_ok=True)
        self._size = 2 * materials * n_entries
        self._block = np.empty((materials, n_entries), np.int16)
        self._scratch = np.empty((materials, n_entries), np.float32)
        self.written = kept
        self._index = open_lines(folder / _INDEX, kept)
        self._blocks = (folder / _BLOCKS).open("r+b" if (folder / _BLOCKS).exists() else "w+b")
        self._blocks.truncate(kept * self._size)
        self._blocks.seek(kept * self._size)

    def append(self, step: int, vectors: np.ndarray) -> None:
        """Quantise and append the (M, N_entries) float32 vectors of ``step``."""
        np.copyto(self._scratch, vectors)  # the engine's rows are padded: one pass over them, not three
        largest = float(max(self._scratch.max(), -self._scratch.min()))
        scale = largest / LEVELS
        np.multiply(self._scratch, np.float32(1 / scale if scale else 0), out=self._scratch)
        np.rint(self._scratch, out=self._scratch)
        np.copyto(self._block, self._scratch, casting="unsafe")
        view = memoryview(self._block).cast("B")
        self._blocks.write(view)
        self._blocks.flush()
        entry = {"step": step, "scale": scale, "crc32": _check_sum(step, scale, view)}
        self._index.write(json.dumps(entry).encode() + b"\n")
        self._index.flush()
        self.written += 1

    def sync(self) -> None:
        """Put all frames on the disk; called before the checkpoint that counts them."""
        os.fsync(self._blocks.fileno())
        os.fsync(self._index.fileno())

    def close(self) -> None:
        self._blocks.close()
        self._index.close()
