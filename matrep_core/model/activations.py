"""Activations for the compiled step, on eight numbers at once.

tanh and sigmoid are a rational function, which needs no table and no branch: Lambert's continued fraction of tanh
with 13 levels, whose relative error is below 4e-7.

numba's cache on disk looks at the file of the compiled function alone: after a change here, delete ``__pycache__``.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from matrep_core.model.lanes import COMPILED, alike, higher_of, load, lower_of, store, where_zero

IDENTITY, TANH, SIGMOID, RELU = 0, 1, 2, 3
ACTIVATIONS = {"identity": IDENTITY, "tanh": TANH, "sigmoid": SIGMOID, "relu": RELU}


def _lambert_tanh(levels: int) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients in x² of P and Q with tanh x ≈ x P(x²) / Q(x²): tanh x = x/(1 + x²/(3 + x²/(5 + ...)))."""
    upper, lower = np.polynomial.Polynomial([2 * levels - 1]), np.polynomial.Polynomial([1])
    square = np.polynomial.Polynomial([0, 1])
    for level in range(levels - 1, 0, -1):
        upper, lower = (2 * level - 1) * upper + square * lower, upper
    return (lower.coef / upper.coef[0]).astype(np.float32), (upper.coef / upper.coef[0]).astype(np.float32)


_P, _Q = _lambert_tanh(13)
P0, P1, P2, P3, P4, P5, P6 = (np.float32(c) for c in _P)
Q0, Q1, Q2, Q3, Q4, Q5, Q6 = (np.float32(c) for c in _Q)
_END = np.float32(9.0)  # beyond it tanh is 1 in float32
_ONE, _HALF, _ZERO = np.float32(1), np.float32(0.5), np.float32(0)


@njit(inline="always", **COMPILED)
def _tanh(x):
    x = lower_of(higher_of(x, alike(-_END)), alike(_END))  # what is no number stays none
    y = x * x
    p = alike(P5) + y * alike(P6)
    p = alike(P1) + y * (alike(P2) + y * (alike(P3) + y * (alike(P4) + y * p)))
    q = alike(Q4) + y * (alike(Q5) + y * alike(Q6))
    q = alike(Q1) + y * (alike(Q2) + y * (alike(Q3) + y * q))
    return x * (alike(P0) + y * p) / (alike(Q0) + y * q)


@njit(inline="always", **COMPILED)
def activated(x, kind):
    """Eight numbers through the activation."""
    if kind == TANH:
        return _tanh(x)
    if kind == SIGMOID:
        half = alike(_HALF)
        return half + half * _tanh(half * x)
    if kind == RELU:
        return higher_of(x, alike(_ZERO))
    return x


@njit(inline="always", **COMPILED)
def slope_of(y, kind):
    """The activation's slope where its output is y."""
    one = alike(_ONE)
    if kind == TANH:
        return one - y * y
    if kind == SIGMOID:
        return y * (one - y)
    if kind == RELU:
        return where_zero(y, y, one)
    return one


@njit(**COMPILED)
def activate(x, kind):
    """Apply an activation in place to a flat array."""
    whole = x.size - x.size % 8
    for i in range(0, whole, 8):
        store(x, i, activated(load(x, i), kind))
    rest = np.zeros(8, np.float32)
    rest[: x.size - whole] = x[whole:]
    store(rest, 0, activated(load(rest, 0), kind))
    x[whole:] = rest[: x.size - whole]
