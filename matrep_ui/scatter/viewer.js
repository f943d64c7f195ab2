// The viewer: holds what is looked at and what is selected, and lets the parts draw it. One for each view mount.

import { assemble } from "./cloud.js";
import { Scene } from "./scene.js";
import { GlRenderer } from "./gl.js";
import { CanvasRenderer } from "./canvas2d.js";
import { css, readTheme } from "./colour.js";
import { MARGIN, deepAxes, flatAxes } from "./axes.js";
import { densityItems } from "./density.js";
import { Groups } from "./groups.js";
import { paint } from "./paint.js";
import { overlayItems } from "./overlay.js";
import { tourItems } from "./rose.js";
import { Framing } from "./framing.js";
import { Looks } from "./looks.js";
import { Choosing } from "./choosing.js";
import { Neighbours } from "./neighbours.js";
import { Details } from "./details.js";
import { Linked } from "./linking.js";
import { Pointing } from "./pointing.js";
import { Legend } from "./legend.js";
import { Search } from "./search.js";
import { Scrubber } from "./scrubber.js";
import { Toolbar } from "./toolbar.js";
import { listen } from "./pointer.js";
import { Shell } from "./shell.js";
import { saveAs } from "./exporting.js";
import { pressed } from "./keys.js";

export function createViewer(parent, styles) {
  return new Viewer(parent, styles);
}

class Viewer {
  constructor(parent, styles) {
    this.known = new Map(); // decoded parts
    this.scene = new Scene();
    this.framing = new Framing(this);
    this.looks = new Looks(this);
    this.choosing = new Choosing(this);
    this.linked = new Linked(this);
    this.groups = new Groups(this);
    this.tool = "pan";
    this.shown = { trails: true, neighbours: true, names: false, density: false };
    this.ask = null;
    this.dirty = {};
    this.build(parent, styles);
  }

  get selected() {
    return this.choosing.selected;
  }

  get camera() {
    return this.framing.camera;
  }

  build(parent, styles) {
    const { framing, looks, choosing } = this;
    this.search = new Search(
      (found) => choosing.queried(found),
      (point) => choosing.chosen(point),
    );
    this.toolbar = new Toolbar({
      projection: (name) => looks.choose(name),
      axes: (axes) => looks.setAxes(axes),
      tour: () => looks.toggleTour(),
      tourEnd: () => looks.endTour(),
      colour: (index) => this.groups.choose(index),
      tool: (name) => this.setTool(name),
      show: (what) => this.setShown(what, !this.shown[what]),
      equal: () => framing.setEqual(!this.camera.equal),
      zoom: (factor) => framing.zoom(factor),
      frame: () => framing.fill(),
      reset: () => framing.fit(),
      full: () => this.shell.toggleFull(),
      save: (kind) => saveAs(this, kind),
    });
    this.legend = new Legend((code, alone) => this.groups.toggle(code, alone));
    this.details = new Details(this);
    this.scrubber = new Scrubber({
      time: (time) => this.setTime(time, true),
      rest: (frame) => {
        this.linked.tell("rest", this.scene.cloud.steps[frame]);
        this.report();
      },
      flags: (steps) => {
        this.linked.tell("marks", steps);
        this.details.changed();
        this.report();
      },
    });
    this.pointing = new Pointing(this);
    this.shell = new Shell(
      parent,
      styles,
      {
        search: this.search.element,
        toolbar: this.toolbar.element,
        legend: this.legend.element,
        details: this.details.element,
        scrubber: this.scrubber.element,
        card: this.pointing.card.element,
      },
      {
        key: (event) => pressed(this, event),
        blur: () => this.pointing.walkTo(-1),
        clear: () => choosing.select([]),
        resize: () => framing.resized(),
      },
    );
    this.root = this.shell.root;
    listen(
      this.shell.surface,
      {
        hover: (x, y) => this.pointing.moved(x, y),
        leave: () => this.pointing.hoverAt(-1),
        click: (x, y, add) => choosing.clicked(x, y, add),
        drag: (dx, dy, other) => framing.drag(dx, dy, other),
        dragEnd: () => framing.dragEnded(),
        zoom: (factor, x, y) => framing.zoom(factor, x, y),
        lasso: (path, done, add) => choosing.lassoed(path, done, add),
        reset: () => framing.fit(),
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
      this.groups.recolour();
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
    this.scrubber.wanted = options.scrubber;
    this.linked.join(options.link);
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
    const nearKey = JSON.stringify(Object.keys(options.near));
    if (nearKey !== this.nearKey || this.neighbours.cloud !== this.scene.cloud) {
      this.nearKey = nearKey;
      this.neighbours = new Neighbours(this.scene.cloud, options.near);
      this.details.changed();
      this.mark("over");
    }
    if (options.ask && options.ask.id !== this.ask) this.obey(options.ask);
  }

  setCloud(cloud, options) {
    const { scene } = this,
      before = scene.cloud,
      { start } = options;
    const ids = before ? this.choosing.ids() : start.selected;
    const step = before ? before.steps[scene.frame] : start.step;
    const colour = before ? scene.colour?.name : start.colour;
    const marks = before ? this.scrubber.flagged().map((frame) => before.steps[frame]) : start.marks;
    const atEnd = before && before.last > 0 && scene.time === before.last;
    scene.setCloud(cloud);
    this.neighbours = new Neighbours(cloud, options.near);
    this.pointing.forget();
    this.groups.setCloud(cloud, colour);
    if (!before) Object.assign(this.shown, { names: cloud.last === 0 }, start.shown);
    scene.time = step === null || step === undefined || atEnd ? cloud.last : cloud.frameOfStep(step);
    const sameLook = this.looks.setCloud(cloud, start);
    this.toolbar.setCloud(cloud, options.alone);
    this.search.setCloud(cloud);
    this.scrubber.setCloud(cloud);
    this.scrubber.setFlags(marks);
    const used = new Set([
      ...cloud.projections.flatMap((projection) => projection.chunks.map((c) => c.q)),
      ...cloud.colours.flatMap((column) => [column.still, ...column.blocks]),
      cloud.spread,
      scene.states,
      scene.order,
    ]);
    this.renderer.keepOnly(used);
    this.shell.message.hidden = cloud.count > 0;
    this.shell.message.textContent = `There are no ${cloud.noun} to show.`;
    if (sameLook) this.framing.grown();
    else this.framing.taken();
    this.groups.recolour();
    this.timeChanged();
    this.choosing.setIds(ids);
    this.lookShown();
    if (!before) this.linked.begin();
  }

  // What Python asked for with steer(): once each.
  obey(ask) {
    this.ask = ask.id;
    const { cloud } = this.scene;
    if (!cloud) return;
    if (ask.step !== null) this.setTime(cloud.frameOfStep(ask.step));
    if (ask.marks !== null) {
      this.scrubber.setFlags(ask.marks);
      this.details.changed();
    }
    if (ask.selected !== null) {
      this.choosing.setIds(ask.selected);
      if (this.selected.length === 1) this.framing.bringIntoView(this.selected[0]);
    }
  }

  // What a linked view tells; at the start nobody needs to report it.
  hear(what, value, quiet = false) {
    const { cloud } = this.scene;
    if (what === "step") this.setTime(cloud.timeOfStep(value));
    if (what === "rest") this.setTime(cloud.frameOfStep(value));
    if (what === "selected") this.choosing.setIds(value);
    if (what === "marks") {
      this.scrubber.setFlags(value);
      this.details.changed();
    }
    if (what !== "step" && !quiet) this.report();
  }

  // Tell Python, at the end of an action.
  report() {
    const { looks } = this;
    this.component.setStateValue("view", { ...this.start(), ...(looks.wish ?? {}), ask: this.ask });
  }

  // Where a new view would have to start to show the same.
  start = () => {
    const { scene } = this,
      { cloud } = scene;
    return {
      selected: this.choosing.ids(),
      step: cloud.steps[scene.frame],
      colour: scene.colour?.name ?? null,
      projection: scene.projection.name,
      axes: scene.axes,
      marks: this.scrubber.flagged().map((frame) => cloud.steps[frame]),
      shown: this.shown,
    };
  };

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
    if (this.scene.cloud) this.groups.recolour();
  }

  resort() {
    this.scene.sort();
    this.renderer.forget(this.scene.order);
  }

  setTool(name) {
    this.tool = name;
    this.root.dataset.tool = name;
    this.toolbarShown();
  }

  setShown(what, shown) {
    this.shown[what] = shown;
    this.toolbarShown();
    this.details.changed();
    this.mark("under", "over");
  }

  // ---- time

  // tell: whether linked views are to follow
  setTime(time, tell = false) {
    this.scene.time = time;
    this.timeChanged();
    if (tell) this.linked.tell("step", this.scene.cloud.stepOfTime(time));
  }

  timeChanged() {
    const { scene } = this;
    scene.moved();
    if (!this.groups.follow() && scene.deep) this.resort();
    this.scrubber.setTime(scene.time);
    this.shell.stamp.textContent = scene.cloud.last > 0 ? this.scrubber.stampText : "";
    this.root.dataset.step = scene.cloud.steps[scene.frame];
    this.root.dataset.between = String(Math.abs(scene.time - scene.frame) > 1e-6);
    this.pointing.card.hide();
    this.details.follow();
    this.mark("points", "over");
  }

  toolbarShown() {
    if (!this.scene.projection) return;
    this.toolbar.show({
      scene: this.scene,
      looks: this.looks,
      colourIndex: this.groups.index,
      tool: this.tool,
      shown: this.shown,
      equal: this.camera.equal,
      selected: this.selected.length,
    });
  }

  // The projection, its axes or the tour have changed.
  lookShown() {
    const { scene } = this;
    this.root.dataset.projection = scene.projection.name;
    this.root.dataset.axes = scene.axes.join(" ");
    this.shell.note.textContent = scene.projection.note;
    this.shell.note.hidden = !scene.projection.note;
    this.toolbarShown();
    this.details.follow();
    this.mark("under", "points", "over");
  }

  // ---- drawing

  mark(...layers) {
    for (const layer of layers) this.dirty[layer] = true;
    if (this.shown.density && this.dirty.points) this.dirty.under = true; // the shading follows the points
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
        overlayItems(this, this.pointing),
        font,
      );
    }
    this.root.dataset.drawn = Number(this.root.dataset.drawn ?? 0) + 1;
  }

  underItems() {
    const { scene } = this,
      { stage } = this.shell;
    const items = scene.deep
      ? deepAxes(this.camera, scene.axisNames, scene.width, scene.height, scene.theme)
      : flatAxes(this.camera, scene.axisNames, stage.clientWidth, stage.clientHeight, scene.theme, scene.strip);
    if (this.shown.density && scene.axes.length === 2) items.unshift(...densityItems(scene, MARGIN.left, MARGIN.top));
    return scene.tour ? [...items, ...tourItems(scene, this.camera, stage.clientHeight)] : items;
  }

  destroy() {
    this.linked.leave();
    this.looks.stopTour();
    this.destroyed = true;
    this.scrubber.stop();
    this.renderer?.destroy();
    this.shell.destroy();
  }
}
