// The grand tour: a slow, smooth, random rotation of all axes of a linear picture, of which the first two or three
// are seen, so that every direction comes by. Each pair of axes turns with a speed of its own (Asimov 1985, SIAM
// J. Sci. Stat. Comput. 6, 128; product of plane rotations).

const SPEED = 0.35; // radians a second, of the fastest pair
const LONGEST = 0.05; // seconds a step, so that a stalled page does not jump

export class Tour {
  // dims: number of axes; start: which of them are seen first; onTurn(rows): `start.length` rows of `dims` weights
  constructor(dims, start, onTurn) {
    this.dims = dims;
    this.seen = start.length;
    this.onTurn = onTurn;
    this.running = null;
    const order = [...start, ...Array.from({ length: dims }, (_, k) => k).filter((k) => !start.includes(k))];
    this.basis = order.map((axis) => Float64Array.from({ length: dims }, (_, k) => (k === axis ? 1 : 0)));
    this.speeds = [];
    let seed = 1;
    const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647;
    for (let a = 0; a < dims; a++) {
      for (let b = a + 1; b < dims; b++) {
        // Pairs that leave the picture as it is, turned in its plane, would only spin it.
        if (b < this.seen) continue;
        const size = (0.3 + 0.7 * random()) * (random() < 0.5 ? -1 : 1);
        this.speeds.push({ a, b, speed: (SPEED * size) / Math.sqrt(Math.max(dims - 2, 1)) });
      }
    }
  }

  rows() {
    return this.basis.slice(0, this.seen).map((row) => Float64Array.from(row));
  }

  run() {
    let before = performance.now();
    const tick = (now) => {
      this.step(Math.min(Math.max(now - before, 0) / 1000, LONGEST));
      before = now;
      this.running = requestAnimationFrame(tick);
      this.onTurn(this.rows());
    };
    this.running = requestAnimationFrame(tick);
  }

  pause() {
    if (this.running) cancelAnimationFrame(this.running);
    this.running = null;
  }

  step(seconds) {
    for (const { a, b, speed } of this.speeds) {
      const c = Math.cos(speed * seconds),
        s = Math.sin(speed * seconds);
      const p = this.basis[a],
        q = this.basis[b];
      for (let k = 0; k < this.dims; k++) {
        const v = p[k];
        p[k] = c * v - s * q[k];
        q[k] = s * v + c * q[k];
      }
    }
    this.straighten();
  }

  // Rounding must not let the axes lose their length or their right angles.
  straighten() {
    this.basis.forEach((row, k) => {
      for (const other of this.basis.slice(0, k)) {
        const along = row.reduce((sum, v, i) => sum + v * other[i], 0);
        row.forEach((v, i) => (row[i] = v - along * other[i]));
      }
      const length = Math.hypot(...row);
      row.forEach((v, i) => (row[i] = v / length));
    });
  }
}
