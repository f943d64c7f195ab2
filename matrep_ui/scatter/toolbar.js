// Choices above the picture: colour column, axes, and the tools.

import { el, icon, ICONS } from "./dom.js";

export class Toolbar {
  // on: colour(index) axes(list) tool(name) trails(shown) equal(flag) zoom(factor) reset() full()
  constructor(on) {
    this.on = on;
    this.colour = this.select("Colour", (value) => on.colour(Number(value)));
    this.axisSelects = ["x", "y", "z"].map((letter, k) => this.select(letter, (value) => this.axisChosen(k, value)));
    this.tools = {
      pan: this.button("pan", "Move the picture by dragging", () => on.tool("pan"), ICONS.pan),
      lasso: this.button("lasso", "Select by drawing around points (also: shift and drag)", () => on.tool("lasso"), ICONS.lasso),
    };
    this.trails = this.button("trails", "Trails of the selected points", () => on.trails(), ICONS.trail);
    this.equal = this.button("equal", "Stretch each axis to fill the picture; distances across axes then no longer compare",
      () => on.equal(), ICONS.stretch);
    this.element = el("div", { class: "bar" },
      el("div", { class: "choices" }, this.colour.label, ...this.axisSelects.map((s) => s.label)),
      el("div", { class: "tools", role: "toolbar", "aria-label": "Picture" },
        el("span", { class: "tool-group" }, this.tools.pan, this.tools.lasso),
        el("span", { class: "tool-group" }, this.trails, this.equal),
        el("span", { class: "tool-group" },
          this.button("out", "Zoom out (−)", () => on.zoom(1 / 1.4), ICONS.minus),
          this.button("in", "Zoom in (+)", () => on.zoom(1.4), ICONS.plus),
          this.button("reset", "Show all (0 or double-click)", () => on.reset(), ICONS.fit))));
  }

  select(name, onchange) {
    const box = el("select", { onchange: () => onchange(box.value) });
    return { box, label: el("label", { class: "choice" }, el("span", { text: name }), box) };
  }

  button(name, title, onclick, paths) {
    const button = el("button", { type: "button", class: "tool", title, "aria-label": title, onclick }, icon(...paths));
    button.dataset.tool = name;
    return button;
  }

  setCloud(cloud) {
    this.colour.label.hidden = cloud.colours.length < 2;
    this.colour.box.replaceChildren(...cloud.colours.map((column, k) => el("option", { value: k, text: column.name })));
    const few = cloud.dims > 1;
    this.axisSelects.forEach(({ box, label }, k) => {
      label.hidden = !few || (k < 2 && cloud.dims < 3);
      if (k === 2) label.hidden = cloud.dims < 3;
      box.replaceChildren(
        ...(k === 2 ? [el("option", { value: "", text: "none (flat)" })] : []),
        ...cloud.axes.map((name, axis) => el("option", { value: axis, text: name })));
    });
    this.trails.hidden = cloud.last < 1;
  }

  show({ colourIndex, axes, tool, trails, equal, selected }) {
    this.colour.box.value = String(colourIndex);
    this.axes = axes;
    this.axisSelects.forEach(({ box }, k) => (box.value = axes[k] === undefined ? "" : String(axes[k])));
    this.tools.pan.replaceChildren(icon(...(axes.length === 3 ? ICONS.orbit : ICONS.pan)));
    this.tools.pan.title = axes.length === 3 ? "Turn the picture by dragging (with the right button: move it)" : "Move the picture by dragging";
    for (const [name, button] of Object.entries(this.tools)) button.setAttribute("aria-pressed", String(name === tool));
    this.trails.setAttribute("aria-pressed", String(trails));
    this.trails.disabled = !selected;
    this.equal.setAttribute("aria-pressed", String(!equal));
  }

  // Choosing an axis that another place shows swaps the two.
  axisChosen(place, value) {
    const axes = [...this.axes];
    if (value === "") {
      this.on.axes(axes.slice(0, 2));
      return;
    }
    const axis = Number(value), other = axes.indexOf(axis);
    if (other >= 0 && other !== place) axes[other] = axes[place] ?? [...Array(axes.length + 1).keys()].find((a) => !axes.includes(a));
    axes[place] = axis;
    this.on.axes(axes);
  }
}
