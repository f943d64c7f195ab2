"""Predicting with a model that is kept: plain numpy, no engine needed."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from matrep_core.model.layout import Layout
from matrep_core.model.problem import Problem
from matrep_core.settings import TrainingSettings

_BLOCK = 4096


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


def predict_rows(
    problem: Problem, settings: TrainingSettings, vectors: np.ndarray, regressor: np.ndarray, rows: np.ndarray
) -> np.ndarray:
    """(.,) float32 scaled predictions of the measurements ``rows`` by material vectors (M, N) and a flat regressor."""
    layout = Layout.of(settings, problem.materials)
    shape = (len(problem.targets), problem.materials)
    amounts = csr_array((problem.amounts, problem.indices, problem.indptr), shape=shape)
    out = np.empty(len(rows), np.float32)
    for begin in range(0, len(rows), _BLOCK):
        block = rows[begin : begin + _BLOCK]
        inputs = np.concatenate([amounts[block] @ vectors, problem.conditions[block]], axis=1)
        out[begin : begin + _BLOCK] = regress(inputs, regressor, layout, settings.hidden_activation)
    return out
