// Neighbours in the original space at a frame, from the first source that has them: sent with the payload for all
// points, sent by Python for the points it was asked for, or worked out here where the coordinates that travelled
// are the material vectors themselves (Euclidean, on the int16 values; all axes of a frame have one scale).

export const K = 10;

export class Neighbours {
  // near: as the options bring it, { id: { k, bytes, data } }
  constructor(cloud, near) {
    this.cloud = cloud;
    this.own = new Map(); // "point frame" -> indices
    this.asked = new Map(
      Object.entries(near ?? {})
        .filter(([id]) => cloud.indexOf.has(id))
        .map(([id, packed]) => [cloud.indexOf.get(id), unpacked(packed)]),
    );
  }

  // Whether there are neighbours to show for a point.
  knows(point) {
    return this.cloud.near.length > 0 || this.asked.has(point) || this.cloud.original !== null;
  }

  // The neighbours of a point at a frame, nearest first; null where they are not known here.
  at(point, frame) {
    const { cloud } = this;
    if (cloud.near.length) {
      const { block, local } = cloud.places[frame],
        array = cloud.near[block],
        k = array.shape[2];
      return real(array.subarray((local * cloud.count + point) * k, (local * cloud.count + point + 1) * k));
    }
    if (this.asked.has(point)) {
      const { array, k } = this.asked.get(point);
      if ((frame + 1) * k <= array.length) return real(array.subarray(frame * k, (frame + 1) * k));
    }
    if (!cloud.original) return null;
    const name = `${point} ${frame}`;
    if (!this.own.has(name)) {
      if (this.own.size > 4000) this.own.clear();
      this.own.set(name, nearestVectors(cloud, point, frame));
    }
    return this.own.get(name);
  }

  // Each neighbour of a point at a frame, with the frame since which it has been one without a break.
  held(point, frame) {
    const now = this.at(point, frame);
    if (!now) return null;
    const since = new Map(now.map((other) => [other, frame]));
    const holding = new Set(now);
    for (let before = frame - 1; before >= 0 && holding.size; before--) {
      const then = new Set(this.at(point, before));
      for (const other of [...holding]) {
        if (then.has(other)) since.set(other, before);
        else holding.delete(other);
      }
    }
    return now.map((other) => ({ point: other, frame: since.get(other) }));
  }
}

// Distance in the original space, where its coordinates are here; else null.
export function distance({ original }, point, frame, other, otherFrame = frame) {
  if (!original) return null;
  const a = original.frames[frame],
    b = original.frames[otherFrame],
    { dims, count } = original;
  let sum = 0;
  for (let d = 0; d < dims; d++) {
    const va = a.chunk.origin[d] + a.scale * a.chunk.q[(a.local * count + point) * dims + d];
    const vb = b.chunk.origin[d] + b.scale * b.chunk.q[(b.local * count + other) * dims + d];
    sum += (va - vb) ** 2;
  }
  return Math.sqrt(sum);
}

// Length of a material vector, where its coordinates are here; else null.
export function norm({ original }, point, frame) {
  if (!original) return null;
  const { chunk, local, scale } = original.frames[frame],
    { dims, count } = original;
  let sum = 0;
  for (let d = 0; d < dims; d++) sum += (chunk.origin[d] + scale * chunk.q[(local * count + point) * dims + d]) ** 2;
  return Math.sqrt(sum);
}

// What the picture makes of the neighbours of a point: kept, missing (near in the original space, not in the
// picture), and false (near in the picture alone). Null where the original neighbours are not known here.
export function relations(scene, neighbours, point) {
  const original = neighbours.at(point, scene.frame);
  if (!original) return null;
  scene.projected();
  const { cloud, positions } = scene;
  const drawn = nearest(cloud, point, original.length, positions, 3, 0, scene.rows.length);
  const near = new Set(original),
    seen = new Set(drawn);
  return {
    kept: original.filter((other) => seen.has(other)),
    missing: original.filter((other) => !seen.has(other)),
    wrong: drawn.filter((other) => !near.has(other)),
  };
}

function nearestVectors(cloud, point, frame) {
  const { chunk, local } = cloud.original.frames[frame],
    { dims } = cloud.original;
  return nearest(cloud, point, K, chunk.q, dims, local * cloud.count * dims, dims);
}

// The k points nearest to one, among those that have trained, in an array with `stride` numbers a point from `start`.
function nearest({ count, hollow }, point, k, array, stride, start, dims) {
  const best = [],
    distances = [];
  const own = start + point * stride;
  let worst = Infinity;
  for (let i = 0, at = start; i < count; i++, at += stride) {
    let sum = 0;
    for (let d = 0; d < dims && sum < worst; d++) sum += (array[at + d] - array[own + d]) ** 2;
    if (sum >= worst || i === point || hollow?.[i]) continue;
    let place = best.length;
    while (place > 0 && distances[place - 1] > sum) place--;
    best.splice(place, 0, i);
    distances.splice(place, 0, sum);
    if (best.length > k) {
      best.pop();
      distances.pop();
    }
    if (best.length === k) worst = distances[k - 1];
  }
  return best;
}

// Without the places that hold none.
const real = (indices) => [...indices].filter((i) => i >= 0 && (indices.BYTES_PER_ELEMENT > 2 || i < 65_535));

function unpacked({ k, bytes, data }) {
  const raw = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  return { k, array: bytes === 2 ? new Uint16Array(raw.buffer) : new Int32Array(raw.buffer) };
}
