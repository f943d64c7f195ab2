// How densely the points of a flat picture lie, as shaded areas under them. Items for paint.js.

import { css } from "./colour.js";
import { ASIDE } from "./scene.js";

const CELL = 8, // CSS pixels
  REACH = 3, // cells: standard deviation of the smoothing
  LEVELS = [0.06, 0.16, 0.32, 0.54, 0.8]; // of the densest place

// The picture lies at (left, top) of the stage. Points left out by the legend or the search do not count.
export function densityItems(scene, left, top) {
  const across = Math.ceil(scene.width / CELL) + 1,
    down = Math.ceil(scene.height / CELL) + 1;
  const at = scene.projected(),
    counts = new Float32Array(across * down);
  for (let i = 0; i < scene.cloud.count; i++) {
    const x = Math.round(at[3 * i] / CELL),
      y = Math.round(at[3 * i + 1] / CELL);
    if (x >= 0 && y >= 0 && x < across && y < down && !(scene.states[i] & ASIDE)) counts[y * across + x]++;
  }
  const field = smoothed(smoothed(counts, across, down, 1, across), down, across, across, 1);
  const most = field.reduce((a, b) => Math.max(a, b), 0);
  if (!(most > 0)) return [];
  const place = ([x, y]) => [left + Math.min(x * CELL, scene.width), top + Math.min(y * CELL, scene.height)];
  return LEVELS.map((level) => ({
    areas: above(field, across, down, level * most).map((area) => area.map(place)),
    colour: css(scene.theme.primary, scene.theme.dark ? 0.14 : 0.09),
  }));
}

// One way of a Gaussian: `count` values a line, `step` apart, in `lines` lines that lie `next` apart.
function smoothed(from, count, lines, step, next) {
  const out = new Float32Array(from.length);
  const weights = Array.from({ length: 6 * REACH + 1 }, (_, k) => Math.exp(-((k - 3 * REACH) ** 2) / (2 * REACH * REACH)));
  for (let line = 0; line < lines; line++)
    for (let k = 0; k < count; k++) {
      const value = from[line * next + k * step];
      if (!value) continue;
      const first = Math.max(0, k - 3 * REACH),
        last = Math.min(count - 1, k + 3 * REACH);
      for (let to = first; to <= last; to++) out[line * next + to * step] += value * weights[to - k + 3 * REACH];
    }
  return out;
}

// Where a field is above a level, as polygons (marching squares); whole cells of a row are joined.
function above(field, across, down, level) {
  const areas = [];
  for (let y = 0; y + 1 < down; y++) {
    let from = -1;
    for (let x = 0; x + 1 < across; x++) {
      const corners = [[x, y], [x + 1, y], [x + 1, y + 1], [x, y + 1]];
      const values = corners.map(([cx, cy]) => field[cy * across + cx]);
      const whole = values.every((value) => value >= level);
      if (whole && from < 0) from = x;
      if (from >= 0 && (!whole || x + 2 === across)) {
        const to = whole ? x + 1 : x;
        areas.push([[from, y], [to, y], [to, y + 1], [from, y + 1]]);
        from = -1;
      }
      if (whole || values.every((value) => value < level)) continue;
      areas.push(
        corners.flatMap((corner, k) => {
          const other = corners[(k + 1) % 4],
            [a, b] = [values[k], values[(k + 1) % 4]];
          const cut = corner.map((value, axis) => value + ((other[axis] - value) * (level - a)) / (b - a));
          return [...(a >= level ? [corner] : []), ...(a >= level !== b >= level ? [cut] : [])];
        }),
      );
    }
  }
  return areas;
}
