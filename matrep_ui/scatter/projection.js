// One way to look: where the points lie over the frames, on axes that one can choose. Positions stay int16.
//
// A picture is up to three rows of weights over the D coordinates that travelled: a unit row for an axis, a column
// of `turn` for an axis that is worked out here, and any mixture of axes while the tour turns.

export const MOST_MIXED = 16; // coordinates that a row may mix: what the graphics card takes at once

export class Projection {
  // look: from the header; blocks: the parts of frames, in order; turn, centre: arrays or undefined
  constructor(look, blocks, turn, centre, count) {
    Object.assign(this, { name: look.name, axes: look.axes, linear: look.linear, note: look.note, space: look.space });
    this.original = look.original;
    this.count = count;
    this.turn = turn;
    this.chunks = [];
    this.frames = []; // { chunk, local, scale } of each frame
    for (const { arrays, header } of blocks) {
      const chunk = { q: arrays.frames, origin: header.origin, low: header.low, high: header.high };
      this.chunks.push(chunk);
      arrays.scales.forEach((scale, local) => this.frames.push({ chunk, local, scale }));
    }
    this.dims = blocks[0].arrays.frames.shape[2];
    this.carried = turn ? this.axes.map((_, axis) => axis) : (look.carried ?? this.axes.map((_, axis) => axis));
    this.place = new Map(this.carried.map((axis, d) => [axis, d]));
    this.centre = centre;
    this.boundsOf = new Map();
  }

  // Whether it can be drawn on these axes.
  has(axes) {
    return axes.length > 0 && axes.length <= 3 && axes.every((axis) => this.place.has(axis));
  }

  // The tour turns through the axes that are here.
  get tours() {
    return this.linear && this.carried.length >= 3 && this.carried.length <= MOST_MIXED;
  }

  // The row of one axis: weights over the coordinates, and what is added.
  rowOf(axis) {
    const weights = new Float64Array(this.dims);
    let shift = 0;
    if (!this.turn) {
      weights[this.place.get(axis)] = 1;
    } else {
      const columns = this.axes.length;
      for (let d = 0; d < this.dims; d++) {
        weights[d] = this.turn[d * columns + axis];
        shift -= weights[d] * this.centre[d];
      }
    }
    return { weights, shift };
  }

  // The row of a mixture, counted from the middle: one weight for each of the axes that are here.
  mixed(parts) {
    const row = { weights: new Float64Array(this.dims), shift: 0 };
    this.carried.forEach((axis, k) => {
      const { weights, shift } = this.rowOf(axis);
      for (let d = 0; d < this.dims; d++) row.weights[d] += parts[k] * weights[d];
      row.shift += parts[k] * (shift - this.sphere.middle[k]);
    });
    return row;
  }

  // What a row adds at a frame, where the origin of its block is counted in.
  shiftAt(row, frame) {
    const { origin } = this.frames[frame].chunk;
    return row.weights.reduce((sum, weight, d) => sum + weight * origin[d], row.shift);
  }

  // The coordinate of one point at one frame along a row.
  at(point, frame, row) {
    const { chunk, local, scale } = this.frames[frame];
    const from = (local * this.count + point) * this.dims;
    let value = 0;
    for (let d = 0; d < this.dims; d++) if (row.weights[d]) value += row.weights[d] * chunk.q[from + d];
    return this.shiftAt(row, frame) + scale * value;
  }

  // Positions of all points along up to three rows, mixed from two frames, into `out` (3 numbers a point);
  // a missing second row takes `spread`, if given.
  placeAll({ first, second, share }, rows, spread, out) {
    const { count, dims } = this;
    const ends = [
      [first, 1 - share],
      [second, share],
    ].filter(([, part]) => part > 0);
    for (let k = 0; k < 3; k++) {
      const row = rows[k];
      if (!row) {
        const fill = k === 1 ? spread : null;
        for (let i = 0; i < count; i++) out[3 * i + k] = fill ? fill[i] : 0;
        continue;
      }
      const base = ends.reduce((sum, [frame, part]) => sum + part * this.shiftAt(row, frame), 0);
      for (let i = 0, j = k; i < count; i++, j += 3) out[j] = base;
      for (const [frame, part] of ends) {
        const { chunk, local, scale } = this.frames[frame],
          { q } = chunk;
        for (let d = 0; d < dims; d++) {
          const weight = row.weights[d] * scale * part;
          if (!weight) continue;
          for (let i = 0, j = k, at = local * count * dims + d; i < count; i++, j += 3, at += dims)
            out[j] += weight * q[at];
        }
      }
    }
    return out;
  }

  // The range of an axis over all frames: the same at every step.
  bounds(axis) {
    if (!this.boundsOf.has(axis)) this.boundsOf.set(axis, this.turn ? this.measured(this.rowOf(axis)) : this.sent(axis));
    return this.boundsOf.get(axis);
  }

  sent(axis) {
    const d = this.place.get(axis);
    return [Math.min(...this.chunks.map((c) => c.low[d])), Math.max(...this.chunks.map((c) => c.high[d]))];
  }

  measured(row) {
    const out = new Float32Array(3 * this.count);
    let low = Infinity,
      high = -Infinity;
    for (let frame = 0; frame < this.frames.length; frame++) {
      this.placeAll({ first: frame, second: frame, share: 0 }, [row], null, out);
      for (let i = 0; i < out.length; i += 3) {
        if (out[i] < low) low = out[i];
        if (out[i] > high) high = out[i];
      }
    }
    return [low, high];
  }

  // The middle of the axes that are here, and how far from it the farthest point of any frame lies: the tour turns
  // around that middle and fits into that radius.
  get sphere() {
    if (!this.sphereKnown) {
      const middle = this.carried.map((axis) => (this.bounds(axis)[0] + this.bounds(axis)[1]) / 2);
      const squares = new Float32Array(this.count),
        out = new Float32Array(3 * this.count);
      let radius = 0;
      for (let frame = 0; frame < this.frames.length; frame++) {
        squares.fill(0);
        this.carried.forEach((axis, k) => {
          this.placeAll({ first: frame, second: frame, share: 0 }, [this.rowOf(axis)], null, out);
          for (let i = 0; i < this.count; i++) squares[i] += (out[3 * i] - middle[k]) ** 2;
        });
        for (let i = 0; i < this.count; i++) if (squares[i] > radius) radius = squares[i];
      }
      this.sphereKnown = { middle, radius: Math.sqrt(radius) || 1 };
    }
    return this.sphereKnown;
  }

  // The smallest box that holds these points (all, where none is given) at a frame along these rows: [[low, high], …].
  boundsAt(frame, rows, points) {
    return rows.map((row) => {
      let low = Infinity,
        high = -Infinity;
      for (let k = 0; k < (points.length || this.count); k++) {
        const value = this.at(points.length ? points[k] : k, frame, row);
        if (value < low) low = value;
        if (value > high) high = value;
      }
      return [low, high];
    });
  }
}
