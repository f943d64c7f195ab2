"""The fast path: training steps of the standard model compiled by numba, equal to the reference.

What makes it fast, with the mathematics of torch's AdamW unchanged:

- Only the rows of materials that occur in the batch are touched. A row that was not in the last k
  batches had k gradients of zero; AdamW moves it all the same, by its fading momentum. These k moves
  are made up at once when the row occurs next (``echoes``, ``_catch_up``).
- A chunk of steps runs in one call without Python in between and without the interpreter's lock, so
  threads of one process can train several runs.
- tanh and sigmoid are a rational function (Lambert's continued fraction of tanh, 13 levels; relative
  error below 4e-7), which the compiler turns into vector instructions.

Shapes in comments: M materials, N entries, C conditions, R measurements, B batch, H width, L layers.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg.cython_blas  # noqa: F401  numba's np.dot calls it; loaded here, so that a limit of threads reaches it
from numba import njit

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8  # AdamW's own, as in torch
# 0.9 ** 160 = 5e-8: what a momentum adds after so many steps without gradient is below float32's rounding.
LONGEST_ECHO = 160

IDENTITY, TANH, SIGMOID, RELU = 0, 1, 2, 3
ACTIVATIONS = {"identity": IDENTITY, "tanh": TANH, "sigmoid": SIGMOID, "relu": RELU}
HUBER, ABSOLUTE, SQUARED = 0, 1, 2
LOSSES = {"huber": HUBER, "absolute": ABSOLUTE, "squared": SQUARED}

_compiled = {"nogil": True, "cache": True, "fastmath": {"contract"}, "error_model": "numpy"}


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


@njit(inline="always", **_compiled)
def _tanh(x):
    x = min(max(x, -_END), _END) if x == x else x
    y = x * x
    p = P0 + y * (P1 + y * (P2 + y * (P3 + y * (P4 + y * (P5 + y * P6)))))
    q = Q0 + y * (Q1 + y * (Q2 + y * (Q3 + y * (Q4 + y * (Q5 + y * Q6)))))
    return x * p / q


@njit(**_compiled)
def activate(x, kind):
    """Apply an activation to a flat array in place."""
    if kind == TANH:
        for i in range(x.size):
            x[i] = _tanh(x[i])
    elif kind == SIGMOID:
        for i in range(x.size):
            x[i] = _HALF + _HALF * _tanh(_HALF * x[i])
    elif kind == RELU:
        for i in range(x.size):
            x[i] = max(x[i], _ZERO) if x[i] == x[i] else x[i]


@njit(**_compiled)
def _times_slope(gradient, output, kind):
    """Multiply a gradient in place by the activation's slope, known from its output."""
    if kind == TANH:
        for i in range(gradient.size):
            gradient[i] *= _ONE - output[i] * output[i]
    elif kind == SIGMOID:
        for i in range(gradient.size):
            gradient[i] *= output[i] * (_ONE - output[i])
    elif kind == RELU:
        for i in range(gradient.size):
            gradient[i] = gradient[i] if output[i] > _ZERO else _ZERO


_FADE = (BETA_1 ** np.arange(LONGEST_ECHO + 1)).astype(np.float32)
_SHRINK = (BETA_2 ** np.arange(LONGEST_ECHO + 1)).astype(np.float32)
# Below this √v the three terms of ``echoes`` are not exact to float32; such a row is replayed step by step.
SMALLEST_ROOT = np.float32(1e-6)


@njit(**_compiled)
def echoes(pace, now, decay, out):
    """What momentum alone moves a row until step ``now``, for every number of missed steps g up to LONGEST_ECHO.

    AdamW's move in a step t without gradient is rate_t m / (r_t + ε) with m and r = √v fading by β₁ and √β₂.
    With 1/(r + ε) = 1/r - ε/r² + ε²/r³ - ..., the sum over g steps is m (S₁/r - ε S₂/r² + ε² S₃/r³), where
    S depends on g alone; each follows from the one before it. ``out`` (4, LONGEST_ECHO + 1): S₁, S₂, S₃ and
    the factor by which weight decay shrinks the row. ``pace`` (3, steps + 1): rate / (1 - β₁ᵗ), 1 / √(1 - β₂ᵗ)
    and the rate itself, for every step t.
    """
    root = np.sqrt(BETA_2)
    f1, f2, f3 = BETA_1 / root, BETA_1 / BETA_2, BETA_1 / (BETA_2 * root)
    s1, s2, s3, kept = 0.0, 0.0, 0.0, 1.0
    out[:, 0] = 0.0, 0.0, 0.0, 1.0
    for g in range(min(now, LONGEST_ECHO)):
        t = now - g
        below = 1.0 / pace[1, t]
        ahead = pace[0, t] * below * kept
        s1 = f1 * (s1 + ahead)
        ahead *= below
        s2 = f2 * (s2 + ahead)
        s3 = f3 * (s3 + ahead * below)
        kept *= 1.0 - pace[2, t] * decay
        out[0, g + 1], out[1, g + 1], out[2, g + 1], out[3, g + 1] = s1, s2, s3, kept


@njit(inline="always", **_compiled)
def _catch_up(free, first, second, root, m, last, now, pace, decay, echo):
    """Make up AdamW's moves of row m for the steps last + 1 ... now, whose gradients were zero."""
    gap = now - last
    entries = root.size
    moving, small = False, False
    for n in range(entries):
        root[n] = max(np.sqrt(second[m, n]), np.float32(1e-20))  # never a division by zero
        moving |= first[m, n] != _ZERO
        small |= (first[m, n] != _ZERO) & (root[n] < SMALLEST_ROOT)
    near = min(gap, LONGEST_ECHO)
    if moving and not small:
        s1, s2, s3 = np.float32(echo[0, near]), np.float32(echo[1, near]), np.float32(echo[2, near])
        kept, eps = np.float32(echo[3, near]), np.float32(EPSILON)
        for n in range(entries):
            q = _ONE / root[n]
            e = eps * q
            free[m, n] = free[m, n] * kept - first[m, n] * q * (s1 - e * (s2 - e * s3))
    elif moving:
        for j in range(1, near + 1):
            ahead = np.float32(pace[0, last + j] * BETA_1**j)
            below = np.float32(pace[1, last + j] * BETA_2 ** (0.5 * j))
            keep = np.float32(1.0 - pace[2, last + j] * decay)
            for n in range(entries):
                free[m, n] = free[m, n] * keep - ahead * first[m, n] / (root[n] * below + np.float32(EPSILON))
    elif decay > 0:
        for n in range(entries):
            free[m, n] *= np.float32(echo[3, near])
    if decay > 0 and gap > near:
        kept_rest = 1.0
        for t in range(last + 1, now - near + 1):
            kept_rest *= 1.0 - pace[2, t] * decay
        for n in range(entries):
            free[m, n] *= np.float32(kept_rest)
    if moving:
        fade = _FADE[near] if gap == near else np.float32(BETA_1**gap)
        shrink = _SHRINK[near] if gap == near else np.float32(BETA_2**gap)
        for n in range(entries):
            first[m, n] *= fade
            second[m, n] *= shrink


@njit(inline="always", **_compiled)
def _code_row(free, codes, m, kind):
    """The code (activated vector) of row m."""
    if kind == TANH:
        for n in range(free.shape[1]):
            codes[m, n] = _tanh(free[m, n])
    elif kind == SIGMOID:
        for n in range(free.shape[1]):
            codes[m, n] = _HALF + _HALF * _tanh(_HALF * free[m, n])
    else:
        for n in range(free.shape[1]):
            codes[m, n] = free[m, n]


@njit(inline="always", **_compiled)
def _step_row(free, first, second, codes, pull, m, pace, step, decay, kind):
    """One AdamW step of row m from ``pull`` = dLoss/dCode, which is emptied; then its new code."""
    ahead, below = np.float32(pace[0, step]), np.float32(pace[1, step])
    keep = np.float32(1.0 - pace[2, step] * decay)
    b1, b2, eps = np.float32(BETA_1), np.float32(BETA_2), np.float32(EPSILON)
    for n in range(free.shape[1]):
        h = codes[m, n]
        slope = _ONE - h * h if kind == TANH else (h * (_ONE - h) if kind == SIGMOID else _ONE)
        g = pull[m, n] * slope
        pull[m, n] = _ZERO
        moment = b1 * first[m, n] + (_ONE - b1) * g
        power = b2 * second[m, n] + (_ONE - b2) * g * g
        first[m, n] = moment
        second[m, n] = power
        free[m, n] = free[m, n] * keep - ahead * moment / (np.sqrt(power) * below + eps)
    _code_row(free, codes, m, kind)


@njit(**_compiled)
def _adamw(weights, first, second, gradient, pace, step, decay):
    """One AdamW step on a flat array in place."""
    ahead, below = np.float32(pace[0, step]), np.float32(pace[1, step])
    keep = np.float32(1.0 - pace[2, step] * decay)
    b1, b2, eps = np.float32(BETA_1), np.float32(BETA_2), np.float32(EPSILON)
    for i in range(weights.size):
        g = gradient[i]
        m = b1 * first[i] + (_ONE - b1) * g
        v = b2 * second[i] + (_ONE - b2) * g * g
        first[i] = m
        second[i] = v
        weights[i] = weights[i] * keep - ahead * m / (np.sqrt(v) * below + eps)


@njit(**_compiled)
def flush(free, first, second, last, now, codes, kind, pace, decay, root, echo):
    """Bring every row to step ``now`` and its code (M, N) up to date; a row that never trained has nothing to make up."""
    echoes(pace, now, decay, echo)
    for m in range(free.shape[0]):
        if last[m] < now and (last[m] > 0 or decay > 0.0):
            _catch_up(free, first, second, root, m, last[m], now, pace, decay, echo)
            last[m] = now
            _code_row(free, codes, m, kind)


@njit(**_compiled)
def forward(theta, widths, mixtures, hidden, n, kind, out):
    """Predictions out (n,) of the regressor for mixtures (B, N + C); hidden (L - 1, B, H) keeps the layers."""
    offset = 0
    source = mixtures[:n]
    layers = widths.size - 1
    for layer in range(layers - 1):
        inputs, outputs = widths[layer], widths[layer + 1]
        weights = theta[offset : offset + inputs * outputs].reshape((inputs, outputs))
        bias = theta[offset + inputs * outputs : offset + inputs * outputs + outputs]
        target = hidden[layer, :n]
        np.dot(source, weights, target)
        for i in range(n):
            for j in range(outputs):
                target[i, j] += bias[j]
        activate(target.reshape(-1), kind)
        source = target
        offset += inputs * outputs + outputs
    inputs = widths[layers - 1]
    weights = theta[offset : offset + inputs]
    for i in range(n):
        out[i] = np.dot(source[i], weights) + theta[offset + inputs]


@njit(**_compiled)
def _backward(theta, widths, mixtures, hidden, deltas, inner, n, kind, slope, gradient):
    """Gradient of the regressor from slope (n,) = dLoss/dPrediction, and dLoss/dMixture into inner (B, N + C)."""
    layers = widths.size - 1
    inputs = widths[layers - 1]
    offset = gradient.size - inputs - 1
    top, delta = hidden[layers - 2, :n], deltas[0, :n]
    gradient[offset:] = _ZERO
    slopes, weights = gradient[offset : offset + inputs], theta[offset : offset + inputs]
    for i in range(n):
        for j in range(inputs):
            slopes[j] += slope[i] * top[i, j]
        for j in range(inputs):
            delta[i, j] = slope[i] * weights[j]
        gradient[offset + inputs] += slope[i]
    for layer in range(layers - 2, -1, -1):
        inputs, outputs = widths[layer], widths[layer + 1]
        offset -= inputs * outputs + outputs
        above = deltas[(layers - 2 - layer) % 2, :n]
        _times_slope(above.reshape(-1), hidden[layer, :n].reshape(-1), kind)
        bias = gradient[offset + inputs * outputs : offset + inputs * outputs + outputs]
        bias[:] = _ZERO
        for i in range(n):
            for j in range(outputs):
                bias[j] += above[i, j]
        matrix = theta[offset : offset + inputs * outputs].reshape((inputs, outputs))
        matrix_slopes = gradient[offset : offset + inputs * outputs].reshape((inputs, outputs))
        if layer > 0:
            np.dot(hidden[layer - 1, :n].T, above, matrix_slopes)
            np.dot(above, matrix.T, deltas[(layers - 1 - layer) % 2, :n])
        else:
            np.dot(mixtures[:n].T, above, matrix_slopes)
            np.dot(above, matrix.T, inner[:n])


@njit(**_compiled)
def mix(codes, indptr, indices, amounts, conditions, rows, mixtures):
    """Mixture vectors with their conditions appended: mixtures (n, N + C) of the measurements ``rows`` (n,)."""
    entries = mixtures.shape[1] - conditions.shape[1]
    for i in range(rows.size):
        r = rows[i]
        for j in range(entries):
            mixtures[i, j] = _ZERO
        for e in range(indptr[r], indptr[r + 1]):
            a, m = amounts[e], indices[e]
            for j in range(entries):
                mixtures[i, j] += a * codes[m, j]
        for c in range(conditions.shape[1]):
            mixtures[i, entries + c] = conditions[r, c]


@njit(**_compiled)
def _loss_slope(kind, distance):
    """One measurement's loss and its slope for prediction - target, in units of the scaled target."""
    size = abs(distance)
    if kind == SQUARED:
        return distance * distance, distance + distance
    if kind == HUBER and size <= _ONE:
        return _HALF * size * size, distance
    slope = _ONE if distance > _ZERO else (-_ONE if distance < _ZERO else distance)
    return (size - _HALF if kind == HUBER else size), slope


@njit(**_compiled)
def train_chunk(
    free, first, second, last, codes,  # (M, N) each, last (M,)
    theta, theta_first, theta_second,  # flat regressor
    indptr, indices, amounts, conditions, targets,  # measurements: CSR over R rows, (R, C), (R,)
    order, batch, step, pace, vector_decay, weight_decay,  # order: rows of the coming batches, one after the other
    code_kind, hidden_kind, loss_kind, widths,
    mixtures, inner, hidden, deltas, slope, gradient, pull, stamp, touched, root, echo,  # work space
):  # fmt: skip
    """Train on ``order`` in batches; returns (steps done, sum of losses, measurements seen).

    Fewer steps than batches means that the loss of the next batch was not finite: nothing of that
    batch was applied, and ``order`` from there on names its measurements.
    """
    entries = mixtures.shape[1] - conditions.shape[1]
    done, total, seen = 0, 0.0, 0
    for begin in range(0, order.size, batch):
        rows = order[begin : begin + batch]
        n = rows.size
        now = step + done  # steps finished before this one
        echoes(pace, now, vector_decay, echo)
        count = 0
        for i in range(n):
            for e in range(indptr[rows[i]], indptr[rows[i] + 1]):
                m = indices[e]
                if stamp[m] != now + 1:
                    stamp[m] = now + 1
                    touched[count] = m
                    count += 1
                    if last[m] < now:
                        _catch_up(free, first, second, root, m, last[m], now, pace, vector_decay, echo)
                        last[m] = now
                        _code_row(free, codes, m, code_kind)
        mix(codes, indptr, indices, amounts, conditions, rows, mixtures)
        forward(theta, widths, mixtures, hidden, n, hidden_kind, slope)
        batch_loss = 0.0
        for i in range(n):
            loss, slant = _loss_slope(loss_kind, slope[i] - targets[rows[i]])
            batch_loss += loss
            slope[i] = slant / np.float32(n)
        if not np.isfinite(batch_loss):
            break
        _backward(theta, widths, mixtures, hidden, deltas, inner, n, hidden_kind, slope, gradient)
        for i in range(n):
            for e in range(indptr[rows[i]], indptr[rows[i] + 1]):
                a, m = amounts[e], indices[e]
                for j in range(entries):
                    pull[m, j] += a * inner[i, j]
        for t in range(count):
            m = touched[t]
            _step_row(free, first, second, codes, pull, m, pace, now + 1, vector_decay, code_kind)
            last[m] = now + 1
        _adamw(theta, theta_first, theta_second, gradient, pace, now + 1, weight_decay)
        total += batch_loss
        seen += n
        done += 1
    return done, total, seen


@njit(**_compiled)
def predict(codes, theta, widths, indptr, indices, amounts, conditions, rows, hidden_kind, mixtures, hidden, out):
    """Predictions out (n,) for the measurements ``rows``, in blocks of the work space's size."""
    block = mixtures.shape[0]
    for begin in range(0, rows.size, block):
        part = rows[begin : begin + block]
        mix(codes, indptr, indices, amounts, conditions, part, mixtures)
        forward(theta, widths, mixtures, hidden, part.size, hidden_kind, out[begin : begin + block])
