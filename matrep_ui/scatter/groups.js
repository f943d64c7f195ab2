// What the points are coloured by, and which of its groups the reader has left out.

import { palette } from "./colour.js";

export class Groups {
  constructor(viewer) {
    this.viewer = viewer;
    this.scene = viewer.scene;
    this.left = new Map(); // name of a colour column -> Set of codes that are left out
    this.index = 0; // of the column
    this.table = null; // 256 colours, one a code
  }

  // The codes of the column shown that are left out.
  get hidden() {
    const name = this.scene.colour?.name ?? "";
    if (!this.left.has(name)) this.left.set(name, new Set());
    return this.left.get(name);
  }

  // The data is new: the column of this name, or the first.
  setCloud(cloud, name) {
    this.index = Math.max(
      0,
      cloud.colours.findIndex((column) => column.name === name),
    );
    this.scene.colour = cloud.colours[this.index] ?? null;
  }

  choose(index) {
    this.index = index;
    this.scene.colour = this.scene.cloud.colours[index];
    this.recolour();
    this.viewer.report();
  }

  // The column or the theme has changed.
  recolour() {
    const { viewer, scene } = this;
    this.table = palette(scene.colour, scene.theme);
    viewer.renderer.setPalette(this.table);
    this.regroup();
    viewer.mark("under", "points", "over");
  }

  // The time has changed: groups that change with it are taken from its frame. Says whether they were.
  follow() {
    const { scene } = this,
      moved = Boolean(scene.colour?.moving) && scene.frame !== this.frame;
    this.frame = scene.frame;
    if (moved) this.regroup();
    return moved;
  }

  // A group was pressed in the legend; alone: the others go, or come back where they are gone; null: all come back.
  toggle(code, alone) {
    const { hidden } = this;
    if (code === null) {
      hidden.clear();
    } else if (alone) {
      const others = [...this.viewer.legend.buttons.keys()].filter((other) => other !== code);
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
    const { viewer, scene, hidden } = this;
    if (!scene.matrix) return;
    const { selected, found } = viewer.choosing;
    scene.classify(selected, found, (code) => !hidden.has(code));
    viewer.renderer.forget(scene.states);
    viewer.renderer.forget(scene.order);
    viewer.legend.update(scene, this.table, hidden);
    viewer.root.dataset.hidden = [...hidden].join(" ");
    viewer.toolbarShown();
    viewer.mark("under", "points", "over");
  }
}
