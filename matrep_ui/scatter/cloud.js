// The points over all frames: what the parts say together. Positions stay int16; `place` makes numbers of them.

import { decode } from "./blob.js";

export const NONE = 255; // the colour code of a point without a group or value

// Decoded parts are kept by id, so that a new part does not decode the others again.
export function assemble(partIds, parts, known) {
  const decoded = {};
  for (const [name, id] of Object.entries(partIds)) {
    if (!known.has(id)) {
      if (!parts.get(id)?.bytes) return null;
      known.set(id, decode(parts.get(id).bytes));
    }
    decoded[name] = known.get(id);
  }
  const wanted = new Set(Object.values(partIds));
  for (const id of known.keys()) if (!wanted.has(id)) known.delete(id);
  return new Cloud(decoded);
}

class Cloud {
  constructor({ points, colours, curve, ...rest }) {
    const { header, arrays } = points;
    this.ids = header.ids;
    this.count = header.ids.length;
    this.idLabel = header.id_label;
    this.noun = header.noun;
    this.space = header.space;
    this.axes = header.axes;
    this.dims = header.axes.length;
    this.hollow = arrays.hollow ?? null;
    this.hollowLabel = header.hollow_label;
    this.texts = header.texts.map(({ name, values, codes }) => {
      const index = codes && arrays[codes];
      return { name, of: index ? (i) => values[index[i]] : (i) => values[i] };
    });
    this.numbers = header.numbers.map((name, i) => ({ name, values: arrays[`number${i}`] }));
    this.colours = colours.header.columns.map((column) => ({ ...column, codes: colours.arrays[column.codes] }));
    this.curve = curve.header.curve && { ...curve.header.curve, ...curve.arrays };
    this.marks = curve.header.marks;

    this.chunks = [];
    this.frames = []; // { chunk, local } of each frame
    this.steps = [];
    for (let i = 0; rest[`frames${i}`]; i++) {
      const part = rest[`frames${i}`];
      const chunk = {
        q: part.arrays.frames,
        scale: part.header.scale,
        origin: part.header.origin,
        header: part.header,
      };
      this.chunks.push(chunk);
      part.arrays.steps.forEach((step, local) => {
        this.frames.push({ chunk, local });
        this.steps.push(step);
      });
    }
    this.last = this.steps.length - 1;
    this.bounds = this.axes.map((_, axis) =>
      this.chunks.reduce(
        ([low, high], { scale, origin, header }) => [
          Math.min(low, origin[axis] + scale * header.low[axis]),
          Math.max(high, origin[axis] + scale * header.high[axis]),
        ],
        [Infinity, -Infinity],
      ),
    );
    if (this.dims === 1) this.spread = Float32Array.from({ length: this.count }, (_, i) => scatterOf(i));
    this.indexOf = new Map(this.ids.map((id, i) => [id, i]));
  }

  // The two frames around a time (in frames, 0 to last) and the share of the second.
  around(time) {
    const first = Math.min(Math.floor(time), this.last);
    const second = Math.min(first + 1, this.last);
    return { first, second, share: time - first };
  }

  // Positions of all points on up to three axes at a time, into `out` (3 numbers a point).
  place(time, axes, out) {
    const { first, second, share } = this.around(time);
    const a = this.frames[first],
      b = this.frames[second],
      { dims, count } = this;
    for (let k = 0; k < 3; k++) {
      const axis = axes[k];
      if (axis === undefined) {
        const fill = k === 1 ? this.spread : undefined;
        for (let i = 0; i < count; i++) out[3 * i + k] = fill ? fill[i] : 0;
        continue;
      }
      const qa = a.chunk.q,
        qb = b.chunk.q;
      const sa = a.chunk.scale * (1 - share),
        sb = b.chunk.scale * share;
      const base = a.chunk.origin[axis] * (1 - share) + b.chunk.origin[axis] * share;
      let ia = a.local * count * dims + axis,
        ib = b.local * count * dims + axis;
      for (let i = 0; i < count; i++, ia += dims, ib += dims) out[3 * i + k] = base + sa * qa[ia] + sb * qb[ib];
    }
    return out;
  }

  // One coordinate of one point at one frame.
  at(point, frame, axis) {
    const { chunk, local } = this.frames[frame];
    return chunk.origin[axis] + chunk.scale * chunk.q[(local * this.count + point) * this.dims + axis];
  }

  // The smallest box that holds these points (all, where none is given) at a frame on these axes: [[low, high], …].
  boundsAt(frame, axes, points) {
    return axes.map((axis) => {
      let low = Infinity,
        high = -Infinity;
      for (let k = 0; k < (points.length || this.count); k++) {
        const value = this.at(points.length ? points[k] : k, frame, axis);
        if (value < low) low = value;
        if (value > high) high = value;
      }
      return [low, high];
    });
  }

  // How many points lie where along one axis at a time: `bins` counts between low and high, smoothed.
  density(positions, low, high, bins) {
    const counts = new Float32Array(bins),
      out = new Float32Array(bins),
      width = (high - low) / bins;
    for (let i = 0; i < this.count; i++) {
      const bin = Math.floor((positions[3 * i] - low) / width);
      if (bin >= 0 && bin < bins) counts[bin]++;
    }
    const reach = 4;
    for (let b = 0; b < bins; b++) {
      for (let k = -2 * reach; k <= 2 * reach; k++)
        out[b] += (counts[b + k] ?? 0) * Math.exp(-(k * k) / ((2 * reach * reach) / 4));
    }
    return out;
  }

  // Colour codes of all points at a frame.
  codes(colour, frame) {
    return colour.moving ? colour.codes.subarray(frame * this.count, (frame + 1) * this.count) : colour.codes;
  }

  // The name that a reader knows the point by: the first text column, or the id.
  nameOf(point) {
    return this.texts[0]?.of(point) || this.ids[point];
  }

  frameOfStep(step) {
    let best = 0;
    this.steps.forEach((each, i) => {
      if (Math.abs(each - step) < Math.abs(this.steps[best] - step)) best = i;
    });
    return best;
  }
}

// Height of a point in a strip of one axis: fixed, even, without meaning (-0.5 to 0.5).
function scatterOf(i) {
  const golden = 0.618033988749895;
  return ((i * golden) % 1) - 0.5;
}
