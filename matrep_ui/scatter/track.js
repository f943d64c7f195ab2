// What the scrubber shows: the curve of errors over the steps, shares above it, marks, and the numbers of the steps.
// Items for paint.js.

import { GROUPS, css, groupColour } from "./colour.js";
import { count, show } from "./numbers.js";
import { widthOf } from "./paint.js";

export const LEFT = 62,
  RIGHT = 46;
const TOP = 20,
  FOOT = 22;
const CURVE_HEIGHT = 118,
  PLAIN_HEIGHT = 44,
  MARKS_HEIGHT = 22,
  SHARES_HEIGHT = 62,
  NAMES_ROW = 14,
  SAMPLE = 25; // of the line of a share, before its name
const BEST_WIDTH = 100;
const DASHES = [undefined, [6, 3], [2, 2], [8, 3, 2, 3]];

export class Track {
  constructor() {
    this.width = 0;
  }

  setCloud(cloud) {
    this.cloud = cloud;
    this.top = TOP + (cloud.marks.length ? MARKS_HEIGHT : 0);
    this.fit(this.width, "sans-serif");
  }

  // Take a width: the names of the shares stand in as many rows as they need.
  fit(width, font) {
    this.width = width;
    const room = width || Infinity; // 0: not laid out yet
    let x = LEFT,
      row = 0;
    this.named = this.cloud.shares.map(({ name }) => {
      const long = SAMPLE + widthOf(name, 11, 400, font);
      if (x > LEFT && x + long > room) [x, row] = [LEFT, row + 1];
      const place = { x, y: 9 + row * NAMES_ROW };
      x += long + 14;
      return place;
    });
    this.names = row * NAMES_ROW; // more height than one row takes
    this.shares = this.named.length ? SHARES_HEIGHT + this.names : 0; // a band above the curve
    this.height = (this.cloud.curve ? CURVE_HEIGHT : PLAIN_HEIGHT) + this.top - TOP + this.shares;
  }

  get inner() {
    return Math.max(this.width - LEFT - RIGHT, 10);
  }

  xOf(time) {
    return LEFT + (this.cloud.last ? time / this.cloud.last : 0) * this.inner;
  }

  timeOfStep(step) {
    return this.cloud.timeOfStep(step);
  }

  items(theme, width, height) {
    const { steps, last, curve } = this.cloud;
    const muted = css(theme.muted),
      line = css(theme.line),
      floor = height - FOOT;
    const items = [
      {
        line: [
          [LEFT, floor],
          [width - RIGHT, floor],
        ],
        colour: css(theme.grey),
        width: 1,
      },
    ];
    if (this.inner / last >= 3) {
      for (let i = 0; i <= last; i++)
        items.push({
          line: [
            [this.xOf(i), floor],
            [this.xOf(i), floor + 4],
          ],
          colour: css(theme.grey),
          width: 1,
        });
    }
    for (const step of this.stepTicks()) {
      items.push({ text: count(step), x: this.xOf(this.timeOfStep(step)), y: floor + 13, colour: muted, size: 11 });
    }
    items.push({ text: "step", x: LEFT - 14, y: floor + 13, colour: muted, size: 11, align: "end" });
    for (const { step } of this.cloud.marks) {
      const x = this.xOf(this.timeOfStep(step));
      items.push({
        line: [
          [x, this.shares + this.top - MARKS_HEIGHT],
          [x, floor],
        ],
        colour: css(theme.grey),
        width: 1,
        dash: [1, 3],
      });
    }
    if (this.shares) items.push(...this.shareItems(theme, line, muted, width));
    if (curve) items.push(...lowered(this.curveItems(theme, floor - this.shares, muted, line, width), this.shares));
    return items;
  }

  // Steps worth a number: the ends, the powers of ten, then their 2 and 5 fold, where there is room.
  stepTicks() {
    const { steps, last } = this.cloud;
    const end = steps[last],
      wanted = [steps[0], end];
    for (const m of [1, 5, 2]) for (let p = 1; p <= end; p *= 10) wanted.push(m * p);
    const placed = [];
    for (const step of wanted) {
      if (step < steps[0] || step > end) continue;
      const x = this.xOf(this.timeOfStep(step)),
        half = count(step).length * 3.4 + 6;
      if (placed.every((other) => Math.abs(other.x - x) > other.half + half)) placed.push({ step, x, half });
    }
    return placed.map((tick) => tick.step);
  }

  curveItems(theme, floor, muted, line, width) {
    const { curve } = this.cloud;
    this.best = null; // the words at the best step: an element, because they make way for the cursor
    const values = [...curve.train, ...curve.eval].filter(Number.isFinite);
    if (!values.length) return [];
    const log = values.every((value) => value > 0);
    const place = log ? Math.log10 : (value) => value;
    let low = place(Math.min(...values)),
      high = place(Math.max(...values));
    if (high - low < 1e-9) [low, high] = [low - 0.5, high + 0.5];
    const yOf = (value) => floor - 6 - ((place(value) - low) / (high - low)) * (floor - 6 - this.top);
    const items = [];
    for (const value of log ? logTicks(10 ** low, 10 ** high) : [10 ** 0 * low, (low + high) / 2, high]) {
      items.push({
        line: [
          [LEFT, yOf(value)],
          [width - RIGHT, yOf(value)],
        ],
        colour: line,
        width: 1,
      });
      items.push({ text: show(value, 3), x: LEFT - 8, y: yOf(value), colour: muted, size: 11, align: "end" });
    }
    const unit = curve.unit ? ` (${curve.unit})` : "";
    const title = `${curve.label}${unit}${log ? ", log axis" : ""}`;
    items.push({ text: title, x: LEFT, y: 8, colour: muted, size: 11, align: "start" });
    if (curve.best !== null) {
      const x = this.xOf(this.timeOfStep(curve.best)),
        crowded = x - BEST_WIDTH < LEFT + title.length * 5.8;
      items.push({
        line: [
          [x, crowded ? this.top - 4 : 14],
          [x, floor],
        ],
        colour: css(theme.ink),
        width: 1,
        dash: [3, 3],
      });
      this.best = { text: `best step ${count(curve.best)}`, x, y: this.shares + (crowded ? this.top + 2 : 8) };
    }
    const ends = [];
    for (const [name, colour, thick] of [
      ["train", css(theme.muted), 1.4],
      ["eval", css(theme.primary), 2],
    ]) {
      const points = [];
      curve.steps.forEach((step, k) => {
        if (Number.isFinite(curve[name][k])) points.push([this.xOf(this.timeOfStep(step)), yOf(curve[name][k])]);
      });
      if (!points.length) continue;
      items.push({ line: points, colour, width: thick });
      const [x, y] = points[points.length - 1];
      ends.push({ text: name, x: x + 6, y, colour, size: 11, align: "start", weight: 600 });
    }
    if (ends.length === 2 && Math.abs(ends[0].y - ends[1].y) < 12) {
      const upper = ends[0].y <= ends[1].y ? 0 : 1,
        middle = (ends[0].y + ends[1].y) / 2;
      ends[upper].y = middle - 6.5;
      ends[1 - upper].y = middle + 6.5;
    }
    return [...items, ...ends];
  }

  // Shares between 0 and 100 %, told apart by colour and by dash.
  shareItems(theme, line, muted, width) {
    const items = [],
      floor = this.shares - 6,
      top = 22 + this.names;
    const yOf = (share) => floor - share * (floor - top);
    for (const share of [0, 0.5, 1]) {
      items.push({ line: [[LEFT, yOf(share)], [width - RIGHT, yOf(share)]], colour: line, width: 1 });
      items.push({ text: `${100 * share} %`, x: LEFT - 8, y: yOf(share), colour: muted, size: 10, align: "end" });
    }
    this.cloud.shares.forEach(({ name, steps, values }, k) => {
      const colour = css(groupColour(k % GROUPS, theme)),
        dash = DASHES[k % DASHES.length];
      const points = [];
      steps.forEach((step, i) => {
        if (Number.isFinite(values[i])) points.push([this.xOf(this.timeOfStep(step)), yOf(values[i])]);
      });
      if (points.length) items.push({ line: points, colour, width: 1.6, dash });
      const { x, y } = this.named[k];
      items.push({ line: [[x, y], [x + 20, y]], colour, width: 1.6, dash });
      items.push({ text: name, x: x + SAMPLE, y, colour: css(theme.ink), size: 11, align: "start" });
    });
    return items;
  }
}

function logTicks(low, high) {
  const all = [];
  for (let p = Math.floor(Math.log10(low)); p <= Math.ceil(Math.log10(high)); p++) {
    for (const m of [1, 2, 5]) if (m * 10 ** p >= low * 0.999 && m * 10 ** p <= high * 1.001) all.push(m * 10 ** p);
  }
  const tens = all.filter((value) => Math.abs(Math.log10(value) % 1) < 1e-9);
  const chosen = tens.length >= 2 ? tens : all.length >= 2 ? all : [low, high];
  return chosen.filter((_, k) => k % Math.ceil(chosen.length / 4) === 0);
}

// Items moved down by some pixels.
function lowered(items, by) {
  return items.map((item) =>
    item.line ? { ...item, line: item.line.map(([x, y]) => [x, y + by]) } : { ...item, y: item.y + by },
  );
}
