// The viewer: holds what is looked at and what is selected, and lets the parts draw it. One for each view mount.

import { assemble } from "./cloud.js";
import { FlatCamera, OrbitCamera } from "./camera.js";
import { Scene, radiusFor } from "./scene.js";
import { GlRenderer } from "./gl.js";
import { CanvasRenderer } from "./canvas2d.js";
import { css, palette, readTheme } from "./colour.js";
import { MARGIN, deepAxes, flatAxes } from "./axes.js";
import { paint } from "./paint.js";
import { overlayItems } from "./overlay.js";
import { pointAt, pointTowards, pointsInside } from "./picking.js";
import { Card, counted, sentenceOf } from "./card.js";
import { Legend } from "./legend.js";
import { Search } from "./search.js";
import { Scrubber } from "./scrubber.js";
import { Toolbar } from "./toolbar.js";
import { listen } from "./pointer.js";
import { count } from "./numbers.js";
import { el } from "./dom.js";

let styles = "";

export function setStyles(text) {
  styles = text;
}

export function createViewer(parent) {
  return new Viewer(parent);
}

const STRIP = [-0.55, 1.1]; // height of the strip of one axis: the points below, their density above
const KEY_ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

class Viewer {
  constructor(parent) {
    this.known = new Map(); // decoded parts
    this.scene = new Scene();
    this.flat = new FlatCamera();
    this.orbit = new OrbitCamera();
    this.selected = [];
    this.hover = this.cursor = -1;
    this.found = null;
    this.hidden = new Map(); // colour column name -> Set of codes
    this.colourIndex = 0;
    this.tool = "pan";
    this.trails = true;
    this.equal = true; // units of all axes equally long
    this.lasso = null;
    this.ask = null;
    this.dirty = {};
    this.build(parent);
    this.observer = new ResizeObserver(() => this.resized());
    this.observer.observe(this.stage);
    this.onWindow = () => this.resized(); // a change of the browser's zoom changes the pixel ratio
    window.addEventListener("resize", this.onWindow);
  }

  build(parent) {
    this.search = new Search((found) => this.queried(found), (point) => this.chosen(point));
    this.toolbar = new Toolbar({
      colour: (index) => this.setColour(index),
      axes: (axes) => this.setAxes(axes),
      tool: (name) => this.setTool(name),
      trails: () => this.setTrails(!this.trails),
      equal: () => this.setEqual(!this.equal),
      zoom: (factor) => this.zoom(factor, this.scene.width / 2, this.scene.height / 2),
      frame: () => this.frameSelected(),
      reset: () => this.reset(),
      full: () => this.toggleFull(),
    });
    this.legend = new Legend((code, alone) => this.toggleGroup(code, alone));
    this.scrubber = new Scrubber({ time: (time) => this.setTime(time), rest: () => this.report() });
    this.card = new Card();
    this.under = el("canvas", { class: "under" });
    this.points = el("canvas", { class: "points" });
    this.over = el("canvas", { class: "over" });
    this.surface = el("div", {
      class: "surface", tabindex: "0", role: "application", onkeydown: (event) => this.key(event),
      onblur: () => this.setCursor(-1),
    });
    this.stamp = el("div", { class: "stamp", "aria-hidden": "true" });
    this.message = el("p", { class: "message", text: "The data is on its way to the browser." });
    this.stage = el("div", { class: "stage" }, this.under, this.points, this.over, this.surface, this.stamp, this.card.element, this.message);
    this.status = el("span", { class: "status" });
    this.clear = el("button", { type: "button", class: "clear", text: "Clear", title: "Clear the selection (Escape)", onclick: () => this.select([]) });
    this.live = el("div", { class: "live", "aria-live": "polite", role: "status" });
    this.root = el("section", { class: "matrep" },
      el("div", { class: "top" }, this.search.element, this.toolbar.element),
      el("div", { class: "middle" }, this.stage, el("aside", { class: "side" }, this.legend.element)),
      this.scrubber.element,
      el("div", { class: "foot" }, this.status, this.clear), this.live);
    // Streamlit's own one-letter shortcuts must not take what is typed here.
    this.root.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Escape" && !event.defaultPrevented) this.select([]);
    });
    this.styleElement = el("style", { text: styles });
    parent.append(this.styleElement, this.root);
    listen(this.surface, {
      hover: (x, y) => this.hovered(x, y),
      leave: () => this.setHover(-1),
      click: (x, y, add) => this.clicked(x, y, add),
      drag: (dx, dy, other) => this.dragged(dx, dy, other),
      dragEnd: () => this.root.classList.remove("dragging"),
      zoom: (factor, x, y) => this.zoom(factor, x, y),
      lasso: (path, done, add) => this.lassoed(path, done, add),
      reset: () => this.reset(),
    }, () => this.tool === "lasso");
    this.makeRenderer();
  }

  makeRenderer() {
    this.renderer = GlRenderer.create(this.points) ?? CanvasRenderer.create(this.points);
    this.root.dataset.renderer = this.renderer?.name ?? "none";
    this.points.addEventListener("webglcontextlost", (event) => event.preventDefault());
    this.points.addEventListener("webglcontextrestored", () => {
      this.renderer.build();
      this.paletteChanged();
    });
  }

  // Called for every change of the options, the data or the theme; cheap where nothing changed.
  update(component, parts) {
    this.component = component;
    const options = component.data;
    if (!this.renderer) {
      this.message.textContent = "This browser offers neither WebGL2 nor a canvas, so the map cannot be drawn. The tables on this page hold the same numbers.";
      return;
    }
    this.stage.style.height = `${options.height}px`;
    this.surface.setAttribute("aria-roledescription", "map of points");
    this.label = options.label;
    this.retheme();
    const partsKey = JSON.stringify(options.parts);
    if (partsKey !== this.partsKey) {
      if (Object.values(options.parts).some((id) => parts.get(id)?.failed)) {
        this.message.textContent = "This browser is too old to unpack the data of the map. The tables on this page hold the same numbers.";
        return;
      }
      const cloud = assemble(options.parts, parts, this.known);
      if (!cloud) return; // the rest is still on its way; the hub calls again
      this.partsKey = partsKey;
      this.setCloud(cloud, options);
    }
    if (options.ask && options.ask.id !== this.ask) this.obey(options.ask);
  }

  setCloud(cloud, options) {
    const before = this.scene.cloud, { start } = options;
    const ids = before ? this.selected.map((i) => before.ids[i]) : start.selected;
    const step = before ? before.steps[this.scene.frame] : start.step;
    const colour = before ? before.colours[this.colourIndex]?.name : start.colour;
    const atEnd = before && before.last > 0 && this.scene.time === before.last;
    this.scene.setCloud(cloud);
    this.selected = ids.map((id) => cloud.indexOf.get(id)).filter((i) => i !== undefined);
    this.hover = this.cursor = -1;
    this.colourIndex = Math.max(0, cloud.colours.findIndex((column) => column.name === colour));
    this.scene.colour = cloud.colours[this.colourIndex] ?? null;
    this.scene.time = step === null || step === undefined || atEnd ? cloud.last : cloud.frameOfStep(step);
    this.toolbar.setCloud(cloud);
    this.search.setCloud(cloud);
    this.scrubber.setCloud(cloud);
    const used = new Set([...cloud.chunks.map((c) => c.q), ...cloud.colours.map((c) => c.codes), cloud.spread, this.scene.states, this.scene.order]);
    this.renderer.keepOnly(used);
    this.message.hidden = cloud.count > 0;
    this.message.textContent = `There are no ${cloud.noun} to show.`;
    const axesHold = before && before.space === cloud.space && before.dims === cloud.dims;
    if (axesHold) {
      this.cameraChanged();
    } else {
      this.scene.axes = cloud.dims === 1 ? [0] : [0, 1];
      this.fitted = false;
      this.resized();
    }
    this.paletteChanged();
    this.timeChanged();
    this.selectionShown();
  }

  // What Python asked for with steer(): once each.
  obey(ask) {
    this.ask = ask.id;
    const { cloud } = this.scene;
    if (!cloud) return;
    if (ask.step !== null) this.setTime(cloud.frameOfStep(ask.step));
    if (ask.selected !== null) {
      this.selected = ask.selected.map((id) => cloud.indexOf.get(id)).filter((i) => i !== undefined);
      this.selectionShown();
      if (this.selected.length === 1) this.bringIntoView(this.selected[0]);
    }
  }

  // Tell Python, at the end of an action.
  report() {
    const { cloud } = this.scene;
    this.component.setStateValue("view", {
      selected: this.selected.map((i) => cloud.ids[i]),
      step: cloud.steps[this.scene.frame],
      colour: this.scene.colour?.name ?? null,
      axes: this.scene.axes,
      ask: this.ask,
    });
  }

  // ---- theme, size, camera

  retheme() {
    const theme = readTheme(this.root);
    const key = JSON.stringify(theme);
    if (key === this.themeKey) return;
    this.themeKey = key;
    this.scene.theme = theme;
    this.root.dataset.theme = theme.dark ? "dark" : "light";
    this.root.style.setProperty("--line", css(theme.line));
    this.root.style.setProperty("--muted", css(theme.muted));
    this.root.style.setProperty("--grey", css(theme.grey));
    if (this.scene.cloud) this.paletteChanged();
  }

  get camera() {
    return this.scene.deep ? this.orbit : this.flat;
  }

  resized() {
    const width = this.stage.clientWidth, height = this.stage.clientHeight;
    if (!width || !height) return;
    this.root.classList.toggle("narrow", this.root.clientWidth < 640);
    const deep = this.scene.deep, before = this.scene.width;
    const left = deep ? 0 : MARGIN.left, top = deep ? 0 : MARGIN.top;
    this.scene.width = Math.max(1, width - left - (deep ? 0 : MARGIN.right));
    this.scene.height = Math.max(1, height - top - (deep ? 0 : MARGIN.bottom));
    this.scene.ratio = Math.min(window.devicePixelRatio || 1, 3);
    for (const layer of [this.points, this.over, this.surface]) {
      Object.assign(layer.style, { left: `${left}px`, top: `${top}px`, width: `${this.scene.width}px`, height: `${this.scene.height}px` });
    }
    this.renderer?.resize(Math.round(this.scene.width * this.scene.ratio), Math.round(this.scene.height * this.scene.ratio));
    if (this.scene.cloud && !this.fitted) this.refit();
    else if (this.scene.cloud && before > 1) this.flat.resize(Math.min(this.scene.width / before, 4) || 1);
    this.cameraChanged();
  }

  refit() {
    const { cloud, axes, width, height } = this.scene;
    if (!cloud?.count || width <= 1) return;
    const bounds = axes.map((axis) => cloud.bounds[axis]);
    if (axes.length === 1) bounds.push(STRIP);
    this.camera.equal = this.equal && axes.length > 1;
    this.camera.fit(bounds, width, height);
    this.fitted = true;
    this.cameraChanged();
  }

  reset() {
    this.refit();
  }

  // Fill the picture with the selected points, or with all points of this step where none is selected.
  frameSelected() {
    const { cloud, axes, frame, width, height } = this.scene;
    if (!cloud?.count) return;
    const bounds = cloud.boundsAt(frame, axes, this.selected);
    if (axes.length === 1) bounds.push(STRIP);
    if (this.selected.length === 1) this.camera.focus(this.scene.positionOf(this.selected[0]), width, height);
    else this.camera.frame(bounds, width, height);
    this.cameraChanged();
  }

  toggleFull() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.root.requestFullscreen?.();
  }

  cameraChanged() {
    const { scene } = this;
    if (!scene.cloud || !this.fitted) return;
    scene.seen(this.camera.matrix(scene.width, scene.height));
    scene.radius = radiusFor(scene.cloud.count, this.camera.zoom, scene.width, scene.height);
    scene.opacity = scene.cloud.count > 20_000 ? 0.75 : 0.92;
    if (scene.deep) this.resort();
    this.root.dataset.view = this.camera.summary();
    this.mark("under", "points", "over");
  }

  resort() {
    this.scene.sort();
    this.renderer.forget(this.scene.order);
  }

  setAxes(axes) {
    this.scene.axes = axes;
    this.scene.moved();
    this.fitted = false;
    this.resized();
    this.regroup();
    this.report();
  }

  setEqual(equal) {
    this.equal = equal;
    this.refit();
    this.toolbarShown();
  }

  setTool(name) {
    this.tool = name;
    this.root.dataset.tool = name;
    this.toolbarShown();
  }

  setTrails(shown) {
    this.trails = shown;
    this.toolbarShown();
    this.mark("over");
  }

  zoom(factor, x, y) {
    this.camera.zoomAt(factor, x, y, this.scene.width, this.scene.height);
    this.card.hide();
    this.cameraChanged();
  }

  dragged(dx, dy, other) {
    this.root.classList.add("dragging");
    if (this.scene.deep && !other) this.orbit.orbit(dx, dy);
    else this.camera.pan(dx, dy);
    this.cameraChanged();
  }

  bringIntoView(point) {
    const at = this.scene.projected(), x = at[3 * point], y = at[3 * point + 1];
    const { width, height } = this.scene;
    if (x > width * 0.08 && x < width * 0.92 && y > height * 0.08 && y < height * 0.92) return;
    this.camera.focus(this.scene.positionOf(point), width, height);
    this.cameraChanged();
  }

  // ---- time and colour

  setTime(time) {
    this.scene.time = time;
    this.timeChanged();
  }

  timeChanged() {
    const { scene } = this;
    scene.moved();
    if (scene.colour?.moving && scene.frame !== this.colouredFrame) this.regroup();
    else if (scene.deep) this.resort();
    this.colouredFrame = scene.frame;
    this.scrubber.setTime(scene.time);
    this.stamp.textContent = scene.cloud.last > 0 ? this.scrubber.stampText : "";
    this.root.dataset.step = scene.cloud.steps[scene.frame];
    this.root.dataset.between = String(Math.abs(scene.time - scene.frame) > 1e-6);
    this.card.hide();
    this.mark("points", "over");
  }

  setColour(index) {
    this.colourIndex = index;
    this.scene.colour = this.scene.cloud.colours[index];
    this.paletteChanged();
    this.report();
  }

  paletteChanged() {
    this.table = palette(this.scene.colour, this.scene.theme);
    this.renderer.setPalette(this.table);
    this.regroup();
    this.mark("under", "points", "over");
  }

  get hiddenCodes() {
    const name = this.scene.colour?.name ?? "";
    if (!this.hidden.has(name)) this.hidden.set(name, new Set());
    return this.hidden.get(name);
  }

  toggleGroup(code, alone) {
    const hidden = this.hiddenCodes;
    if (code === null) {
      hidden.clear();
    } else if (alone) {
      const others = [...this.legend.buttons.keys()].filter((other) => other !== code);
      const already = others.length > 0 && others.every((other) => hidden.has(other));
      hidden.clear();
      if (!already) others.forEach((other) => hidden.add(other));
    } else if (!hidden.delete(code)) {
      hidden.add(code);
    }
    this.regroup();
  }

  // Layers and drawing order of all points, and the legend.
  regroup() {
    const { scene } = this;
    if (!scene.matrix) return;
    const hidden = this.hiddenCodes;
    scene.classify(this.selected, this.found, (code) => !hidden.has(code));
    this.renderer.forget(scene.states);
    this.renderer.forget(scene.order);
    this.legend.update(scene, this.table, hidden);
    this.root.dataset.hidden = [...hidden].join(" ");
    this.toolbarShown();
    this.mark("points", "over");
  }

  toolbarShown() {
    this.toolbar.show({
      colourIndex: this.colourIndex, axes: this.scene.axes, tool: this.tool, trails: this.trails,
      equal: this.equal, selected: this.selected.length,
    });
  }

  // ---- selection

  queried(found) {
    this.found = found;
    const hits = found ? found.reduce((sum, flag) => sum + flag, 0) : 0;
    if (found) this.root.dataset.found = hits;
    else delete this.root.dataset.found;
    this.regroup();
  }

  // A point was chosen from the search list.
  chosen(point) {
    this.select([point]);
    this.camera.focus(this.scene.positionOf(point), this.scene.width, this.scene.height);
    this.cameraChanged();
    this.announce(point);
  }

  clicked(x, y, add) {
    const point = pointAt(this.scene, x, y);
    if (point >= 0) this.pick(point, add);
  }

  pick(point, add) {
    if (!add) this.select([point]);
    else if (this.selected.includes(point)) this.select(this.selected.filter((i) => i !== point));
    else this.select([...this.selected, point]);
  }

  lassoed(path, done, add) {
    this.lasso = done ? null : path;
    this.mark("over");
    if (!done || path.length < 3) return;
    const inside = pointsInside(this.scene, path);
    this.select(add ? [...new Set([...this.selected, ...inside])] : inside);
    this.live.textContent = `${counted(this.selected.length, this.scene.cloud.noun)} selected.`;
  }

  select(points) {
    if (!points.length && !this.selected.length) return;
    this.selected = points;
    this.selectionShown();
    this.report();
  }

  selectionShown() {
    const { cloud } = this.scene, number = this.selected.length;
    this.regroup();
    this.root.dataset.selected = this.selected.slice(0, 100).map((i) => cloud.ids[i]).join(" ");
    this.root.dataset.selectedCount = number;
    const names = this.selected.slice(0, 3).map((i) => cloud.nameOf(i)).join(", ");
    this.status.textContent = number === 0
      ? "Click a point to select it, shift-click to add one, shift-drag to draw around many."
      : `Selected: ${names}${number > 3 ? ` and ${count(number - 3)} more` : ""}`;
    this.clear.hidden = number === 0;
    const what = `${this.label}: ${counted(cloud.count, cloud.noun)}, ${number} selected.`;
    this.surface.setAttribute("aria-label",
      `${what} Arrow keys walk from point to point, Enter selects, Shift+Enter adds, Escape clears, plus and minus zoom, 0 shows all.`);
  }

  hovered(x, y) {
    this.pointer = [x, y];
    if (!this.scene.matrix || this.hoverPlanned) return;
    this.hoverPlanned = requestAnimationFrame(() => {
      this.hoverPlanned = null;
      if (this.scene.cloud && !this.destroyed) this.setHover(pointAt(this.scene, ...this.pointer));
    });
  }

  setHover(point) {
    if (point < 0 && this.hoverPlanned) {
      cancelAnimationFrame(this.hoverPlanned);
      this.hoverPlanned = null;
    }
    if (point === this.hover && (point < 0 || !this.card.element.hidden)) return;
    this.hover = point;
    this.root.dataset.hover = point < 0 ? "" : this.scene.cloud.ids[point];
    if (point < 0) this.card.hide();
    else this.showCard(point);
    this.mark("over");
  }

  showCard(point) {
    const at = this.scene.projected();
    const dx = this.surface.offsetLeft, dy = this.surface.offsetTop;
    this.card.show(this.scene, point, this.table, at[3 * point] + dx, at[3 * point + 1] + dy, this.stage);
  }

  setCursor(point) {
    this.cursor = point;
    if (point < 0) {
      this.card.hide();
    } else {
      this.showCard(point);
      this.announce(point);
    }
    this.root.dataset.cursor = point < 0 ? "" : this.scene.cloud.ids[point];
    this.mark("over");
  }

  announce(point) {
    this.live.textContent = sentenceOf(this.scene, point, this.selected.includes(point));
  }

  key(event) {
    const { scene } = this;
    if (!scene.cloud || event.altKey || event.ctrlKey || event.metaKey) return;
    const arrow = KEY_ARROWS[event.key];
    if (arrow && event.shiftKey) this.dragged(arrow[0] * -24, arrow[1] * -24, !scene.deep);
    else if (arrow) {
      const next = pointTowards(scene, this.cursor, ...arrow);
      if (next >= 0) this.setCursor(next);
    } else if (event.key === "Enter" && this.cursor >= 0) this.pick(this.cursor, event.shiftKey);
    else if (event.key === "Escape") {
      this.setCursor(-1);
      this.select([]);
    } else if (event.key === "+" || event.key === "=") this.zoom(1.25, scene.width / 2, scene.height / 2);
    else if (event.key === "-") this.zoom(0.8, scene.width / 2, scene.height / 2);
    else if (event.key === "0") this.reset();
    else if (event.key === "f") this.frameSelected();
    else if (event.key === "/") this.search.input.focus();
    else if ([" ", "Home", "End", "PageUp", "PageDown"].includes(event.key) && scene.cloud.last > 0) {
      this.scrubber.key(event);
    } else return;
    event.preventDefault();
  }

  // ---- drawing

  mark(...layers) {
    for (const layer of layers) this.dirty[layer] = true;
    this.planned ??= requestAnimationFrame(() => {
      this.planned = null;
      this.draw();
    });
  }

  draw() {
    const { scene, dirty } = this;
    if (!scene.cloud || !scene.matrix || this.destroyed) return;
    this.dirty = {};
    if (dirty.under) {
      const context = this.sized(this.under, this.stage.clientWidth, this.stage.clientHeight);
      const names = scene.axes.map((axis) => scene.cloud.axes[axis]);
      const items = scene.deep
        ? deepAxes(this.orbit, names, scene.width, scene.height, scene.theme)
        : flatAxes(this.flat, names, this.stage.clientWidth, this.stage.clientHeight, scene.theme, scene.axes.length === 1);
      paint(context, items, scene.theme.font);
      this.scrubber.draw(scene.theme, scene.ratio);
    }
    if (dirty.points) this.renderer.draw(scene);
    if (dirty.over) {
      const context = this.sized(this.over, scene.width, scene.height);
      paint(context, overlayItems(scene, this), scene.theme.font);
    }
    this.root.dataset.drawn = Number(this.root.dataset.drawn ?? 0) + 1;
  }

  // A cleared 2D context in CSS pixels.
  sized(canvas, width, height) {
    const { ratio } = this.scene, w = Math.round(width * ratio), h = Math.round(height * ratio);
    if (canvas.width !== w || canvas.height !== h) {
      canvas.width = w;
      canvas.height = h;
    }
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    return context;
  }

  destroy() {
    this.destroyed = true;
    this.scrubber.stop();
    this.observer.disconnect();
    window.removeEventListener("resize", this.onWindow);
    this.renderer?.destroy();
    this.root.remove();
    this.styleElement.remove();
  }
}
