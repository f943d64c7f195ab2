"""The fast engine: holds the arrays that the compiled steps work on."""

from __future__ import annotations

import numpy as np

from matrep_core.model import step as compiled
from matrep_core.model.activations import ACTIVATIONS, activate
from matrep_core.model.layout import Layout
from matrep_core.model.problem import Problem
from matrep_core.settings import TrainingSettings


def padded(size: int, of: int = 8) -> int:
    """``size`` rounded up to whole vectors: no row ends in a remainder."""
    return -(-size // of) * of


def _places(layout: Layout, inputs_row: int, width_row: int) -> tuple[np.ndarray, int]:
    """Where each of the regressor's numbers (Layout order) lies in the padded regressor, and how long that is."""
    places, begin = [], 0
    for layer, (inputs, outputs) in enumerate(layout.shapes):
        rows, columns = (inputs_row if layer == 0 else width_row), width_row
        if layer == layout.layers - 1:
            rows, columns = 1, width_row  # its weights are a column, kept as a row
            places += [begin + np.arange(inputs), np.array([begin + columns])]
            return np.concatenate(places), begin + columns + 16
        places.append((begin + columns * np.arange(inputs)[:, None] + np.arange(outputs)).ravel())
        begin += rows * columns
        places.append(begin + np.arange(outputs))
        begin += columns
    raise AssertionError("a layout has an output layer")


class FastEngine:
    """One model in training. Not for use by two threads at once; two engines in two threads are fine."""

    name = "fast"

    def __init__(self, problem: Problem, settings: TrainingSettings, pace: np.ndarray, start: tuple[np.ndarray, np.ndarray]):
        self.layout = layout = Layout.of(settings, problem.materials)
        self._settings, self._pace = settings, pace
        n_row, width_row = padded(layout.n_entries), padded(layout.width, 16)
        inputs_row = padded(max(n_row, layout.inputs), 16)
        self._shape = compiled.Shape(
            layout.n_entries, n_row, layout.inputs, inputs_row, layout.width, width_row, layout.layers,
            ACTIVATIONS[settings.code_activation], ACTIVATIONS[settings.hidden_activation],
            compiled.LOSSES[settings.loss],
        )  # fmt: skip
        self._data = compiled.Measurements(
            problem.indptr, problem.indices, problem.amounts, np.ascontiguousarray(problem.conditions), problem.targets
        )
        self._places, size = _places(layout, inputs_row, width_row)
        self._weights = compiled.Weights(
            np.zeros((layout.materials, 3, n_row), np.float32), np.zeros(layout.materials, np.int64),
            *(np.zeros(size, np.float32) for _ in range(3)),
        )  # fmt: skip
        self._weights.rows[:, 0, : layout.n_entries] = start[0]
        self._weights.theta[self._places] = start[1]
        self._room = self._working_space(size)
        self._room.codes[...] = self._weights.rows[:, 0]
        activate(self._room.codes.reshape(-1), self._shape.code)

    def _working_space(self, parameters: int) -> compiled.Room:
        s, layout, data = self._shape, self.layout, self._data
        batch = max(self._settings.batch_size, compiled.BLOCK)
        longest = int(np.diff(data.indptr).max(initial=0))  # materials of a formula
        nonzeros = batch * longest
        slots = min(nonzeros, layout.materials)
        rows = padded(compiled.BLOCK)

        def room(*sizes: int) -> np.ndarray:
            return np.zeros(sizes, np.float32)

        return compiled.Room(
            codes=room(layout.materials, s.n_row),
            batch_codes=room(slots, s.n_row),
            pull=room(slots, s.n_row),
            slot=np.zeros(layout.materials, np.int32),
            stamp=np.zeros(layout.materials, np.int64),
            touched=np.zeros(slots, np.int32),
            starts=np.zeros(batch + 1, np.int64),
            slots=np.zeros(nonzeros, np.int32),
            shares=room(nonzeros),
            mixtures=room(rows * s.inputs_row),
            inner=room(rows * s.inputs_row),
            hidden=room(layout.layers - 1, rows, s.width_row),
            deltas=room(2, rows, s.width_row),
            slope=room(rows),
            gradient=room(parameters),
            part=room(parameters),
            panel=room(16 * padded(max(rows, s.inputs_row, s.width_row))),
            echo=np.zeros((4, compiled.LONGEST_ECHO + 1)),
        )

    def train(self, order: np.ndarray, step: int) -> tuple[int, float, int]:
        """Train on the measurements ``order`` in batches after ``step`` finished steps.

        Returns (steps done, sum of losses, measurements seen); fewer steps than batches: a loss was not finite.
        """
        s = self._settings
        done, total, seen = compiled.train_chunk(
            self._shape, self._weights, self._data, self._room, order, s.batch_size, step, self._pace, s.vector_decay,
            s.weight_decay,
        )  # fmt: skip
        return int(done), float(total), int(seen)

    def vectors(self, step: int) -> np.ndarray:
        """(M, N_entries) float32 material vectors after ``step`` steps; a view that the next call changes."""
        compiled.flush(self._shape, self._weights, self._room, step, self._pace, self._settings.vector_decay)
        return self._room.codes[:, : self.layout.n_entries]

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """(.,) float32 scaled predictions for the measurements ``rows``; call ``vectors`` first."""
        out = np.empty(len(rows), np.float32)
        compiled.predict(self._shape, self._weights.theta, self._data, self._room, rows, out)
        return out

    def regressor(self) -> np.ndarray:
        """The flat regressor (Layout order)."""
        return self._weights.theta[self._places]

    def finite(self) -> bool:
        return bool(np.isfinite(self.regressor()).all() and np.isfinite(self._weights.rows).all())

    def state(self) -> dict[str, np.ndarray]:
        """Everything that ``restore`` needs to go on bit by bit."""
        n, w = self.layout.n_entries, self._weights
        state = {name: w.rows[:, i, :n] for i, name in enumerate(("free", "free_first", "free_second"))}
        state |= {"free_last": w.last, "codes": self._room.codes[:, :n]}
        flat = {"regressor": w.theta, "regressor_first": w.first, "regressor_second": w.second}
        return state | {name: array[self._places] for name, array in flat.items()}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Take over a state; raises KeyError or ValueError where it does not fit the layout."""
        n, w = self.layout.n_entries, self._weights
        for i, name in enumerate(("free", "free_first", "free_second")):
            w.rows[:, i, :n] = state[name].reshape(-1, n)
        w.last[...] = state["free_last"]
        self._room.codes[:, :n] = state["codes"].reshape(-1, n)
        w.theta[self._places] = state["regressor"].reshape(-1)
        w.first[self._places] = state["regressor_first"].reshape(-1)
        w.second[self._places] = state["regressor_second"].reshape(-1)
