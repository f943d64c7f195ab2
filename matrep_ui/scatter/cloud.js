// The points over all frames: what the parts say together.

import { decode } from "./blob.js";
import { Projection } from "./projection.js";

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

// The parts of one kind over the blocks of frames, in order: frames0, frames1, … or frames0-2, frames1-2, …
function blocksOf(parts, kind, number) {
  const blocks = [],
    end = number ? `-${number}` : "";
  for (let i = 0; parts[`${kind}${i}${end}`]; i++) blocks.push(parts[`${kind}${i}${end}`]);
  return blocks;
}

class Cloud {
  constructor(parts) {
    const { points, projections, colours, curve } = parts,
      { header, arrays } = points;
    this.ids = header.ids;
    this.count = header.ids.length;
    this.idLabel = header.id_label;
    this.noun = header.noun;
    this.hollow = arrays.hollow ?? null;
    this.hollowLabel = header.hollow_label;
    this.texts = header.texts.map(({ name, values, codes }) => {
      const index = codes && arrays[codes];
      return { name, of: index ? (i) => values[index[i]] : (i) => values[i] };
    });
    this.numbers = header.numbers.map((name, i) => ({ name, values: arrays[`number${i}`] }));
    this.curve = curve.header.curve && { ...curve.header.curve, ...curve.arrays };
    this.marks = curve.header.marks;
    this.shares = curve.header.shares.map((name, i) => ({
      name,
      steps: curve.arrays[`share_steps${i}`],
      values: curve.arrays[`share${i}`],
    }));

    const blocks = blocksOf(parts, "frames", 0);
    this.steps = blocks.flatMap((block) => [...block.arrays.steps]);
    this.last = this.steps.length - 1;
    this.places = blocks.flatMap((block, b) => [...block.arrays.steps].map((_, local) => ({ block: b, local })));
    this.projections = projections.header.looks.map(
      (look, k) =>
        new Projection(
          look,
          look.turned ? blocks : blocksOf(parts, "frames", k),
          look.turned ? projections.arrays[`turn${k}`] : undefined,
          projections.arrays[`centre${k}`],
          this.count,
        ),
    );
    this.offered = projections.header.offered;
    this.original = this.projections.find((projection) => projection.original) ?? null;

    const moving = blocksOf(parts, "moving", 0);
    this.colours = colours.header.columns.map((column, k) => ({
      ...column,
      still: colours.arrays[`colour${k}`],
      blocks: column.moving ? moving.map((block) => block.arrays[`colour${k}`]) : [],
    }));
    this.near = blocksOf(parts, "near", 0).map((block) => block.arrays.near);
    this.spread = Float32Array.from({ length: this.count }, (_, i) => scatterOf(i));
    this.indexOf = new Map(this.ids.map((id, i) => [id, i]));
  }

  // The two frames around a time (in frames, 0 to last) and the share of the second.
  around(time) {
    const first = Math.min(Math.floor(time), this.last);
    const second = Math.min(first + 1, this.last);
    return { first, second, share: time - first };
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

  // The array of colour codes that holds a frame, and where that frame starts in it.
  codesAt(colour, frame) {
    if (!colour.moving) return { array: colour.still, start: 0 };
    const { block, local } = this.places[frame];
    return { array: colour.blocks[block], start: local * this.count };
  }

  // Colour codes of all points at a frame.
  codes(colour, frame) {
    const { array, start } = this.codesAt(colour, frame);
    return array.subarray(start, start + this.count);
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

  // The time (in frames) of any step, also between two frames.
  timeOfStep(step) {
    const { steps, last } = this;
    if (step <= steps[0]) return 0;
    if (step >= steps[last]) return last;
    let low = 0,
      high = last;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (steps[middle] <= step) low = middle;
      else high = middle;
    }
    return low + (step - steps[low]) / (steps[high] - steps[low]);
  }

  // The step that a time stands for, also between two frames.
  stepOfTime(time) {
    const { first, second, share } = this.around(time);
    return this.steps[first] + (this.steps[second] - this.steps[first]) * share;
  }
}

// Height of a point in a strip of one axis: fixed, even, without meaning (-0.5 to 0.5).
function scatterOf(i) {
  const golden = 0.618033988749895;
  return ((i * golden) % 1) - 0.5;
}
