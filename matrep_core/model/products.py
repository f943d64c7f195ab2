"""Matrix products for the compiled step, at the small sizes that a step has.

A library packs both factors anew at every call and is at its best from thousands of rows on; here only a panel of 16
columns of the right factor is packed, which stays in the innermost cache while all rows pass by it.

Right factors lie in memory with their rows padded to 16 numbers and, where they are read the other way round, their
number of rows padded to 8. What stands in the padding of a result never reaches a real number: every sum runs over
the real length.

numba's cache on disk looks at the file of the compiled function alone: after a change here, delete ``__pycache__``.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from matrep_core.model.lanes import COMPILED, alike, load, spread, store, turn

PANEL = 16  # columns at once: two vectors of eight
ROWS = 4  # rows at once: four times two sums keep the multipliers of every common processor busy
_ZERO = np.float32(0)


@njit(**COMPILED)
def _by_panel(left, begin, row_step, sum_step, rows, depth, panel, out, out_stride, column):
    """out[r, column : column + 16] = Σ_k left[begin + r row_step + k sum_step] panel[k, :], four rows at a time."""
    for r in range(0, rows, ROWS):
        p0 = begin + r * row_step
        p1 = p0 + row_step
        p2 = p1 + row_step
        p3 = p2 + row_step
        a0 = b0 = a1 = b1 = a2 = b2 = a3 = b3 = alike(_ZERO)
        for k in range(depth):
            a, b, q = load(panel, PANEL * k), load(panel, PANEL * k + 8), k * sum_step
            x0, x1, x2, x3 = spread(left, p0 + q), spread(left, p1 + q), spread(left, p2 + q), spread(left, p3 + q)
            a0, b0 = a0 + x0 * a, b0 + x0 * b
            a1, b1 = a1 + x1 * a, b1 + x1 * b
            a2, b2 = a2 + x2 * a, b2 + x2 * b
            a3, b3 = a3 + x3 * a, b3 + x3 * b
        o = r * out_stride + column
        store(out, o, a0)
        store(out, o + 8, b0)
        o += out_stride
        store(out, o, a1)
        store(out, o + 8, b1)
        o += out_stride
        store(out, o, a2)
        store(out, o + 8, b2)
        o += out_stride
        store(out, o, a3)
        store(out, o + 8, b3)


@njit(**COMPILED)
def times(left, left_stride, rows, right, right_stride, depth, panel, out, out_stride):
    """out (rows, right_stride) = left (rows, depth) @ right (depth, right_stride); flat arrays, rows rounded up to 4."""
    for column in range(0, right_stride, PANEL):
        for k in range(depth):
            store(panel, PANEL * k, load(right, k * right_stride + column))
            store(panel, PANEL * k + 8, load(right, k * right_stride + column + 8))
        _by_panel(left, 0, left_stride, 1, rows, depth, panel, out, out_stride, column)


@njit(**COMPILED)
def turned_times(left, left_stride, rows, right, right_stride, depth, panel, out, out_stride):
    """out (rows, right_stride) = left (depth, rows) transposed @ right (depth, right_stride); rows rounded up to 4."""
    for column in range(0, right_stride, PANEL):
        for k in range(depth):
            store(panel, PANEL * k, load(right, k * right_stride + column))
            store(panel, PANEL * k + 8, load(right, k * right_stride + column + 8))
        _by_panel(left, 0, 1, left_stride, rows, depth, panel, out, out_stride, column)


@njit(**COMPILED)
def times_turned(left, left_stride, rows, right, right_stride, columns, depth, panel, out, out_stride):
    """out (rows, columns) = left (rows, depth) @ right (columns, depth) transposed; columns rounded up to 16."""
    for column in range(0, columns, PANEL):
        for k in range(0, depth, 8):
            turn(right, column * right_stride + k, right_stride, panel, PANEL * k, PANEL)
            turn(right, (column + 8) * right_stride + k, right_stride, panel, PANEL * k + 8, PANEL)
        _by_panel(left, 0, left_stride, 1, rows, depth, panel, out, out_stride, column)
