// Which points are meant: under the pointer, inside a lasso, next in a direction. All on the CPU, on the same
// projected positions that are drawn.

import { lookOf } from "./canvas2d.js";
import { ASIDE } from "./scene.js";

const REACH = 7; // CSS pixels around a point that still hit it

// The point at (x, y), or -1. Selected and found points win over plain ones, plain ones over grey context.
export function pointAt(scene, x, y) {
  const at = scene.projected(),
    { states } = scene;
  let best = -1,
    bestScore = Infinity;
  for (let i = 0; i < scene.cloud.count; i++) {
    const dx = at[3 * i] - x,
      dy = at[3 * i + 1] - y;
    if (dx > 24 || dx < -24 || dy > 24 || dy < -24) continue;
    const look = lookOf(scene, states[i], at[3 * i + 2]);
    const distance = Math.hypot(dx, dy);
    if (distance > Math.max(look.r + 2, REACH)) continue;
    // Where discs overlap in depth, the nearer one hides the other.
    const inside = distance <= look.r;
    const score = (look.layer === 0 ? 1000 : 0) + (scene.deep && inside ? at[3 * i + 2] - 100 : distance);
    if (score < bestScore) {
      best = i;
      bestScore = score;
    }
  }
  return best;
}

// The points inside a closed path of [x, y], by a filled mask. Grey context is left out.
export function pointsInside(scene, path) {
  const { width, height, states } = scene;
  const canvas = document.createElement("canvas");
  canvas.width = Math.ceil(width);
  canvas.height = Math.ceil(height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.beginPath();
  path.forEach(([x, y], k) => (k ? context.lineTo(x, y) : context.moveTo(x, y)));
  context.closePath();
  context.fill();
  const mask = context.getImageData(0, 0, canvas.width, canvas.height).data;
  const at = scene.projected(),
    inside = [];
  for (let i = 0; i < scene.cloud.count; i++) {
    const x = Math.floor(at[3 * i]),
      y = Math.floor(at[3 * i + 1]);
    if (x < 0 || y < 0 || x >= canvas.width || y >= canvas.height || states[i] & ASIDE) continue;
    if (mask[4 * (y * canvas.width + x) + 3] > 127) inside.push(i);
  }
  return inside;
}

// The next point from `start` towards (dx, dy): near, and not far off the direction. From -1: the one nearest to
// the middle of the picture. Points outside of the picture and grey context are passed over.
export function pointTowards(scene, start, dx, dy) {
  const at = scene.projected(),
    { width, height, states } = scene;
  const fromMiddle = start < 0;
  const x0 = fromMiddle ? width / 2 : at[3 * start],
    y0 = fromMiddle ? height / 2 : at[3 * start + 1];
  let best = -1,
    bestScore = Infinity;
  for (let i = 0; i < scene.cloud.count; i++) {
    const x = at[3 * i],
      y = at[3 * i + 1];
    if (i === start || !(x >= 0 && y >= 0 && x <= width && y <= height) || states[i] & ASIDE) continue;
    const along = (x - x0) * dx + (y - y0) * dy,
      aside = Math.abs((x - x0) * dy - (y - y0) * dx);
    const score = fromMiddle
      ? Math.hypot(x - x0, y - y0)
      : along > 0.5 && aside <= along * 1.7
        ? along + 2.2 * aside
        : Infinity;
    if (score < bestScore) {
      best = i;
      bestScore = score;
    }
  }
  return best;
}
