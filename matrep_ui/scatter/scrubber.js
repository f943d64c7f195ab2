// The way through the steps: a slider that is the loss curve. Every frame has the same width on it, so that each
// press of a key and each second of play moves as much; frames lie close at first and wide later, as on a log axis.
// Calls on.time(time) while moving and on.rest(frame) when it has come to rest.

import { css } from "./colour.js";
import { el, icon, ICONS } from "./dom.js";
import { count, show } from "./numbers.js";
import { paint } from "./paint.js";

const LEFT = 62,
  RIGHT = 46,
  TOP = 20,
  FOOT = 22;
const CURVE_HEIGHT = 118,
  PLAIN_HEIGHT = 44,
  MARKS_HEIGHT = 22;
const SPEEDS = [0.25, 0.5, 1, 2, 4];
const FRAMES_A_SECOND = 10;
const REST_AFTER_KEY = 350; // ms without a further key

export class Scrubber {
  constructor(on) {
    this.on = on;
    this.time = 0;
    this.playing = null;
    this.speed = 1;
    this.button = el("button", { type: "button", class: "play", title: "Play (space)", onclick: () => this.toggle() });
    this.speedButton = el("button", {
      type: "button",
      class: "speed",
      title: "Speed of play",
      onclick: () => this.setSpeed(SPEEDS[(SPEEDS.indexOf(this.speed) + 1) % SPEEDS.length]),
    });
    this.canvas = el("canvas", { "aria-hidden": "true" });
    this.cursor = el("div", { class: "cursor" });
    this.marks = el("div", { class: "marks" });
    this.track = el(
      "div",
      { class: "track", tabindex: "0", role: "slider", "aria-label": "Training step", "aria-valuemin": "0" },
      this.canvas,
      this.cursor,
    );
    this.readout = el("div", { class: "readout" });
    this.element = el(
      "div",
      { class: "scrub", hidden: true },
      el("div", { class: "scrub-side" }, this.button, this.speedButton),
      el("div", { class: "scrub-main" }, this.track, this.marks, this.readout),
    );
    this.listen();
    this.setSpeed(1);
    this.setPlaying(false);
  }

  setCloud(cloud) {
    this.cloud = cloud;
    this.element.hidden = cloud.last < 1;
    this.top = TOP + (cloud.marks.length ? MARKS_HEIGHT : 0);
    this.height = (cloud.curve ? CURVE_HEIGHT : PLAIN_HEIGHT) + this.top - TOP;
    this.track.style.height = `${this.height}px`;
    this.track.setAttribute("aria-valuemax", String(cloud.last));
    this.marks.replaceChildren(
      ...cloud.marks.map((mark, k) =>
        el("button", {
          type: "button",
          class: "mark",
          text: String(k + 1),
          title: `Step ${count(mark.step)}: ${mark.label}`,
          "aria-label": `Go to step ${count(mark.step)}: ${mark.label}`,
          onclick: () => this.goTo(cloud.frameOfStep(mark.step)),
        }),
      ),
    );
    this.drawn = null;
  }

  get inner() {
    return Math.max(this.track.clientWidth - LEFT - RIGHT, 10);
  }

  xOf(time) {
    return LEFT + (this.cloud.last ? time / this.cloud.last : 0) * this.inner;
  }

  timeOfStep(step) {
    const { steps, last } = this.cloud;
    if (step <= steps[0]) return 0;
    for (let i = 1; i <= last; i++) {
      if (step <= steps[i]) return i - (steps[i] - step) / (steps[i] - steps[i - 1] || 1);
    }
    return last;
  }

  // Show a time without telling anybody.
  setTime(time) {
    this.time = time;
    if (!this.cloud || this.element.hidden) return;
    const { steps, curve } = this.cloud;
    const frame = Math.round(time),
      between = Math.abs(time - frame) > 1e-6;
    const { first, second, share } = this.cloud.around(time);
    const step = between ? Math.round(steps[first] + (steps[second] - steps[first]) * share) : steps[frame];
    this.cursor.style.transform = `translateX(${this.xOf(time)}px)`;
    this.cursor.classList.toggle("between", between);
    const parts = [`Step ${count(step)}`];
    if (curve) {
      const k = nearest(curve.steps, step);
      for (const name of ["train", "eval"]) {
        if (Number.isFinite(curve[name][k]))
          parts.push(`${name} ${show(curve[name][k], 3)}${curve.unit ? ` ${curve.unit}` : ""}`);
      }
    }
    this.stampText = between
      ? `between steps ${count(steps[first])} and ${count(steps[second])}`
      : parts[0].toLowerCase();
    const place = between
      ? `in-between: positions mixed from steps ${count(steps[first])} and ${count(steps[second])}`
      : `frame ${count(frame + 1)} of ${count(steps.length)}`;
    this.readout.replaceChildren(
      el("strong", { text: parts[0] }),
      ...parts.slice(1).map((text) => el("span", { text })),
      el("span", { class: between ? "between-note" : "frame-note", text: place }),
    );
    this.track.setAttribute("aria-valuenow", String(frame));
    this.track.setAttribute("aria-valuetext", `${parts.join(", ")}, ${place}`);
  }

  // Move to a frame at once and come to rest there.
  goTo(frame) {
    this.stop();
    this.on.time(frame);
    this.on.rest(frame);
  }

  listen() {
    const { track } = this;
    const timeAt = (event) => {
      const x = event.clientX - track.getBoundingClientRect().left - LEFT;
      return Math.min(Math.max(x / this.inner, 0), 1) * this.cloud.last;
    };
    track.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      this.stop(false);
      track.setPointerCapture(event.pointerId);
      this.dragging = true;
      this.on.time(timeAt(event));
    });
    track.addEventListener("pointermove", (event) => this.dragging && this.on.time(timeAt(event)));
    const release = () => {
      if (!this.dragging) return;
      this.dragging = false;
      this.goTo(Math.round(this.time)); // at rest only true frames are shown
    };
    track.addEventListener("pointerup", release);
    track.addEventListener("pointercancel", release);
    track.addEventListener("keydown", (event) => this.key(event));
  }

  // Also given the keys of the picture that are meant for the scrubber; says whether it took the key.
  key(event) {
    const frame = Math.round(this.time),
      { last } = this.cloud;
    const to = {
      ArrowRight: frame + 1,
      ArrowUp: frame + 1,
      ArrowLeft: frame - 1,
      ArrowDown: frame - 1,
      PageUp: frame + 10,
      PageDown: frame - 10,
      Home: 0,
      End: last,
    }[event.key];
    if (event.key === " ") this.toggle();
    else if (to === undefined) return false;
    else {
      this.stop(false);
      this.on.time(Math.min(Math.max(to, 0), last));
      clearTimeout(this.resting);
      this.resting = setTimeout(() => this.on.rest(Math.round(this.time)), REST_AFTER_KEY);
    }
    event.preventDefault();
    return true;
  }

  setSpeed(speed) {
    this.speed = speed;
    this.speedButton.textContent = `${speed}×`;
    this.speedButton.setAttribute("aria-label", `Speed of play ${speed} times`);
  }

  setPlaying(playing) {
    this.button.replaceChildren(icon(...(playing ? ICONS.pause : ICONS.play)));
    this.button.setAttribute("aria-label", playing ? "Pause" : "Play");
    this.element.classList.toggle("playing", playing);
  }

  toggle() {
    if (this.playing) {
      this.goTo(Math.round(this.time));
      return;
    }
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    let time = this.time >= this.cloud.last ? 0 : this.time,
      before = performance.now();
    const tick = (now) => {
      time += Math.min(Math.max(now - before, 0) / 1000, 0.1) * FRAMES_A_SECOND * this.speed;
      before = now; // the first time stamp may lie before the press
      if (time >= this.cloud.last) {
        this.goTo(this.cloud.last);
        return;
      }
      this.on.time(calm ? Math.floor(time) : time);
      this.playing = requestAnimationFrame(tick);
    };
    this.setPlaying(true);
    this.playing = requestAnimationFrame(tick);
  }

  stop() {
    clearTimeout(this.resting);
    if (this.playing) cancelAnimationFrame(this.playing);
    this.playing = null;
    this.setPlaying(false);
  }

  // Draw the curve, only where the data, the size or the theme changed.
  draw(theme, ratio) {
    if (!this.cloud || this.element.hidden) return;
    const key = [this.cloud, theme, ratio, this.track.clientWidth];
    if (this.drawn && key.every((value, k) => value === this.drawn[k])) return;
    this.drawn = key;
    const { canvas, height } = this,
      width = this.track.clientWidth;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    paint(context, this.items(theme, width, height), theme.font);
    [...this.marks.children].forEach((button, k) => {
      button.style.left = `${this.xOf(this.timeOfStep(this.cloud.marks[k].step))}px`;
    });
    this.setTime(this.time);
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
          [x, this.top - MARKS_HEIGHT],
          [x, floor],
        ],
        colour: css(theme.grey),
        width: 1,
        dash: [1, 3],
      });
    }
    if (curve) items.push(...this.curveItems(theme, floor, muted, line, width));
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
        right = x > LEFT + this.inner * 0.7;
      const crowded = x - (right ? 100 : 0) < LEFT + title.length * 5.8;
      items.push({
        line: [
          [x, crowded ? this.top - 4 : 14],
          [x, floor],
        ],
        colour: css(theme.ink),
        width: 1,
        dash: [3, 3],
      });
      items.push({
        text: `best step ${count(curve.best)}`,
        x: x + (right ? -5 : 5),
        y: crowded ? this.top : 8,
        colour: css(theme.ink),
        size: 11,
        align: right ? "end" : "start",
        halo: css(theme.background),
      });
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

function nearest(sorted, wanted) {
  let low = 0,
    high = sorted.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < wanted) low = middle + 1;
    else high = middle;
  }
  return low > 0 && wanted - sorted[low - 1] < sorted[low] - wanted ? low - 1 : low;
}
