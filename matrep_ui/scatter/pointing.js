// The point that the reader points at: under the mouse (hover), or where the keyboard has walked to (cursor).

import { Card, sentenceOf } from "./card.js";
import { pointAt } from "./picking.js";

export class Pointing {
  constructor(viewer) {
    this.viewer = viewer;
    this.card = new Card();
    this.hover = this.cursor = -1;
    this.planned = null;
  }

  forget() {
    this.hover = this.cursor = -1;
    this.card.hide();
  }

  // The mouse moved: look for a point once a frame.
  moved(x, y) {
    this.place = [x, y];
    const { scene } = this.viewer;
    if (!scene.matrix || this.planned) return;
    this.planned = requestAnimationFrame(() => {
      this.planned = null;
      if (scene.cloud && !this.viewer.destroyed) this.hoverAt(pointAt(scene, ...this.place));
    });
  }

  hoverAt(point) {
    if (point < 0 && this.planned) {
      cancelAnimationFrame(this.planned);
      this.planned = null;
    }
    if (point === this.hover && (point < 0 || !this.card.element.hidden)) return;
    this.hover = point;
    this.shown("hover", point);
  }

  walkTo(point) {
    this.cursor = point;
    this.shown("cursor", point);
    if (point >= 0) this.announce(point);
  }

  shown(name, point) {
    const { viewer } = this;
    viewer.root.dataset[name] = point < 0 ? "" : viewer.scene.cloud.ids[point];
    if (point < 0) this.card.hide();
    else this.showCard(point);
    viewer.mark("over");
  }

  showCard(point) {
    const { scene, groups, shell, selected } = this.viewer;
    const at = scene.projected(),
      { offsetLeft, offsetTop } = shell.surface;
    const x = at[3 * point] + offsetLeft,
      y = at[3 * point + 1] + offsetTop;
    this.card.show(scene, point, groups.table, x, y, shell.stage, selected.includes(point));
  }

  announce(point) {
    const { scene, shell, selected } = this.viewer;
    shell.live.textContent = sentenceOf(scene, point, selected.includes(point));
  }
}
