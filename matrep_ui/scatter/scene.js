// What the renderers draw: the points of one moment, seen by one camera, with the state of each point.

import { projectAll } from "./camera.js";

// The layers of a point, drawn in this order: grey context, plain, found by the search, selected.
export const CONTEXT = 0,
  PLAIN = 1,
  FOUND = 2,
  CHOSEN = 3;
const HOLLOW = 4;
export const ASIDE = 8; // left out by a filter or by the search, though it may be selected

export class Scene {
  constructor() {
    this.cloud = null;
    this.projection = null;
    this.axes = []; // numbers of the axes shown
    this.rows = []; // of the picture: see projection.js
    this.tour = null; // while the tour mixes the axes: a list of weights for each row
    this.time = 0;
    this.colour = null;
    this.theme = null;
    this.matrix = null;
    this.width = this.height = 1;
    this.ratio = 1;
    this.radius = 3;
    this.opacity = 0.9;
  }

  get deep() {
    return this.axes.length === 3;
  }

  // One axis: points stand at heights without meaning.
  get strip() {
    return this.axes.length === 1;
  }

  // The frame that colours and numbers are taken from: the nearest one.
  get frame() {
    return Math.round(this.time);
  }

  setCloud(cloud) {
    this.cloud = cloud;
    this.positions = new Float32Array(3 * cloud.count);
    this.onScreen = new Float32Array(3 * cloud.count);
    this.states = new Uint8Array(cloud.count);
    this.order = Uint32Array.from({ length: cloud.count }, (_, i) => i);
  }

  // What is looked at: a projection on up to three of its axes, or on mixtures of them.
  look(projection, axes, tour = null) {
    Object.assign(this, { projection, axes, tour });
    this.rows = tour ? tour.map((parts) => projection.mixed(parts)) : axes.map((axis) => projection.rowOf(axis));
    this.moved();
  }

  // The box that the picture is fitted to: the same at every step.
  get bounds() {
    const { projection } = this;
    if (!this.tour) return this.axes.map((axis) => projection.bounds(axis));
    const { radius } = projection.sphere;
    return this.tour.map(() => [-radius, radius]);
  }

  get axisNames() {
    if (this.tour) return this.axes.map((_, k) => `mixture ${k + 1} of ${this.projection.carried.length} axes`);
    return this.axes.map((axis) => this.projection.axes[axis]);
  }

  // To call after a change of time, axes or cloud: positions are worked out again when next needed.
  moved() {
    this.stalePositions = true;
    this.staleScreen = true;
  }

  // To call after a change of the camera or of the size.
  seen(matrix) {
    this.matrix = matrix;
    this.staleScreen = true;
  }

  // x, y (CSS pixels in the picture) and w of every point: 3 numbers a point.
  projected() {
    if (this.stalePositions) {
      const { cloud, rows } = this;
      this.projection.placeAll(cloud.around(this.time), rows, this.strip ? cloud.spread : null, this.positions);
    }
    if (this.staleScreen || this.stalePositions) {
      projectAll(this.matrix, this.positions, this.cloud.count, this.width, this.height, this.onScreen);
    }
    this.stalePositions = this.staleScreen = false;
    return this.onScreen;
  }

  positionOf(point) {
    this.projected();
    return [...this.positions.subarray(3 * point, 3 * point + 3)];
  }

  // A point at a frame in the coordinates of the picture.
  placeOf(point, frame) {
    const at = this.rows.map((row) => this.projection.at(point, frame, row));
    if (this.strip) at[1] = this.cloud.spread[point];
    return at;
  }

  // Give every point its layer. `found` is a Uint8Array or null, `shown` says whether a colour code is shown.
  classify(selected, found, shown) {
    const { cloud, states } = this;
    const codes = this.colour && cloud.codes(this.colour, this.frame);
    for (let i = 0; i < cloud.count; i++) {
      let layer = PLAIN;
      if (codes && !shown(codes[i])) layer = CONTEXT;
      else if (found) layer = found[i] ? FOUND : CONTEXT;
      states[i] = layer | (layer === CONTEXT ? ASIDE : 0) | (cloud.hollow?.[i] ? HOLLOW : 0);
    }
    for (const i of selected) states[i] |= CHOSEN;
    this.sort();
  }

  // Later is on top: by layer, and in depth the nearer later.
  sort() {
    const { cloud, states, order } = this;
    const starts = new Uint32Array(1026);
    const keys = this.deep ? this.depthKeys() : null;
    const keyOf = (i) => ((states[i] & 3) << 8) | (keys ? keys[i] : 0);
    for (let i = 0; i < cloud.count; i++) starts[keyOf(i) + 1]++;
    for (let k = 1; k < starts.length; k++) starts[k] += starts[k - 1];
    for (let i = 0; i < cloud.count; i++) order[starts[keyOf(i)]++] = i;
  }

  depthKeys() {
    const at = this.projected(),
      { count } = this.cloud;
    this.keys ??= new Uint8Array(count);
    if (this.keys.length !== count) this.keys = new Uint8Array(count);
    for (let i = 0; i < count; i++) this.keys[i] = Math.min(Math.max((1.6 - at[3 * i + 2]) * 212, 0), 255);
    return this.keys;
  }
}

// Radius of a point in CSS pixels: smaller the more there are, larger the closer one looks.
export function radiusFor(count, zoom, width, height) {
  const room = Math.min(Math.max(Math.sqrt((width * height) / 410_000), 0.6), 1.3) ** 0.6;
  const base = Math.min(Math.max(7.2 * (Math.max(count, 1) / 100) ** -0.22, 1.2), 7) * room;
  return Math.min(base * Math.max(zoom, 0.5) ** 0.4, Math.max(base, 8));
}
