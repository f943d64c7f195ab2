"""The network's parameters: their shapes, their order in one flat array, and their random start.

    free vectors  (M, N)             one row a material
    regressor     W_1 (N + C, H), b_1 (H), W_2 (H, H), b_2 (H), ... W_L (H, 1), b_L (1), flat in this order

Reference and fast path share this module, so that both start from the same numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from matrep_core.settings import TrainingSettings

# Mixture vector = sum of 0.3 × weight-% × material vector. Amounts as fractions leave a material of 0.3 weight-%
# without a voice for thousands of steps; python -m benchmarks recipe shows what the unit does to the error.
AMOUNT_UNIT = 0.3


@dataclass(frozen=True)
class Layout:
    """The sizes of one network: M materials, N entries, C conditions, L layers of width H."""

    materials: int
    n_entries: int
    conditions: int
    width: int
    layers: int

    @classmethod
    def of(cls, settings: TrainingSettings, materials: int) -> Layout:
        return cls(materials, settings.n_entries, settings.beside(), settings.hidden_width, settings.layers)

    @property
    def inputs(self) -> int:
        return self.n_entries + self.conditions

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """(inputs, outputs) of each of the L layers."""
        widths = [self.inputs, *[self.width] * (self.layers - 1), 1]
        return list(zip(widths[:-1], widths[1:], strict=True))

    @property
    def parameters(self) -> int:
        """How many numbers the regressor has."""
        return sum(i * o + o for i, o in self.shapes)

    def start(self, settings: TrainingSettings, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Free vectors (M, N), normal with standard deviation ``settings.start``, and the flat regressor.

        Weights and biases are uniform within ±1/√inputs of their layer, as torch.nn.Linear starts them.
        """
        free = random.standard_normal((self.materials, self.n_entries), np.float32) * np.float32(settings.start)
        parts = []
        for inputs, outputs in self.shapes:
            bound = 1 / np.sqrt(inputs)
            parts.append(random.uniform(-bound, bound, inputs * outputs + outputs))
        return free, np.concatenate(parts).astype(np.float32)
