// Choices above the picture: projection, axes, colour column, and the tools.

import { shortName } from "./axes.js";
import { el, icon, ICONS } from "./dom.js";

const TOUR =
  "Grand tour: turn slowly through all axes of this linear view, so that what two or three axes hide comes by";

export class Toolbar {
  // on: projection(name) axes(list) tour() tourEnd() colour(index) tool(name) show(what) equal() zoom(factor) frame()
  // reset() full() save(kind)
  constructor(on) {
    this.on = on;
    this.colour = this.select("Colour", (value) => on.colour(Number(value)));
    this.projection = this.select("View", (value) => on.projection(value));
    this.projection.label.dataset.choice = "projection";
    this.colour.label.dataset.choice = "colour";
    this.flatOrDeep = el(
      "span",
      { class: "segments", role: "group", "aria-label": "Dimensions" },
      ...[2, 3].map((dims) =>
        el("button", { type: "button", class: "segment", text: `${dims}D`, onclick: () => this.dimsChosen(dims) }),
      ),
    );
    this.axisSelects = ["x", "y", "z"].map((letter, k) => this.select(letter, (value) => this.axisChosen(k, value)));
    for (const { label } of this.axisSelects) label.dataset.choice = "axis";
    this.tour = el(
      "span",
      { class: "segments", role: "group", "aria-label": "Grand tour" },
      el("button", { type: "button", class: "segment tour", title: TOUR, onclick: () => on.tour() }),
      el("button", { type: "button", class: "segment tour-end", text: "Back to axes", onclick: () => on.tourEnd() }),
    );
    this.fetching = el("span", { class: "fetching", role: "status", hidden: true });
    this.tools = {
      pan: this.button("pan", "Move the picture by dragging", () => on.tool("pan"), ICONS.pan),
      lasso: this.button(
        "lasso",
        "Select by drawing around points (also: shift and drag)",
        () => on.tool("lasso"),
        ICONS.lasso,
      ),
    };
    this.trails = this.button("trails", "Trails of the selected points", () => on.show("trails"), ICONS.trail);
    this.near = this.button(
      "neighbours",
      "Neighbours of the last selected point: which are kept, missing or false in this picture",
      () => on.show("neighbours"),
      ICONS.near,
    );
    this.names = this.button(
      "names",
      "Names on the picture: of the groups, and of the points with most support",
      () => on.show("names"),
      ICONS.names,
    );
    this.density = this.button(
      "density",
      "Shade the places where points lie densely",
      () => on.show("density"),
      ICONS.density,
    );
    this.equal = this.button(
      "equal",
      "Stretch each axis to fill the picture; distances across axes then no longer compare",
      () => on.equal(),
      ICONS.stretch,
    );
    this.element = el(
      "div",
      { class: "bar" },
      el(
        "div",
        { class: "choices" },
        this.projection.label,
        this.flatOrDeep,
        ...this.axisSelects.map((s) => s.label),
        this.tour,
        this.colour.label,
        this.fetching,
      ),
      el(
        "div",
        { class: "tools", role: "toolbar", "aria-label": "Picture" },
        el("span", { class: "tool-group" }, this.tools.pan, this.tools.lasso),
        el("span", { class: "tool-group" }, this.trails, this.near, this.names, this.density, this.equal),
        el(
          "span",
          { class: "tool-group" },
          this.button("out", "Zoom out (−)", () => on.zoom(1 / 1.4), ICONS.minus),
          this.button("in", "Zoom in (+)", () => on.zoom(1.4), ICONS.plus),
          this.button(
            "frame",
            "Fill the picture with the selected points, or with all of this step (f)",
            () => on.frame(),
            ICONS.frame,
          ),
          this.button("reset", "Show all points of all steps (0 or double-click)", () => on.reset(), ICONS.fit),
        ),
        this.savings(),
        el(
          "span",
          { class: "tool-group" },
          this.button("full", "Full screen", () => on.full(), ICONS.full),
        ),
      ),
    );
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

  // A button that opens a list of what can be saved.
  savings() {
    const kinds = [
      ["png", "Picture (PNG, print size)"],
      ["svg", "Drawing (SVG)"],
      ["csv", "Table of the points shown (CSV)"],
      ["chosen", "Table of the selected points (CSV)"],
      ["html", "This viewer with its data (one HTML file)"],
    ];
    const list = el(
      "div",
      { class: "menu", role: "menu", hidden: true },
      ...kinds.map(([kind, text]) => {
        const item = el("button", {
          type: "button",
          role: "menuitem",
          text,
          onclick: () => {
            open(false);
            this.on.save(kind);
          },
        });
        item.dataset.save = kind;
        return item;
      }),
    );
    const button = this.button("save", "Save", () => open(list.hidden), ICONS.save);
    const open = (shown) => {
      list.hidden = !shown;
      button.setAttribute("aria-expanded", String(shown));
      if (shown) list.firstChild.focus();
    };
    button.setAttribute("aria-haspopup", "menu");
    open(false);
    this.saveMenu = list;
    const around = el(
      "span",
      {
        class: "tool-group",
        onkeydown: (event) => {
          const items = [...list.children].filter((item) => !item.hidden && !item.disabled),
            here = items.indexOf(event.target);
          const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
          if (event.key === "Escape" && !list.hidden) {
            open(false);
            button.focus();
          } else if (by && here >= 0) items[(here + by + items.length) % items.length].focus();
          else return;
          event.preventDefault();
        },
        onfocusout: (event) => around.contains(event.relatedTarget) || open(false),
      },
      button,
      list,
    );
    return around;
  }

  // alone: in a saved page, which does not save itself again
  setCloud(cloud, alone) {
    this.alone = Boolean(alone);
    this.saveMenu.lastChild.hidden = this.alone;
    this.colour.label.hidden = cloud.colours.length < 2;
    this.colour.box.replaceChildren(...cloud.colours.map((column, k) => el("option", { value: k, text: column.name })));
    const names = cloud.projections.map((projection) => projection.name);
    const all = this.alone ? names : [...names, ...cloud.offered]; // alone: nobody can bring the others
    this.projection.label.hidden = all.length < 2;
    this.projection.box.replaceChildren(
      ...all.map((name) => el("option", { value: name, text: name })),
    );
    this.trails.hidden = cloud.last < 1;
    this.listed = null;
  }

  show({ scene, looks, colourIndex, tool, shown, equal, selected }) {
    const { projection, axes, tour } = scene,
      { wish } = looks;
    this.colour.box.value = String(colourIndex);
    this.projection.box.value = wish?.projection ?? projection.name;
    this.axes = axes;
    if (this.listed !== projection) {
      this.listed = projection;
      for (const { box } of this.axisSelects)
        box.replaceChildren(
          ...projection.axes.map((name, axis) =>
            el("option", { value: axis, text: shortName(name), title: name, disabled: this.alone && !projection.has([axis]) }),
          ),
        );
    }
    const choice = projection.axes.length;
    this.flatOrDeep.hidden = (this.alone ? projection.carried.length : choice) < 3;
    this.saveMenu.querySelector("[data-save=chosen]").disabled = !selected;
    this.equal.hidden = axes.length < 2 || tour !== null;
    this.near.hidden = scene.cloud.count < 3;
    this.density.hidden = axes.length !== 2;
    this.axisSelects.forEach(({ box, label }, k) => {
      label.hidden = choice < 3 || k >= axes.length || tour !== null;
      box.value = String((wish?.axes.length ? wish.axes : axes)[k]);
    });
    this.tour.hidden = !projection.tours;
    const [play, end] = this.tour.children;
    play.textContent = looks.touring ? "Hold" : tour ? "Go on" : "Tour";
    play.setAttribute("aria-pressed", String(looks.touring));
    end.hidden = tour === null;
    this.fetching.hidden = !wish;
    this.fetching.textContent = wish ? "On its way …" : "";
    [...this.flatOrDeep.children].forEach((button, k) => {
      button.setAttribute("aria-pressed", String(axes.length === k + 2));
      button.disabled = tour !== null;
    });
    this.tools.pan.replaceChildren(icon(...(axes.length === 3 ? ICONS.orbit : ICONS.pan)));
    this.tools.pan.title =
      axes.length === 3
        ? "Turn the picture by dragging (with the right button: move it)"
        : "Move the picture by dragging";
    for (const [name, button] of Object.entries(this.tools)) button.setAttribute("aria-pressed", String(name === tool));
    for (const [name, button] of [
      ["trails", this.trails],
      ["neighbours", this.near],
    ]) {
      button.setAttribute("aria-pressed", String(shown[name]));
      button.disabled = !selected;
    }
    this.names.setAttribute("aria-pressed", String(shown.names));
    this.density.setAttribute("aria-pressed", String(shown.density));
    this.equal.setAttribute("aria-pressed", String(!equal));
  }

  // Choosing an axis that another place shows swaps the two.
  axisChosen(place, value) {
    const axes = [...this.axes],
      axis = Number(value),
      other = axes.indexOf(axis);
    if (other >= 0) axes[other] = axes[place];
    axes[place] = axis;
    this.on.axes(axes);
  }

  dimsChosen(dims) {
    if (dims === this.axes.length) return;
    const { carried } = this.listed;
    const third = carried.find((axis) => !this.axes.includes(axis)) ?? [0, 1, 2].find((axis) => !this.axes.includes(axis));
    this.on.axes(dims === 2 ? this.axes.slice(0, 2) : [...this.axes, third]);
  }
}
