"""Predicting with a model that is kept: plain numpy, no engine needed."""

from __future__ import annotations

import numpy as np

from matrep_core.model.layout import Layout


def _activate(x: np.ndarray, kind: str) -> np.ndarray:
    if kind == "tanh":
        return np.tanh(x)
    if kind == "sigmoid":
        return 0.5 + 0.5 * np.tanh(0.5 * x)
    return np.maximum(x, 0)


def regress(inputs: np.ndarray, regressor: np.ndarray, layout: Layout, activation: str) -> np.ndarray:
    """(R, N + C) mixture vectors with conditions -> (R,) scaled predictions, float32."""
    offset, values = 0, inputs.astype(np.float32)
    for number, (rows, columns) in enumerate(layout.shapes, start=1):
        weights = regressor[offset : offset + rows * columns].reshape(rows, columns)
        bias = regressor[offset + rows * columns : offset + rows * columns + columns]
        values = values @ weights + bias
        if number < layout.layers:
            values = _activate(values, activation)
        offset += rows * columns + columns
    return values[:, 0]
