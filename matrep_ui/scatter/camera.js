// From data units to the picture. Both cameras give one 4×4 matrix (column-major, to clip space), used by the
// GPU and by `project` on the CPU alike, so that what is picked is what is seen.

const PAD = 26; // CSS pixels kept free around the points when fitting

// A box this much longer than wide would be a line on the screen: its axes are then stretched, and say so.
const FLAT = 4;

export const needsStretch = (bounds) => {
  const extents = bounds.map(([low, high]) => high - low);
  return Math.max(...extents) > FLAT * Math.min(...extents) && Math.min(...extents) > 0;
};

// Looking straight at two axes. Units of both axes are equally long unless `equal` is false.
export class FlatCamera {
  constructor() {
    this.equal = true;
    this.center = [0, 0];
    this.scale = [1, 1]; // CSS pixels a unit
  }

  fit(bounds, width, height) {
    const [[x0, x1], [y0, y1]] = bounds;
    this.center = [(x0 + x1) / 2, (y0 + y1) / 2];
    const sx = Math.max(width - 2 * PAD, 20) / (x1 - x0 || 1);
    const sy = Math.max(height - 2 * PAD, 20) / (y1 - y0 || 1);
    this.scale = this.equal ? [Math.min(sx, sy), Math.min(sx, sy)] : [sx, sy];
    this.home = [...this.scale];
  }

  // How many times as large each axis is drawn as the smallest drawn one.
  get stretch() {
    return this.scale.map((s) => s / Math.min(...this.scale));
  }

  get zoom() {
    return this.scale[0] / this.home[0];
  }

  // Where it looks, in one text: changes exactly when the picture does.
  summary() {
    return [this.zoom, ...this.center, ...this.scale].map((v) => v.toPrecision(6)).join(" ");
  }

  resize(factor) {
    this.scale = this.scale.map((s) => s * factor);
    this.home = this.home.map((s) => s * factor);
  }

  pan(dx, dy) {
    this.center = [this.center[0] - dx / this.scale[0], this.center[1] + dy / this.scale[1]];
  }

  // Zoom by a factor; the point at (x, y) in the picture stays where it is.
  zoomAt(factor, x, y, width, height) {
    const limited = Math.min(Math.max(this.zoom * factor, 0.2), 2000) / this.zoom;
    const move = 1 - 1 / limited;
    this.center = [
      this.center[0] + ((x - width / 2) / this.scale[0]) * move,
      this.center[1] - ((y - height / 2) / this.scale[1]) * move,
    ];
    this.scale = this.scale.map((s) => s * limited);
  }

  focus(point) {
    this.center = [point[0], point[1]];
  }

  // Fill the picture with these bounds, but let `reset` still lead back to where it was fitted.
  frame(bounds, width, height) {
    const { home } = this;
    this.fit(bounds, width, height);
    const tightest = Math.min(...this.scale.map((s, k) => s / home[k]));
    if (tightest > 2000) this.scale = this.scale.map((s) => (s * 2000) / tightest);
    this.home = home;
  }

  matrix(width, height) {
    const [cx, cy] = this.center,
      a = (2 * this.scale[0]) / width,
      b = (2 * this.scale[1]) / height;
    return new Float32Array([a, 0, 0, 0, 0, b, 0, 0, 0, 0, 0, 0, -a * cx, -b * cy, 0, 1]);
  }

  // Data coordinates at a place in the picture.
  unproject(x, y, width, height) {
    return [this.center[0] + (x - width / 2) / this.scale[0], this.center[1] - (y - height / 2) / this.scale[1]];
  }
}

const TILT = 1.45; // radians; never quite from above, where left and right would swap
const START = { turn: 0.65, tilt: 0.42 };
const DISTANCE = 5.2; // of the eye, in half widths of the box
const LABELS = 64; // CSS pixels kept free around the box for ticks and names

// Orbiting a target. The data box is first scaled to a unit box (equally on all axes unless `equal` is false).
export class OrbitCamera {
  constructor() {
    this.equal = true;
    Object.assign(this, START);
    this.pixels = 100; // CSS pixels a half width of the box
    this.shift = [0, 0]; // CSS pixels
    this.zoom = 1;
    this.middle = [0, 0, 0];
    this.unit = [1, 1, 1]; // unit box a data unit
  }

  fit(bounds, width, height) {
    Object.assign(this, START);
    this.middle = bounds.map(([low, high]) => (low + high) / 2);
    const extents = bounds.map(([low, high]) => high - low || 1);
    const widest = Math.max(...extents);
    this.unit = extents.map((extent) => 2 / (this.equal ? widest : extent));
    this.bounds = bounds;
    this.zoom = 1;
    this.shift = [0, 0];
    this.pixels = 100;
    const matrix = this.matrix(width, height),
      xs = [],
      ys = [];
    for (let corner = 0; corner < 8; corner++) {
      const [x, y] = toPicture(
        matrix,
        bounds.map((pair, k) => pair[(corner >> k) & 1]),
        width,
        height,
      );
      xs.push(x - width / 2);
      ys.push(y - height / 2);
    }
    const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    const factor = Math.min((width - 2 * LABELS) / (right - left), (height - 2 * LABELS) / (bottom - top));
    this.pixels *= Math.max(factor, 0.1);
    this.shift = [(-(left + right) / 2) * factor, (-(top + bottom) / 2) * factor];
  }

  get stretch() {
    return this.unit.map((u) => u / Math.min(...this.unit));
  }

  summary() {
    return [this.zoom, this.turn, this.tilt, ...this.shift].map((v) => v.toPrecision(6)).join(" ");
  }

  resize(factor) {
    this.pixels *= factor;
  }

  orbit(dx, dy) {
    this.turn -= dx * 0.008;
    this.tilt = Math.min(Math.max(this.tilt + dy * 0.008, -TILT), TILT);
  }

  pan(dx, dy) {
    this.shift = [this.shift[0] + dx, this.shift[1] + dy];
  }

  zoomAt(factor, x, y, width, height) {
    const limited = Math.min(Math.max(this.zoom * factor, 0.2), 200) / this.zoom;
    const dx = x - width / 2 - this.shift[0],
      dy = y - height / 2 - this.shift[1];
    this.shift = [this.shift[0] + dx * (1 - limited), this.shift[1] + dy * (1 - limited)];
    this.zoom *= limited;
  }

  // Bring these bounds to the middle of the picture and fill it with them.
  frame(bounds, width, height) {
    const share = Math.max(...bounds.map(([low, high], k) => ((high - low) * this.unit[k]) / 2));
    this.zoom = Math.min(Math.max(0.8 / (share || 1), 1), 200);
    this.focus(
      bounds.map(([low, high]) => (low + high) / 2),
      width,
      height,
    );
  }

  // Bring a point to the middle of the picture.
  focus(point, width, height) {
    const [x, y] = toPicture(this.matrix(width, height), point, width, height);
    this.pan(width / 2 - x, height / 2 - y);
  }

  matrix(width, height) {
    const ct = Math.cos(this.turn),
      st = Math.sin(this.turn),
      cp = Math.cos(this.tilt),
      sp = Math.sin(this.tilt);
    // Rows of the rotation: right, up, towards the eye; the third data axis points up.
    const right = [ct, st, 0],
      up = [-st * sp, ct * sp, cp],
      eye = [st * cp, -ct * cp, sp];
    const pixels = this.pixels * this.zoom;
    const row = (axis, factor) => axis.map((v, k) => v * this.unit[k] * factor);
    const dot = (r) => -(r[0] * this.middle[0] + r[1] * this.middle[1] + r[2] * this.middle[2]);
    const x = row(right, (2 * pixels) / width),
      y = row(up, (2 * pixels) / height),
      z = row(eye, 1);
    // Perspective: w = 1 - z / DISTANCE; nearer points are larger.
    const w = z.map((v) => -v / DISTANCE),
      w0 = 1 - dot(z) / DISTANCE;
    const sx = (2 * this.shift[0]) / width,
      sy = (-2 * this.shift[1]) / height;
    const out = new Float32Array(16);
    for (let k = 0; k < 3; k++) {
      out[4 * k] = x[k] + sx * w[k];
      out[4 * k + 1] = y[k] + sy * w[k];
      out[4 * k + 2] = -z[k] * 0.2;
      out[4 * k + 3] = w[k];
    }
    out[12] = dot(x) + sx * w0;
    out[13] = dot(y) + sy * w0;
    out[14] = -dot(z) * 0.2;
    out[15] = w0;
    return out;
  }
}

// [x, y] in CSS pixels of the picture, and w (1 in the plane of the target, smaller when nearer).
export function toPicture(m, [px, py, pz = 0], width, height) {
  const w = m[3] * px + m[7] * py + m[11] * pz + m[15];
  return [
    (((m[0] * px + m[4] * py + m[8] * pz + m[12]) / w) * 0.5 + 0.5) * width,
    (0.5 - ((m[1] * px + m[5] * py + m[9] * pz + m[13]) / w) * 0.5) * height,
    w,
  ];
}

// All points at once: `at` holds 3 numbers a point; writes x, y and w of each.
export function projectAll(m, at, count, width, height, out) {
  const hw = width / 2,
    hh = height / 2;
  for (let i = 0, j = 0; i < count; i++, j += 3) {
    const px = at[j],
      py = at[j + 1],
      pz = at[j + 2];
    const w = m[3] * px + m[7] * py + m[11] * pz + m[15];
    out[j] = ((m[0] * px + m[4] * py + m[8] * pz + m[12]) / w + 1) * hw;
    out[j + 1] = (1 - (m[1] * px + m[5] * py + m[9] * pz + m[13]) / w) * hh;
    out[j + 2] = w;
  }
  return out;
}
