// What is drawn over the points: trails and names of the selected ones, the point under the pointer, the lasso.
// Coordinates are CSS pixels of the picture; items for paint.js.

import { css } from "./colour.js";
import { lookOf } from "./canvas2d.js";
import { toPicture } from "./camera.js";
import { relations } from "./neighbours.js";
import { nameItems } from "./naming.js";

const NOTHING = { hover: -1, cursor: -1 };
const MOST_TRAIL_PIECES = 12_000;

// viewer: what to draw over its scene; pointing: hover and cursor, which a saved picture goes without
export function overlayItems(viewer, { hover, cursor } = NOTHING) {
  const { scene, selected, shown } = viewer,
    { lasso } = viewer.choosing,
    { table, hidden } = viewer.groups;
  const items = scene.strip ? profileItems(scene) : [];
  if (shown.trails && scene.cloud.last > 0) items.push(...trailItems(scene, selected, table));
  if (shown.neighbours && selected.length) items.push(...neighbourItems(scene, viewer.neighbours, selected.at(-1)));
  for (const [point, colour] of [
    [cursor, scene.theme.primary],
    [hover, scene.theme.ink],
  ]) {
    if (point < 0) continue;
    const [x, y, w] = screenOf(scene, point);
    items.push({ ring: [x, y, lookOf(scene, scene.states[point], w).r + 3.5], colour: css(colour), width: 1.8 });
  }
  items.push(...nameItems(scene, selected, table, hidden, shown.names));
  if (lasso?.length > 1) {
    items.push({ area: lasso, colour: css(scene.theme.primary, 0.12) });
    items.push({ line: [...lasso, lasso[0]], colour: css(scene.theme.primary), width: 1.5, dash: [5, 4] });
  }
  return items;
}

function screenOf(scene, point) {
  const at = scene.projected();
  return [at[3 * point], at[3 * point + 1], at[3 * point + 2]];
}

// One axis: how densely the points lie along it, above the strip of points.
function profileItems(scene) {
  const { cloud, theme, width, matrix, height } = scene;
  scene.projected();
  const bins = Math.max(20, Math.round(width / 3));
  const low = (-1 - matrix[12]) / matrix[0],
    high = (1 - matrix[12]) / matrix[0];
  const heights = cloud.density(scene.positions, low, high, bins);
  const most = Math.max(...heights);
  if (!(most > 0)) return [];
  const yOf = (y) => toPicture(matrix, [0, y], width, height)[1];
  const floor = yOf(0.58),
    top = yOf(1.05);
  const line = [...heights].map((h, k) => [((k + 0.5) / bins) * width, floor - (h / most) * (floor - top)]);
  return [
    { area: [[line[0][0], floor], ...line, [line[bins - 1][0], floor]], colour: css(theme.primary, 0.15) },
    { line, colour: css(theme.primary, 0.8), width: 1.5 },
    { text: "density", x: 8, y: floor - 9, colour: css(theme.muted), size: 11.5, align: "start" },
  ];
}

// The way of each selected point through the frames: what is behind it strong, what is ahead faint.
function trailItems(scene, selected, table) {
  const { cloud, matrix, width, height, time, theme } = scene;
  const most = Math.max(1, Math.floor(MOST_TRAIL_PIECES / cloud.steps.length));
  const codes = scene.colour && cloud.codes(scene.colour, scene.frame);
  const now = Math.floor(time),
    items = [];
  for (const point of selected.slice(0, most)) {
    const way = cloud.steps.map((_, frame) => toPicture(matrix, scene.placeOf(point, frame), width, height));
    const here = screenOf(scene, point);
    const colour = table[codes ? codes[point] : 0];
    items.push({ line: [here, ...way.slice(now + 1)], colour: css(theme.grey, 0.55), width: 1, dash: [2, 3] });
    items.push({ line: [...way.slice(0, now + 1), here], colour: css(colour, 0.9), width: 1.8 });
    items.push({ disc: [way[0][0], way[0][1], 2.2], colour: css(colour, 0.9) });
  }
  return items;
}

// The neighbours of a point: a line to each that the picture keeps near, a broken line to each that it draws
// elsewhere (missing), a dotted ring around each that is near in the picture alone (false).
function neighbourItems(scene, neighbours, point) {
  const found = relations(scene, neighbours, point);
  if (!found) return [];
  const here = screenOf(scene, point).slice(0, 2),
    ink = css(scene.theme.ink);
  const to = (other) => screenOf(scene, other).slice(0, 2);
  return [
    ...found.kept.map((other) => ({ line: [here, to(other)], colour: ink, width: 1.2, alpha: 0.75 })),
    ...found.missing.map((other) => ({ line: [here, to(other)], colour: ink, width: 1.2, dash: [5, 4], alpha: 0.75 })),
    ...found.wrong.map((other) => ({
      ring: [...to(other), lookOf(scene, scene.states[other], screenOf(scene, other)[2]).r + 3],
      colour: ink,
      width: 1.4,
      dash: [1.5, 2.5],
    })),
  ];
}
