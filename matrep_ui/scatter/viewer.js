// The viewer: holds what is looked at and what is selected, and lets the parts draw it. One for each view mount.

import { assemble } from "./cloud.js";
import { FlatCamera, OrbitCamera, needsStretch } from "./camera.js";
import { Scene, radiusFor } from "./scene.js";
import { GlRenderer } from "./gl.js";
import { CanvasRenderer } from "./canvas2d.js";
import { css, palette, readTheme } from "./colour.js";
import { MARGIN, deepAxes, flatAxes } from "./axes.js";
import { paint } from "./paint.js";
import { overlayItems } from "./overlay.js";
import { pointAt, pointsInside } from "./picking.js";
import { counted } from "./card.js";
import { Pointing } from "./pointing.js";
import { Legend } from "./legend.js";
import { Search } from "./search.js";
import { Scrubber } from "./scrubber.js";
import { Toolbar } from "./toolbar.js";
import { listen } from "./pointer.js";
import { count } from "./numbers.js";
import { Shell } from "./shell.js";
import { saveAs } from "./exporting.js";
import { pressed } from "./keys.js";

export function createViewer(parent, styles) {
  return new Viewer(parent, styles);
}

const STRIP = [-0.55, 1.1]; // height of the strip of one axis: the points below, their density above

class Viewer {
  constructor(parent, styles) {
    this.known = new Map(); // decoded parts
    this.scene = new Scene();
    this.flat = new FlatCamera();
    this.orbit = new OrbitCamera();
    this.selected = [];
    this.found = null;
    this.hidden = new Map(); // colour column name -> Set of codes
    this.colourIndex = 0;
    this.tool = "pan";
    this.trails = true;
    this.equal = null; // units of all axes equally long: true, false, or null as the data asks
    this.lasso = null;
    this.ask = null;
    this.dirty = {};
    this.build(parent, styles);
  }

  build(parent, styles) {
    this.search = new Search(
      (found) => this.queried(found),
      (point) => this.chosen(point),
    );
    this.toolbar = new Toolbar({
      colour: (index) => this.setColour(index),
      axes: (axes) => this.setAxes(axes),
      tool: (name) => this.setTool(name),
      trails: () => this.setTrails(!this.trails),
      equal: () => this.setEqual(!this.camera.equal),
      zoom: (factor) => this.zoom(factor, this.scene.width / 2, this.scene.height / 2),
      frame: () => this.frameSelected(),
      reset: () => this.reset(),
      full: () => this.shell.toggleFull(),
      save: (kind) => saveAs(this, kind),
    });
    this.legend = new Legend((code, alone) => this.toggleGroup(code, alone));
    this.scrubber = new Scrubber({ time: (time) => this.setTime(time), rest: () => this.report() });
    this.pointing = new Pointing(this);
    this.shell = new Shell(
      parent,
      styles,
      {
        search: this.search.element,
        toolbar: this.toolbar.element,
        legend: this.legend.element,
        scrubber: this.scrubber.element,
        card: this.pointing.card.element,
      },
      {
        key: (event) => pressed(this, event),
        blur: () => this.pointing.walkTo(-1),
        clear: () => this.select([]),
        resize: () => this.resized(),
      },
    );
    this.root = this.shell.root;
    listen(
      this.shell.surface,
      {
        hover: (x, y) => this.pointing.moved(x, y),
        leave: () => this.pointing.hoverAt(-1),
        click: (x, y, add) => this.clicked(x, y, add),
        drag: (dx, dy, other) => this.dragged(dx, dy, other),
        dragEnd: () => this.dragEnded(),
        zoom: (factor, x, y) => this.zoom(factor, x, y),
        lasso: (path, done, add) => this.lassoed(path, done, add),
        reset: () => this.reset(),
      },
      () => this.tool === "lasso",
    );
    this.makeRenderer();
  }

  makeRenderer() {
    this.renderer = GlRenderer.create(this.shell.points) ?? CanvasRenderer.create(this.shell.points);
    this.root.dataset.renderer = this.renderer?.name ?? "none";
    this.shell.points.addEventListener("webglcontextlost", (event) => event.preventDefault());
    this.shell.points.addEventListener("webglcontextrestored", () => {
      this.renderer.build();
      this.paletteChanged();
    });
  }

  // Called for every change of the options, the data or the theme; cheap where nothing changed.
  update(component, parts) {
    this.component = component;
    const options = component.data;
    if (!this.renderer) {
      this.shell.message.textContent =
        "This browser offers neither WebGL2 nor a canvas, so the map cannot be drawn. The tables on this page hold the same numbers.";
      return;
    }
    this.root.style.setProperty("--height", `${options.height}px`);
    Object.assign(this, { options, parts, label: options.label, caption: options.caption });
    this.retheme();
    const partsKey = JSON.stringify(options.parts);
    if (partsKey !== this.partsKey) {
      if (Object.values(options.parts).some((id) => parts.get(id)?.failed)) {
        this.shell.message.textContent =
          "This browser is too old to unpack the data of the map. The tables on this page hold the same numbers.";
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
    const before = this.scene.cloud,
      { start } = options;
    const ids = before ? this.selected.map((i) => before.ids[i]) : start.selected;
    const step = before ? before.steps[this.scene.frame] : start.step;
    const colour = before ? before.colours[this.colourIndex]?.name : start.colour;
    const atEnd = before && before.last > 0 && this.scene.time === before.last;
    this.scene.setCloud(cloud);
    this.selected = ids.map((id) => cloud.indexOf.get(id)).filter((i) => i !== undefined);
    this.pointing.forget();
    this.colourIndex = Math.max(
      0,
      cloud.colours.findIndex((column) => column.name === colour),
    );
    this.scene.colour = cloud.colours[this.colourIndex] ?? null;
    this.scene.time = step === null || step === undefined || atEnd ? cloud.last : cloud.frameOfStep(step);
    this.toolbar.setCloud(cloud, options.alone);
    this.search.setCloud(cloud);
    this.scrubber.setCloud(cloud);
    const used = new Set([
      ...cloud.chunks.map((c) => c.q),
      ...cloud.colours.map((c) => c.codes),
      cloud.spread,
      this.scene.states,
      this.scene.order,
    ]);
    this.renderer.keepOnly(used);
    this.shell.message.hidden = cloud.count > 0;
    this.shell.message.textContent = `There are no ${cloud.noun} to show.`;
    const axesHold = before && before.space === cloud.space && before.dims === cloud.dims;
    if (axesHold) {
      this.cameraChanged();
    } else {
      const wanted = before ? null : start.axes;
      const usable = wanted?.length && wanted.length <= 3 && wanted.every((axis) => axis < cloud.dims);
      this.scene.axes = usable ? wanted : cloud.dims === 1 ? [0] : [0, 1];
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
    const { width, height } = this.shell.measure();
    if (!width || !height) return;
    const deep = this.scene.deep,
      before = this.scene.width;
    const left = deep ? 0 : MARGIN.left,
      top = deep ? 0 : MARGIN.top;
    this.scene.width = Math.max(1, width - left - (deep ? 0 : MARGIN.right));
    this.scene.height = Math.max(1, height - top - (deep ? 0 : MARGIN.bottom));
    this.scene.ratio = Math.min(window.devicePixelRatio || 1, 3);
    this.shell.placePicture(left, top, this.scene.width, this.scene.height);
    this.renderer?.resize(
      Math.round(this.scene.width * this.scene.ratio),
      Math.round(this.scene.height * this.scene.ratio),
    );
    if (this.scene.cloud && !this.fitted) {
      this.refit();
      if (this.table) this.regroup(); // not possible before, where the data came while the page showed another tab
    } else if (this.scene.cloud && !this.moved) {
      this.refit();
    } else if (this.scene.cloud) {
      this.camera.resize(this.scene.width / before);
    }
    this.cameraChanged();
  }

  refit() {
    const { cloud, axes, width, height } = this.scene;
    if (!cloud?.count || width <= 1) return;
    const bounds = axes.map((axis) => cloud.bounds[axis]);
    if (axes.length === 1) bounds.push(STRIP);
    this.camera.equal = axes.length > 1 && (this.equal ?? !needsStretch(bounds));
    this.camera.fit(bounds, width, height);
    this.fitted = true;
    this.moved = false; // by the reader; while it is not, a change of the size fits again
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
    this.moved = true;
    if (this.selected.length === 1) this.camera.focus(this.scene.positionOf(this.selected[0]), width, height);
    else this.camera.frame(bounds, width, height);
    this.cameraChanged();
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
    this.moved = true;
    this.camera.zoomAt(factor, x, y, this.scene.width, this.scene.height);
    this.pointing.card.hide();
    this.cameraChanged();
  }

  dragged(dx, dy, other) {
    this.moved = true;
    this.root.classList.add("dragging");
    if (this.scene.deep && !other) this.orbit.orbit(dx, dy);
    else this.camera.pan(dx, dy);
    this.cameraChanged();
  }

  dragEnded() {
    this.root.classList.remove("dragging");
  }

  bringIntoView(point) {
    const at = this.scene.projected(),
      x = at[3 * point],
      y = at[3 * point + 1];
    const { width, height } = this.scene;
    if (x > width * 0.08 && x < width * 0.92 && y > height * 0.08 && y < height * 0.92) return;
    this.moved = true;
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
    this.shell.stamp.textContent = scene.cloud.last > 0 ? this.scrubber.stampText : "";
    this.root.dataset.step = scene.cloud.steps[scene.frame];
    this.root.dataset.between = String(Math.abs(scene.time - scene.frame) > 1e-6);
    this.pointing.card.hide();
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
      colourIndex: this.colourIndex,
      axes: this.scene.axes,
      tool: this.tool,
      trails: this.trails,
      equal: this.camera.equal,
      selected: this.selected.length,
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
    this.moved = true;
    this.camera.focus(this.scene.positionOf(point), this.scene.width, this.scene.height);
    this.cameraChanged();
    this.pointing.announce(point);
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
    this.shell.live.textContent = `${counted(this.selected.length, this.scene.cloud.noun)} selected.`;
  }

  select(points) {
    if (!points.length && !this.selected.length) return;
    this.selected = points;
    this.selectionShown();
    this.report();
  }

  selectionShown() {
    const { cloud } = this.scene,
      number = this.selected.length;
    this.regroup();
    this.root.dataset.selected = this.selected
      .slice(0, 100)
      .map((i) => cloud.ids[i])
      .join(" ");
    this.root.dataset.selectedCount = number;
    const names = this.selected
      .slice(0, 3)
      .map((i) => cloud.nameOf(i))
      .join(", ");
    this.shell.status.textContent =
      number === 0
        ? "Click a point to select it, shift-click to add one, shift-drag to draw around many."
        : `Selected: ${names}${number > 3 ? ` and ${count(number - 3)} more` : ""}`;
    this.shell.clear.hidden = number === 0;
    const what = `${this.label}: ${counted(cloud.count, cloud.noun)}, ${number} selected.`;
    this.shell.surface.setAttribute(
      "aria-label",
      `${what} Arrow keys walk from point to point, Enter selects, Shift+Enter adds, Escape clears, plus and minus zoom, 0 shows all.`,
    );
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
    const { shell } = this,
      { clientWidth: width, clientHeight: height } = shell.stage,
      { font } = scene.theme;
    if (dirty.under) {
      paint(shell.context(shell.under, width, height, scene.ratio), this.underItems(), font);
      this.scrubber.draw(scene.theme, scene.ratio);
    }
    if (dirty.points) this.renderer.draw(scene);
    if (dirty.over) {
      paint(
        shell.context(shell.over, scene.width, scene.height, scene.ratio),
        overlayItems(scene, this, this.pointing),
        font,
      );
    }
    this.root.dataset.drawn = Number(this.root.dataset.drawn ?? 0) + 1;
  }

  underItems() {
    const { scene } = this,
      names = scene.axes.map((axis) => scene.cloud.axes[axis]),
      { stage } = this.shell;
    return scene.deep
      ? deepAxes(this.orbit, names, scene.width, scene.height, scene.theme)
      : flatAxes(this.flat, names, stage.clientWidth, stage.clientHeight, scene.theme, scene.axes.length === 1);
  }

  destroy() {
    this.destroyed = true;
    this.scrubber.stop();
    this.renderer?.destroy();
    this.shell.destroy();
  }
}
