// The way through the steps: a slider that is the loss curve. Every frame has the same width on it, so that each
// press of a key and each second of play moves as much; frames lie close at first and wide later, as on a log axis.
// Calls on.time(time) while moving, on.rest(frame) when it has come to rest, on.flags(steps) for the reader's marks.

import { css } from "./colour.js";
import { el, icon, ICONS } from "./dom.js";
import { count, show } from "./numbers.js";
import { paint } from "./paint.js";
import { LEFT, Track } from "./track.js";

const LETTERS = ["A", "B"];
const SPEEDS = [0.25, 0.5, 1, 2, 4];
const FRAMES_A_SECOND = 10;
const REST_AFTER_KEY = 350; // ms without a further key

export class Scrubber {
  constructor(on) {
    this.on = on;
    this.time = 0;
    this.playing = null;
    this.wanted = true; // false where a linked view has the scrubber
    this.graph = new Track();
    this.flags = new Map(); // letter -> frame
    this.flagElements = new Map(LETTERS.map((letter) => [letter, el("div", { class: "flag", text: letter, hidden: true })]));
    this.flagButtons = LETTERS.map((letter) => {
      const title = `Mark ${letter} at this step (${letter.toLowerCase()}): what moved most between A and B is listed`;
      const button = el("button", {
        type: "button",
        class: "flag-button",
        text: letter,
        title,
        "aria-label": title,
        onclick: () => this.flag(letter),
      });
      button.dataset.flag = letter;
      return button;
    });
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
    this.best = el("div", { class: "best", hidden: true });
    this.marks = el("div", { class: "marks" });
    this.track = el(
      "div",
      { class: "track", tabindex: "0", role: "slider", "aria-label": "Training step", "aria-valuemin": "0" },
      this.canvas,
      ...this.flagElements.values(),
      this.best,
      this.cursor,
    );
    this.readout = el("div", { class: "readout" });
    this.events = el("div", { class: "events" });
    this.element = el(
      "div",
      { class: "scrub", hidden: true },
      el(
        "div",
        { class: "scrub-side" },
        this.button,
        this.speedButton,
        el("span", { class: "flag-buttons" }, ...this.flagButtons),
      ),
      el("div", { class: "scrub-main" }, this.track, this.marks, this.readout, this.events),
    );
    this.listen();
    this.setSpeed(1);
    this.setPlaying(false);
  }

  setCloud(cloud) {
    this.cloud = cloud;
    this.element.hidden = cloud.last < 1 || !this.wanted;
    this.graph.setCloud(cloud);
    this.sized();
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
    this.events.hidden = !cloud.marks.length;
    this.events.textContent = cloud.marks.map((mark, k) => `${k + 1} ${mark.label} (step ${count(mark.step)})`).join(" · ");
    this.drawn = null;
  }

  sized() {
    this.track.style.height = `${this.graph.height}px`;
    this.element.style.setProperty("--shares", `${this.graph.shares}px`);
  }

  // The two frames that the reader has marked, as far as they are, in their order.
  flagged() {
    return [...this.flags.values()].sort((a, b) => a - b);
  }

  // Set a mark (A or B) at the frame shown, or take it away where it stands there already.
  flag(letter) {
    const frame = Math.round(this.time);
    if (this.flags.get(letter) === frame) this.flags.delete(letter);
    else this.flags.set(letter, frame);
    this.flagsChanged();
    this.on.flags(this.flagged().map((each) => this.cloud.steps[each]));
  }

  // Set the marks to steps, as Python, the address or a linked view tells.
  setFlags(steps) {
    this.flags = new Map(steps.slice(0, 2).map((step, k) => [LETTERS[k], this.cloud.frameOfStep(step)]));
    this.flagsChanged();
  }

  flagsChanged() {
    for (const [letter, element] of this.flagElements) {
      const frame = this.flags.get(letter);
      element.hidden = frame === undefined;
      if (frame !== undefined) element.style.transform = `translateX(${this.graph.xOf(frame)}px)`;
    }
    for (const button of this.flagButtons)
      button.setAttribute("aria-pressed", String(this.flags.has(button.dataset.flag)));
  }

  // Show a time without telling anybody.
  setTime(time) {
    this.time = time;
    if (!this.cloud) return;
    const { steps, curve } = this.cloud;
    const frame = Math.round(time),
      between = Math.abs(time - frame) > 1e-6;
    const { first, second, share } = this.cloud.around(time);
    const step = between ? Math.round(steps[first] + (steps[second] - steps[first]) * share) : steps[frame];
    this.cursor.style.transform = `translateX(${this.graph.xOf(time)}px)`;
    this.placeBest(this.graph.xOf(time));
    this.cursor.classList.toggle("between", between);
    const parts = [`Step ${count(step)}`];
    if (curve) {
      const k = nearest(curve.steps, step);
      for (const name of ["train", "eval"]) {
        if (Number.isFinite(curve[name][k]))
          parts.push(`${name} ${show(curve[name][k], 3)}${curve.unit ? ` ${curve.unit}` : ""}`);
      }
    }
    this.shareTexts = this.cloud.shares.flatMap(({ name, steps: at, values }) => {
      const value = values[nearest(at, step)];
      return Number.isFinite(value) ? [`${name} ${Math.round(100 * value)} %`] : [];
    });
    parts.push(...this.shareTexts);
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

  // The words of the best step stand beside its line, on the side where the cursor does not cross them.
  placeBest(cursor) {
    const { best, width } = this.graph;
    if (!best || this.best.hidden) return;
    const long = this.bestWidth,
      right = Math.min(best.x + 5, width - long),
      sides = right < best.x + 5 ? [best.x - 5 - long, right] : [right, best.x - 5 - long];
    const left = sides.find((side) => cursor < side - 2 || cursor > side + long + 2) ?? sides[0];
    this.best.style.transform = `translate(${left}px, ${best.y - 7}px)`;
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
      return Math.min(Math.max(x / this.graph.inner, 0), 1) * this.cloud.last;
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
    else if (LETTERS.includes(event.key.toUpperCase()) && !event.ctrlKey && !event.metaKey) this.flag(event.key.toUpperCase());
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
    this.graph.fit(this.track.clientWidth, theme.font);
    this.sized();
    const { canvas, graph } = this,
      { width, height } = graph;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    paint(context, graph.items(theme, width, height), theme.font);
    [...this.marks.children].forEach((button, k) => {
      button.style.left = `${this.graph.xOf(this.cloud.timeOfStep(this.cloud.marks[k].step))}px`;
    });
    this.best.hidden = !graph.best;
    this.best.textContent = graph.best?.text ?? "";
    this.bestWidth = this.best.offsetWidth;
    this.flagsChanged();
    this.setTime(this.time);
  }
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
