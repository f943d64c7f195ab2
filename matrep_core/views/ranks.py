"""Compiled inner loops of the trust measures: nearest points and the rank of given points, row by row.

A room of its own because it imports numba, which no page may load: ``views.trust`` imports it in the job.
"""

from __future__ import annotations

import numpy as np
from numba import njit

_compiled = {"nogil": True, "cache": True}


@njit(**_compiled)
def nearest(squares: np.ndarray, own: np.ndarray, k: int) -> np.ndarray:
    """(Q, k) int64 indices of the k smallest of each row of (Q, n) ``squares``, ascending, equal ones by index.

    ``own[q]`` is the index of the row's own point, which is left out.
    """
    rows, count = squares.shape
    found = np.empty((rows, k), np.int64)
    best = np.empty(k)
    for q in range(rows):
        best[:] = np.inf
        found[q] = -1
        for j in range(count):
            value = squares[q, j]
            if value >= best[k - 1] or j == own[q]:
                continue
            place = k - 1
            while place > 0 and best[place - 1] > value:
                best[place] = best[place - 1]
                found[q, place] = found[q, place - 1]
                place -= 1
            best[place] = value
            found[q, place] = j
    return found


@njit(**_compiled)
def ranks(squares: np.ndarray, own: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(Q, k) int64: which nearest point of row q ``others[q, i]`` is, 1 for the nearest; equal ones by index."""
    rows, count = squares.shape
    found = np.empty(others.shape, np.int64)
    for q in range(rows):
        for i in range(others.shape[1]):
            other = others[q, i]
            value = squares[q, other]
            before = 0
            for j in range(count):
                before += squares[q, j] < value
            for j in range(other):
                before += squares[q, j] == value
            # the row's own point is at distance zero: it was counted unless the other, at zero too, has a lower index
            if squares[q, own[q]] < value or (squares[q, own[q]] == value and own[q] < other):
                before -= 1
            found[q, i] = before + 1
    return found
