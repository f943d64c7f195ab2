// Which points are selected, and how they come to be: by click, lasso, search, walk, Python or a linked view.

import { counted } from "./card.js";
import { count } from "./numbers.js";
import { pointAt, pointsInside } from "./picking.js";

export class Choosing {
  constructor(viewer) {
    this.viewer = viewer;
    this.scene = viewer.scene;
    this.selected = [];
    this.found = null; // by the search: a Uint8Array
    this.lasso = null;
  }

  // The search has found some points, or has been emptied (null).
  queried(found) {
    const { root } = this.viewer;
    this.found = found;
    if (found) root.dataset.found = found.reduce((sum, flag) => sum + flag, 0);
    else delete root.dataset.found;
    this.viewer.groups.regroup();
  }

  // A point was chosen from a list.
  chosen(point) {
    this.select([point]);
    this.viewer.framing.focus(point);
    this.viewer.pointing.announce(point);
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
    const { viewer, scene } = this;
    this.lasso = done ? null : path;
    viewer.mark("over");
    if (!done || path.length < 3) return;
    const inside = pointsInside(scene, path);
    this.select(add ? [...new Set([...this.selected, ...inside])] : inside);
    viewer.shell.live.textContent = `${counted(this.selected.length, scene.cloud.noun)} selected.`;
  }

  select(points) {
    if (!points.length && !this.selected.length) return;
    this.set(points);
    this.viewer.report();
    this.viewer.linked.tell("selected", this.ids());
  }

  ids() {
    return this.selected.map((i) => this.scene.cloud.ids[i]);
  }

  // The points with these ids, as far as they are here.
  setIds(ids) {
    const { cloud } = this.scene;
    this.set(ids.map((id) => cloud.indexOf.get(id)).filter((i) => i !== undefined));
  }

  set(points) {
    this.selected = points;
    this.shown();
  }

  shown() {
    const { viewer, scene, selected } = this,
      { cloud } = scene,
      { shell, root } = viewer,
      number = selected.length;
    viewer.groups.regroup();
    root.dataset.selected = this.ids().slice(0, 100).join(" ");
    root.dataset.selectedCount = number;
    const names = selected.slice(0, 3).map((i) => cloud.nameOf(i));
    shell.status.textContent =
      number === 0
        ? "Click a point to select it, shift-click to add one, shift-drag to draw around many."
        : `Selected: ${names.join(", ")}${number > 3 ? ` and ${count(number - 3)} more` : ""}`;
    shell.clear.hidden = number === 0;
    const what = `${viewer.label}: ${counted(cloud.count, cloud.noun)}, ${number} selected.`;
    shell.surface.setAttribute(
      "aria-label",
      `${what} Arrow keys walk from point to point, Enter selects, Shift+Enter adds, Escape clears, plus and minus zoom, 0 shows all.`,
    );
    viewer.details.changed();
  }
}
