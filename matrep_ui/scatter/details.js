// Beside the picture: the last selected point with its numbers and its neighbours, and what moved most between the
// reader's two marks.

import { el } from "./dom.js";
import { factsOf } from "./card.js";
import { mostMoved } from "./moved.js";
import { distance, norm, relations } from "./neighbours.js";
import { count, show } from "./numbers.js";

const AFTER = 120; // ms of rest before the panel follows the step
const TOLD = {
  kept: "a neighbour, drawn near",
  missing: "missing: a neighbour, drawn elsewhere",
  wrong: "false: drawn near, no neighbour",
};

export class Details {
  constructor(viewer) {
    this.viewer = viewer;
    this.element = el("div", { class: "details", hidden: true });
    this.planned = null;
  }

  // The selection, the marks or the data have changed.
  changed() {
    clearTimeout(this.planned);
    this.planned = null;
    this.build();
  }

  // The step or the look is changing: follow, but not faster than one reads.
  follow() {
    this.planned ??= setTimeout(() => this.changed(), AFTER);
  }

  build() {
    const { scene, selected } = this.viewer;
    if (!scene.matrix || this.viewer.destroyed) return;
    const focus = this.element.contains(this.element.getRootNode().activeElement)
      ? this.element.getRootNode().activeElement.dataset.point
      : undefined;
    const blocks = [this.moved()];
    if (selected.length) blocks.unshift(...this.material(selected.at(-1)));
    this.element.replaceChildren(...blocks.filter(Boolean));
    this.element.hidden = !this.element.children.length;
    if (focus !== undefined) this.element.querySelector(`[data-point="${focus}"]`)?.focus();
  }

  material(point) {
    const { scene, neighbours } = this.viewer,
      { cloud, frame } = scene;
    const facts = el("dl");
    for (const [name, text] of factsOf(scene, point)) {
      if (name === cloud.texts[0]?.name) continue;
      if (name) facts.append(el("dt", { text: name }), el("dd", { text, dir: "auto" }));
      else facts.append(el("dd", { class: "wide", text }));
    }
    const length = norm(cloud, point, frame);
    if (length !== null) facts.append(el("dt", { text: "norm" }), el("dd", { text: show(length, 3) }));
    const head = el("div", { class: "details-name", text: cloud.nameOf(point), dir: "auto" });
    const blocks = [head, facts];
    if (neighbours.knows(point)) blocks.push(...this.near(point));
    else if (cloud.last > 0)
      blocks.push(el("p", { class: "details-note", text: "Its neighbours are not part of the data that is here." }));
    return blocks;
  }

  near(point) {
    const { scene, neighbours, shown } = this.viewer,
      { cloud, frame } = scene;
    const held = neighbours.held(point, frame);
    const title = cloud.last > 0 ? `Nearest at step ${count(cloud.steps[frame])}` : "Nearest";
    const list = el("ol", { class: "near" });
    for (const { point: other, frame: since } of held) {
      const far = distance(cloud, point, frame, other);
      const notes = [far === null ? "" : show(far, 3)];
      if (cloud.last > 0) notes.push(since === 0 ? "from the start" : `since ${count(cloud.steps[since])}`);
      list.append(el("li", {}, this.link(other, notes.filter(Boolean).join(" · "))));
    }
    return [
      el("div", { class: "details-title", text: title }),
      shown.neighbours ? this.key(point) : null,
      el("p", { class: "details-note", text: "In the original space: distance, and since which step without a break." }),
      list,
    ].filter(Boolean);
  }

  // What the lines and rings around the point mean, and how many there are of each.
  key(point) {
    const found = relations(this.viewer.scene, this.viewer.neighbours, point);
    const rows = Object.entries(TOLD).map(([kind, text]) =>
      el(
        "li",
        {},
        el("span", { class: `sample ${kind}`, "aria-hidden": "true" }),
        el("span", { text }),
        el("span", { class: "count", text: String(found[kind].length) }),
      ),
    );
    return el("ul", { class: "relations", "aria-label": "Neighbours in this picture" }, ...rows);
  }

  moved() {
    const { scene, scrubber } = this.viewer,
      { cloud } = scene,
      ends = scrubber.flagged();
    if (ends.length < 2) return null;
    const { points, where } = mostMoved(scene, ...ends);
    const [a, b] = ends.map((frame) => count(cloud.steps[frame]));
    const list = el("ol", { class: "near moved" });
    for (const { point, by } of points) list.append(el("li", {}, this.link(point, show(by, 3))));
    return el(
      "div",
      {},
      el("div", { class: "details-title", text: `Moved most from step ${a} to ${b}` }),
      el("p", { class: "details-note", text: where }),
      list,
    );
  }

  // A point to go to: a press selects it, with shift it is added.
  link(point, note) {
    const { cloud } = this.viewer.scene,
      name = cloud.nameOf(point);
    const button = el(
      "button",
      {
        type: "button",
        title: `${name} (${cloud.ids[point]})`,
        onclick: (event) => {
          this.viewer.choosing.pick(point, event.shiftKey);
          this.viewer.framing.bringIntoView(point);
        },
      },
      el("span", { class: "name", text: name, dir: "auto" }),
      el("span", { class: "count", text: note }),
    );
    button.dataset.point = point;
    return button;
  }
}
