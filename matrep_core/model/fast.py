"""The fast engine: holds the arrays that the compiled steps work on."""

from __future__ import annotations

import numpy as np

from matrep_core.model import step as compiled
from matrep_core.model.layout import Layout
from matrep_core.model.problem import Problem
from matrep_core.settings import TrainingSettings

_PREDICT_BLOCK = 256


def padded(n_entries: int) -> int:
    """Row length in memory: whole vectors of 16 numbers, so that no row ends in a slow remainder."""
    return n_entries if n_entries <= 4 else -(-n_entries // 16) * 16


class FastEngine:
    """One model in training. Not for use by two threads at once; two engines in two threads are fine."""

    name = "fast"

    def __init__(self, problem: Problem, settings: TrainingSettings, pace: np.ndarray, start: tuple[np.ndarray, np.ndarray]):
        self.layout = layout = Layout.of(settings, problem.materials)
        self._problem, self._settings, self._pace = problem, settings, pace
        self._n = n = layout.n_entries
        shape = (layout.materials, padded(n))
        free, self._theta = np.zeros(shape, np.float32), start[1].copy()
        free[:, :n] = start[0]
        self._free, self._first, self._second = free, np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        self._last, self._codes = np.zeros(layout.materials, np.int64), free.copy()
        self._code_kind = compiled.ACTIVATIONS[settings.code_activation]
        self._hidden_kind = compiled.ACTIVATIONS[settings.hidden_activation]
        compiled.activate(self._codes.reshape(-1), self._code_kind)
        self._theta_first, self._theta_second = np.zeros_like(self._theta), np.zeros_like(self._theta)
        self._widths = np.array([layout.inputs, *[layout.width] * (layout.layers - 1), 1], np.int64)
        block = max(settings.batch_size, _PREDICT_BLOCK)

        def room(*sizes: int) -> np.ndarray:
            return np.zeros(sizes, np.float32)

        self._mixtures, self._hidden = room(block, layout.inputs), room(layout.layers - 1, block, layout.width)
        self._row, self._echo = room(padded(n)), np.zeros((4, compiled.LONGEST_ECHO + 1))
        self._work = (
            self._mixtures, room(block, layout.inputs), self._hidden, room(2, block, layout.width), room(block),
            room(layout.parameters), room(*shape), np.zeros(layout.materials, np.int64),
            np.zeros(layout.materials, np.int64), self._row, self._echo,
        )  # fmt: skip

    def train(self, order: np.ndarray, step: int) -> tuple[int, float, int]:
        """Train on the measurements ``order`` in batches after ``step`` finished steps.

        Returns (steps done, sum of losses, measurements seen); fewer steps than batches: a loss was not finite.
        """
        p, s = self._problem, self._settings
        done, total, seen = compiled.train_chunk(
            self._free, self._first, self._second, self._last, self._codes,
            self._theta, self._theta_first, self._theta_second,
            p.indptr, p.indices, p.amounts, p.conditions, p.targets,
            order, s.batch_size, step, self._pace, s.vector_decay, s.weight_decay,
            self._code_kind, self._hidden_kind, compiled.LOSSES[s.loss], self._widths, *self._work,
        )  # fmt: skip
        return int(done), float(total), int(seen)

    def vectors(self, step: int) -> np.ndarray:
        """(M, N_entries) float32 material vectors after ``step`` steps; a view that the next step changes."""
        compiled.flush(
            self._free, self._first, self._second, self._last, step, self._codes, self._code_kind, self._pace,
            self._settings.vector_decay, self._row, self._echo,
        )  # fmt: skip
        return self._codes[:, : self._n]

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """(.,) float32 scaled predictions for the measurements ``rows``; call ``vectors`` first."""
        out, p = np.empty(len(rows), np.float32), self._problem
        compiled.predict(
            self._codes, self._theta, self._widths, p.indptr, p.indices, p.amounts, p.conditions, rows,
            self._hidden_kind, self._mixtures, self._hidden, out,
        )  # fmt: skip
        return out

    def regressor(self) -> np.ndarray:
        """The flat regressor (Layout order); a view that the next step changes."""
        return self._theta

    def finite(self) -> bool:
        return bool(np.isfinite(self._theta).all() and np.isfinite(self._free).all())

    def state(self) -> dict[str, np.ndarray]:
        """Everything that ``restore`` needs to go on bit by bit; views."""
        n = self._n
        return {
            "free": self._free[:, :n], "free_first": self._first[:, :n], "free_second": self._second[:, :n],
            "free_last": self._last, "codes": self._codes[:, :n], "regressor": self._theta,
            "regressor_first": self._theta_first, "regressor_second": self._theta_second,
        }  # fmt: skip

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Take over a state; raises KeyError or ValueError where it does not fit the layout."""
        for name, mine in self.state().items():
            mine[...] = state[name].reshape(mine.shape)
