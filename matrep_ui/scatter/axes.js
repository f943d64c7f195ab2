// Axes with ticks and names, as items for paint.js.

import { css } from "./colour.js";
import { show, tickText, ticks } from "./numbers.js";
import { toPicture } from "./camera.js";

export const MARGIN = { left: 62, right: 14, top: 12, bottom: 46 };
const SIZE = 11.5,
  TITLE = 12.5;

// The name of an axis, and how much larger than the others it is drawn where it is.
const titled = (name, stretch) => (stretch < 1.05 ? name : `${name}, drawn ${show(stretch, 2)}× as large`);

// Without what stands in brackets.
export const shortName = (name) => name.replace(/ \([^()]*\)$/, "");

// Two axes. The picture lies at MARGIN inside a stage of width × height; items are in stage coordinates.
export function flatAxes(camera, names, width, height, theme, strip) {
  const { left, top } = MARGIN;
  const w = width - left - MARGIN.right,
    h = height - top - MARGIN.bottom;
  const items = [];
  const muted = css(theme.muted),
    line = css(theme.line);
  const [x0, y1] = camera.unproject(0, 0, w, h),
    [x1, y0] = camera.unproject(w, h, w, h);
  const across = ticks(x0, x1, Math.max(2, Math.round(w / 95)));
  for (const value of across.values) {
    const x = left + w / 2 + (value - camera.center[0]) * camera.scale[0];
    items.push({
      line: [
        [x, top],
        [x, top + h],
      ],
      colour: value === 0 ? css(theme.grey) : line,
      width: 1,
    });
    items.push({ text: tickText(value, across.decimals), x, y: top + h + 14, colour: muted, size: SIZE });
  }
  if (!strip) {
    const up = ticks(y0, y1, Math.max(2, Math.round(h / 62)));
    for (const value of up.values) {
      const y = top + h / 2 - (value - camera.center[1]) * camera.scale[1];
      items.push({
        line: [
          [left, y],
          [left + w, y],
        ],
        colour: value === 0 ? css(theme.grey) : line,
        width: 1,
      });
      items.push({ text: tickText(value, up.decimals), x: left - 8, y, colour: muted, size: SIZE, align: "end" });
    }
  }
  items.push({
    line: [
      [left, top],
      [left, top + h],
      [left + w, top + h],
    ],
    colour: css(theme.grey),
    width: 1,
  });
  const ink = css(theme.ink);
  items.push({
    text: strip ? names[0] : titled(names[0], camera.stretch[0]),
    x: left + w / 2,
    y: top + h + 34,
    colour: ink,
    size: TITLE,
    weight: 500,
  });
  const side = strip ? "spread out for reading" : titled(names[1], camera.stretch[1]);
  items.push({ text: side, x: 14, y: top + h / 2, colour: strip ? muted : ink, size: TITLE, weight: 500, turn: -90 });
  return items;
}

// Three axes: the box around the data, a grid on its far sides, ticks on its outer edges.
export function deepAxes(camera, names, width, height, theme) {
  const m = camera.matrix(width, height);
  const see = (point) => toPicture(m, point, width, height);
  const { bounds } = camera;
  const items = [];
  const muted = css(theme.muted),
    line = css(theme.line),
    edge = css(theme.grey);
  const middle = see(bounds.map(([low, high]) => (low + high) / 2));
  const marks = bounds.map(([low, high]) => ticks(low, high, 5));
  // Of each pair of opposite sides, the far one: its middle has the larger w.
  const far = [0, 1, 2].map((axis) => {
    const at = (end) => see(bounds.map(([low, high], k) => (k === axis ? bounds[axis][end] : (low + high) / 2)))[2];
    return at(0) > at(1) ? 0 : 1;
  });
  const corner = (ends) => bounds.map((pair, k) => pair[ends[k]]);
  for (let normal = 0; normal < 3; normal++) {
    for (const along of [0, 1, 2].filter((k) => k !== normal)) {
      const other = 3 - normal - along;
      for (const value of [...marks[other].values, ...bounds[other]]) {
        const ends = [0, 1].map((end) => {
          const point = corner(far);
          point[along] = bounds[along][end];
          point[other] = value;
          return see(point).slice(0, 2);
        });
        items.push({ line: ends, colour: line, width: 1 });
      }
    }
  }
  for (let axis = 0; axis < 3; axis++) {
    const others = [0, 1, 2].filter((k) => k !== axis);
    // Ticks go to the edge that lies between a far and a near side, and farthest from the middle of the picture.
    let best = null;
    for (const ends of [
      [0, 0],
      [0, 1],
      [1, 0],
      [1, 1],
    ]) {
      const fars = others.filter((k, j) => far[k] === ends[j]).length;
      if (fars !== 1) continue;
      const point = bounds.map(([low, high]) => (low + high) / 2);
      others.forEach((k, j) => (point[k] = bounds[k][ends[j]]));
      const [x, y] = see(point);
      const score = axis === 2 ? -x : y;
      if (!best || score > best.score) best = { ends, score };
    }
    const on = (value) => {
      const point = [0, 0, 0];
      point[axis] = value;
      others.forEach((k, j) => (point[k] = bounds[k][best.ends[j]]));
      return see(point);
    };
    const [low, high] = bounds[axis];
    const a = on(low),
      b = on(high),
      mid = on((low + high) / 2);
    // Outward: across the edge, away from the middle of the box.
    let nx = -(b[1] - a[1]),
      ny = b[0] - a[0];
    const length = Math.hypot(nx, ny) || 1;
    if (length < 24) continue; // the axis points at the eye
    const sign = nx * (mid[0] - middle[0]) + ny * (mid[1] - middle[1]) < 0 ? -1 : 1;
    nx *= sign / length;
    ny *= sign / length;
    items.push({ line: [a.slice(0, 2), b.slice(0, 2)], colour: edge, width: 1.2 });
    const every = Math.ceil((marks[axis].values.length * 26) / length);
    marks[axis].values.forEach((value, k) => {
      const [x, y] = on(value);
      items.push({
        line: [
          [x, y],
          [x + nx * 5, y + ny * 5],
        ],
        colour: edge,
        width: 1,
      });
      if (k % every) return;
      items.push({
        text: tickText(value, marks[axis].decimals),
        x: x + nx * 18,
        y: y + ny * 14,
        colour: muted,
        size: SIZE,
      });
    });
    items.push({
      text: titled(names[axis], camera.stretch[axis]),
      ...beside(mid, nx, ny, width),
      colour: css(theme.ink),
      size: TITLE,
      weight: 500,
      halo: css(theme.background),
    });
  }
  return items;
}

// Where the name of an axis stands beside the middle of its edge. Along an edge that runs steeply it is turned, so that
// a long name needs no room at the side of the picture.
function beside([x, y], nx, ny, width) {
  if (Math.abs(nx) < 0.6) return { x: x + nx * 40, y: y + ny * 36 };
  const along = (Math.atan2(nx, -ny) * 180) / Math.PI;
  const turn = along > 89 ? along - 180 : along < -91 ? along + 180 : along;
  return { x: Math.min(Math.max(x + nx * 44, TITLE), width - TITLE), y: y + ny * 40, turn };
}
