"""The fast path: training steps of the standard model compiled by numba, equal to the reference.

What makes it fast, with the mathematics of torch's AdamW unchanged:

- Only the materials of the batch are touched. A material that was not in the last k batches had k gradients
  of zero; AdamW moves it all the same, by its fading momentum. These k moves are made up at once when the
  material occurs next (``echoes``, ``_catch_up``).
- The codes of the batch's materials and their gradients are gathered into two small arrays, one slot a
  material, which stay in the innermost cache while all formulas of the batch read and write them.
- A batch goes through the network in blocks of at most ``BLOCK`` formulas, whose layers stay in the cache; the
  gradients of the blocks add up.
- All arithmetic goes by eight numbers at once (``lanes``), the matrix products (``products``), tanh and
  sigmoid (``activations``) too.
- A chunk of steps runs in one call without Python in between and without the interpreter's lock, so
  threads of one process can train several runs.

Shapes in comments: M materials, N entries, C conditions, R measurements, B batch, K block, H width, L layers. N', H',
I' and K' are N, H, N + C and K with their padding (``Shape``). All float arrays are flat or contiguous.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from matrep_core.model.activations import activated, slope_of
from matrep_core.model.lanes import COMPILED, alike, any_below, higher_of, load, root, spread, store, total, where_zero
from matrep_core.model.products import times, times_turned, turned_times

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8  # AdamW's own, as in torch
# 0.9 ** 160 = 5e-8: what a momentum adds after so many steps without gradient is below float32's rounding.
LONGEST_ECHO = 160
BLOCK = 256  # formulas whose layers fit the second cache; 128 and 512 are no faster

_ONE, _HALF, _ZERO = np.float32(1), np.float32(0.5), np.float32(0)
HUBER, ABSOLUTE, SQUARED = 0, 1, 2
LOSSES = {"huber": HUBER, "absolute": ABSOLUTE, "squared": SQUARED}


class Shape(NamedTuple):
    """Sizes and kinds of one network."""

    n: int  # N
    n_row: int  # N', a multiple of 8
    inputs: int  # N + C
    inputs_row: int  # I', a multiple of 16
    width: int  # H
    width_row: int  # H', a multiple of 16
    layers: int  # L
    code: int  # activation of the code
    hidden: int  # activation of the hidden layers
    loss: int


class Weights(NamedTuple):
    """What AdamW moves, with its moments."""

    rows: np.ndarray  # (M, 3, N') float32: each material's free vector and its first and second moment
    last: np.ndarray  # (M,) int64: the step up to which the row is
    theta: np.ndarray  # regressor: (I', H') and (H',) bias, L - 2 times (H', H') and (H',), then (H',) and 16 for a bias
    first: np.ndarray  # its moments
    second: np.ndarray


class Measurements(NamedTuple):
    """Formulas as CSR, conditions and targets, as in Problem."""

    indptr: np.ndarray  # (R + 1,) int64
    indices: np.ndarray  # (nonzeros,) int32
    amounts: np.ndarray  # (nonzeros,) float32
    conditions: np.ndarray  # (R, C) float32
    targets: np.ndarray  # (R,) float32


class Room(NamedTuple):
    """Working space; nothing in it outlives a call but ``codes``."""

    codes: np.ndarray  # (M, N') codes of all materials, as of the last ``flush``
    batch_codes: np.ndarray  # (slots, N') codes of the batch's materials
    pull: np.ndarray  # (slots, N') dLoss/dCode; zero between steps
    slot: np.ndarray  # (M,) int32
    stamp: np.ndarray  # (M,) int64: the step in which ``slot`` was given
    touched: np.ndarray  # (slots,) int32: the material of each slot
    starts: np.ndarray  # (B + 1,) int64: the batch as CSR over slots
    slots: np.ndarray  # (batch nonzeros,) int32
    shares: np.ndarray  # (batch nonzeros,) float32
    mixtures: np.ndarray  # (K', I')
    inner: np.ndarray  # (K', I') dLoss/dMixture
    hidden: np.ndarray  # (L - 1, K', H')
    deltas: np.ndarray  # (2, K', H') dLoss/dHidden, of two neighbouring layers
    slope: np.ndarray  # (K',) predictions, then dLoss/dPrediction
    gradient: np.ndarray  # as theta: of the batch
    part: np.ndarray  # as theta: of a block after the first
    panel: np.ndarray  # the products' own
    echo: np.ndarray  # (4, LONGEST_ECHO + 1) float64


# --- AdamW ---


@njit(inline="always", **COMPILED)
def _adamw_at(w, i, first, f, second, s, g, ahead, below, keep):
    """One AdamW step of eight weights at w[i] with the moments at first[f] and second[s] and the gradient g."""
    b1, b2, one = alike(np.float32(BETA_1)), alike(np.float32(BETA_2)), alike(_ONE)
    moment = b1 * load(first, f) + (one - b1) * g
    power = b2 * load(second, s) + (one - b2) * g * g
    store(first, f, moment)
    store(second, s, power)
    store(w, i, load(w, i) * keep - ahead * moment / (root(power) * below + alike(np.float32(EPSILON))))


@njit(**COMPILED)
def _adamw(weights, gradient, pace, step, decay):
    """One AdamW step of the regressor. ``pace`` (3, steps + 1): see ``echoes``."""
    ahead, below = alike(np.float32(pace[0, step])), alike(np.float32(pace[1, step]))
    keep = alike(np.float32(1.0 - pace[2, step] * decay))
    for i in range(0, weights.theta.size, 8):
        _adamw_at(weights.theta, i, weights.first, i, weights.second, i, load(gradient, i), ahead, below, keep)


@njit(**COMPILED)
def echoes(pace, now, decay, out):
    """What momentum alone moves a row until step ``now``, for every number of missed steps g up to LONGEST_ECHO.

    AdamW's move in a step t without gradient is rate_t m / (r_t + ε) with m and r = √v fading by β₁ and √β₂.
    With 1/(r + ε) = 1/r - ε/r² + ε²/r³ - ..., the sum over g steps is m (S₁/r - ε S₂/r² + ε² S₃/r³), where
    S depends on g alone; each follows from the one before it. ``out`` (4, LONGEST_ECHO + 1): S₁, S₂, S₃ and
    the factor by which weight decay shrinks the row. ``pace`` (3, steps + 1): rate / (1 - β₁ᵗ), 1 / √(1 - β₂ᵗ)
    and the rate itself, for every step t.
    """
    ratio = np.sqrt(BETA_2)
    f1, f2, f3 = BETA_1 / ratio, BETA_1 / BETA_2, BETA_1 / (BETA_2 * ratio)
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


# Below this √v the three terms of ``echoes`` are not exact to float32; such numbers are replayed step by step.
_SMALLEST_ROOT = np.float32(1e-6)
_NO_ROOT = np.float32(1e-20)  # keeps quotients finite where v is 0, and with it m
_FADES = BETA_1 ** np.arange(LONGEST_ECHO + 1.0)  # powers are looked up: taking one costs more than all else of a move
_ROOT_FADES = BETA_2 ** (0.5 * np.arange(LONGEST_ECHO + 1.0))
_FADE = _FADES.astype(np.float32)
_SHRINK = (BETA_2 ** np.arange(LONGEST_ECHO + 1)).astype(np.float32)


@njit(inline="always", **COMPILED)
def _catch_up(rows, begin, width, last, now, pace, decay, echo):
    """Make up AdamW's moves for the steps last + 1 ... now, whose gradients were zero, of the row at rows[begin]."""
    gap = now - last
    near = min(gap, LONGEST_ECHO)
    kept = echo[3, near]
    for t in range(last + 1, now - near + 1 if decay > 0.0 else 0):  # decay goes on where momentum has died away
        kept *= 1.0 - pace[2, t] * decay
    s1, s2, s3 = alike(np.float32(echo[0, near])), alike(np.float32(echo[1, near])), alike(np.float32(echo[2, near]))
    keep, eps, one = alike(np.float32(kept)), alike(np.float32(EPSILON)), alike(_ONE)
    fade = alike(_FADE[near] if gap == near else np.float32(BETA_1**gap))
    shrink = alike(_SHRINK[near] if gap == near else np.float32(BETA_2**gap))
    for i in range(begin, begin + width, 8):
        free, first, second = load(rows, i), load(rows, i + width), load(rows, i + 2 * width)
        r = higher_of(root(second), alike(_NO_ROOT))
        if any_below(where_zero(first, one, r), alike(_SMALLEST_ROOT)):
            free = _replayed(free, first, r, last, near, now, pace, decay) * alike(np.float32(kept / echo[3, near]))
        else:
            q = one / r
            e = eps * q
            free = free * keep - first * q * (s1 - e * (s2 - e * s3))
        store(rows, i, free)
        store(rows, i + width, first * fade)
        store(rows, i + 2 * width, second * shrink)


@njit(**COMPILED)
def _replayed(free, first, r, last, near, now, pace, decay):
    """Eight free numbers after the first ``near`` missed steps, move by move."""
    for j in range(1, near + 1):
        ahead = alike(np.float32(pace[0, last + j] * _FADES[j]))
        below = alike(np.float32(pace[1, last + j] * _ROOT_FADES[j]))
        keep = alike(np.float32(1.0 - pace[2, last + j] * decay))
        free = free * keep - ahead * first / (r * below + alike(np.float32(EPSILON)))
    return free


@njit(**COMPILED)
def flush(shape, weights, room, now, pace, decay):
    """Bring every row to step ``now`` and room.codes up to date; a row that never trained has nothing to make up."""
    echoes(pace, now, decay, room.echo)
    width, rows = shape.n_row, weights.rows
    for m in range(weights.last.size):
        last, begin = weights.last[m], 3 * width * m
        if last > 0 or decay > 0.0:
            if last < now:
                _catch_up(rows, begin, width, last, now, pace, decay, room.echo)
                weights.last[m] = now
            for i in range(0, width, 8):
                store(room.codes, m * width + i, activated(load(rows, begin + i), shape.code))


# --- one step ---


@njit(**COMPILED)
def _gather(shape, weights, data, batch, now, pace, decay, room):
    """Give each material of the batch a slot, bring it to step ``now`` and note its code; returns how many slots."""
    width, rows, count, at = shape.n_row, weights.rows, 0, 0
    for i in range(batch.size):
        room.starts[i] = at
        for e in range(data.indptr[batch[i]], data.indptr[batch[i] + 1]):
            m = data.indices[e]
            if room.stamp[m] != now + 1:
                room.stamp[m], room.slot[m], room.touched[count] = now + 1, count, m
                begin = 3 * width * m
                if weights.last[m] < now:
                    _catch_up(rows, begin, width, weights.last[m], now, pace, decay, room.echo)
                for j in range(0, width, 8):
                    store(room.batch_codes, count * width + j, activated(load(rows, begin + j), shape.code))
                count += 1
            room.slots[at], room.shares[at] = room.slot[m], data.amounts[e]
            at += 1
    room.starts[batch.size] = at
    return count


@njit(**COMPILED)
def _mix(shape, codes, data, block, starts, room):
    """Mixture vectors of the block (K', I'), conditions appended: sums over ``room.slots`` of share × code."""
    for i in range(block.size):
        out = i * shape.inputs_row
        for j in range(0, shape.n_row, 8):
            mixture = alike(_ZERO)
            for e in range(starts[i], starts[i + 1]):
                mixture = mixture + spread(room.shares, e) * load(codes, room.slots[e] * shape.n_row + j)
            store(room.mixtures, out + j, mixture)
        for c in range(data.conditions.shape[1]):
            room.mixtures[out + shape.n + c] = data.conditions[block[i], c]


@njit(**COMPILED)
def _forward(shape, theta, n, room, out):
    """Predictions out (n,) for room.mixtures; room.hidden keeps the layers."""
    width, size = shape.width_row, room.hidden.shape[1] * shape.width_row
    source, stride, depth, begin = room.mixtures, shape.inputs_row, shape.inputs, 0
    hidden = room.hidden.reshape(-1)
    for layer in range(shape.layers - 1):
        target = hidden[layer * size : (layer + 1) * size]
        times(source, stride, n, theta[begin:], width, depth, room.panel, target, width)  # (K', H')
        begin += stride * width
        for i in range(0, n * width, width):
            for j in range(0, width, 8):
                store(target, i + j, activated(load(target, i + j) + load(theta, begin + j), shape.hidden))
        begin += width
        source, stride, depth = target, width, shape.width
    for i in range(n):
        lanes = alike(_ZERO)
        for j in range(0, width, 8):
            lanes = lanes + load(source, i * width + j) * load(theta, begin + j)
        out[i] = total(lanes) + theta[begin + width]


@njit(**COMPILED)
def _backward(shape, theta, n, room, gradient):
    """From room.slope (n,) = dLoss/dPrediction: the regressor's ``gradient``, and dLoss/dMixture into room.inner (K', I')."""
    width, size = shape.width_row, room.hidden.shape[1] * shape.width_row
    hidden, deltas, slope = room.hidden.reshape(-1), room.deltas.reshape(-1), room.slope
    begin = theta.size - width - 16
    top, delta = hidden[(shape.layers - 2) * size :], deltas[:size]
    for j in range(0, width, 8):
        lanes, weights = alike(_ZERO), load(theta, begin + j)
        for i in range(n):
            above = spread(slope, i)
            y = load(top, i * width + j)
            lanes = lanes + above * y
            store(delta, i * width + j, above * weights * slope_of(y, shape.hidden))
        store(gradient, begin + j, lanes)
    bias = _ZERO
    for i in range(n):
        bias += slope[i]
    gradient[begin + width] = bias
    for layer in range(shape.layers - 2, -1, -1):
        delta = deltas[((shape.layers - layer) % 2) * size :]
        begin -= width
        for j in range(0, width, 8):
            lanes = alike(_ZERO)
            for i in range(n):
                lanes = lanes + load(delta, i * width + j)
            store(gradient, begin + j, lanes)
        if layer == 0:
            begin -= shape.inputs_row * width
            turned_times(room.mixtures, shape.inputs_row, shape.inputs, delta, width, n, room.panel, gradient[begin:], width)
            times_turned(
                delta, width, n, theta[begin:], width, shape.inputs, shape.width, room.panel, room.inner, shape.inputs_row
            )
        else:
            begin -= width * width
            source, target = hidden[(layer - 1) * size :], deltas[((shape.layers - layer + 1) % 2) * size :]
            turned_times(source, width, shape.width, delta, width, n, room.panel, gradient[begin:], width)
            times_turned(delta, width, n, theta[begin:], width, shape.width, shape.width, room.panel, target, width)
            for i in range(0, n * width, 8):
                store(target, i, load(target, i) * slope_of(load(source, i), shape.hidden))


@njit(**COMPILED)
def _pull(shape, starts, n, room):
    """Adds the block's room.inner to each slot's dLoss/dCode."""
    width, pull = shape.n_row, room.pull
    for i in range(n):
        inner = i * shape.inputs_row
        room.inner[inner + shape.n : inner + width] = _ZERO  # conditions and padding
        for e in range(starts[i], starts[i + 1]):
            share, out = spread(room.shares, e), room.slots[e] * width
            for j in range(0, width, 8):
                store(pull, out + j, load(pull, out + j) + share * load(room.inner, inner + j))


@njit(**COMPILED)
def _move(shape, weights, count, step, pace, decay, room):
    """One AdamW step of the materials of the batch, from each slot's dLoss/dCode, which is zero then."""
    width, rows, pull = shape.n_row, weights.rows, room.pull
    ahead, below = alike(np.float32(pace[0, step])), alike(np.float32(pace[1, step]))
    keep = alike(np.float32(1.0 - pace[2, step] * decay))
    for k in range(count):
        m = room.touched[k]
        begin = 3 * width * m
        for j in range(0, width, 8):
            i, p = begin + j, k * width + j
            g = load(pull, p) * slope_of(load(room.batch_codes, p), shape.code)
            store(pull, p, alike(_ZERO))
            _adamw_at(rows, i, rows, i + width, rows, i + 2 * width, g, ahead, below, keep)
        weights.last[m] = step


@njit(**COMPILED)
def _loss_slope(kind, distance):
    """One measurement's loss and its slope for prediction - target, in units of the scaled target."""
    size = abs(distance)
    if kind == SQUARED:
        return distance * distance, distance + distance
    if kind == HUBER and size <= _ONE:
        return _HALF * size * size, distance
    slope = _ONE if distance > _ZERO else (-_ONE if distance < _ZERO else distance)
    return (size - _HALF if kind == HUBER else size), slope


@njit(**COMPILED)
def _learn(shape, weights, data, batch, room):
    """The gradients of a gathered batch, block by block, into room.gradient and room.pull; returns its summed loss.

    Where the loss is not finite, the gradients are not whole.
    """
    loss = 0.0
    for begin in range(0, batch.size, BLOCK):
        block, starts = batch[begin : begin + BLOCK], room.starts[begin:]
        n = block.size
        _mix(shape, room.batch_codes, data, block, starts, room)
        _forward(shape, weights.theta, n, room, room.slope)
        for i in range(n):
            part, slant = _loss_slope(shape.loss, room.slope[i] - data.targets[block[i]])
            loss += part
            room.slope[i] = slant / np.float32(batch.size)
        if not np.isfinite(loss):
            break
        if begin == 0:
            _backward(shape, weights.theta, n, room, room.gradient)
        else:
            _backward(shape, weights.theta, n, room, room.part)
            for i in range(0, room.part.size, 8):
                store(room.gradient, i, load(room.gradient, i) + load(room.part, i))
        _pull(shape, starts, n, room)
    return loss


@njit(**COMPILED)
def train_chunk(shape, weights, data, room, order, batch_size, step, pace, vector_decay, weight_decay):
    """Train on the measurements ``order`` in batches; returns (steps done, sum of losses, measurements seen).

    Fewer steps than batches means that the loss of the next batch was not finite: nothing of that
    batch was applied, and ``order`` from there on names its measurements.
    """
    done, total_loss, seen = 0, 0.0, 0
    for begin in range(0, order.size, batch_size):
        batch = order[begin : begin + batch_size]
        now = step + done  # steps finished before this one
        echoes(pace, now, vector_decay, room.echo)
        count = _gather(shape, weights, data, batch, now, pace, vector_decay, room)
        loss = _learn(shape, weights, data, batch, room)
        if not np.isfinite(loss):
            for k in range(count):  # caught up, though not stepped
                weights.last[room.touched[k]], room.stamp[room.touched[k]] = now, 0
            room.pull[:count] = _ZERO
            break
        _move(shape, weights, count, now + 1, pace, vector_decay, room)
        _adamw(weights, room.gradient, pace, now + 1, weight_decay)
        total_loss += loss
        seen += batch.size
        done += 1
    return done, total_loss, seen


@njit(**COMPILED)
def predict(shape, theta, data, room, measurements, out):
    """Predictions out (n,) for the measurements, from room.codes."""
    for begin in range(0, measurements.size, BLOCK):
        batch = measurements[begin : begin + BLOCK]
        at = 0
        for i in range(batch.size):
            room.starts[i] = at
            for e in range(data.indptr[batch[i]], data.indptr[batch[i] + 1]):
                room.slots[at], room.shares[at] = data.indices[e], data.amounts[e]
                at += 1
        room.starts[batch.size] = at
        _mix(shape, room.codes, data, batch, room.starts, room)
        _forward(shape, theta, batch.size, room, out[begin : begin + BLOCK])
