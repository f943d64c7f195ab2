// What the colours mean, how many points have each, and a press to leave a group out (grey) or bring it back.

import { el } from "./dom.js";
import { count, show } from "./numbers.js";
import { css, ramp } from "./colour.js";
import { NONE } from "./cloud.js";

export class Legend {
  // onToggle(code, alone): a group was pressed; alone: the others are to go instead; code null: all are to come back.
  constructor(onToggle) {
    this.onToggle = onToggle;
    this.element = el("div", { class: "legend", role: "group", "aria-label": "Legend" });
    this.shownKey = null;
  }

  // Rebuilt only where the column, its frame or the theme changed; else the pressed states are set.
  update(scene, table, hidden) {
    const { cloud, colour } = scene;
    const key = [cloud, colour, colour?.moving ? scene.frame : 0, scene.theme];
    if (!this.shownKey || key.some((value, k) => value !== this.shownKey[k])) {
      this.shownKey = key;
      this.build(scene, table);
    }
    for (const [code, button] of this.buttons) {
      button.setAttribute("aria-pressed", String(!hidden.has(code)));
    }
    this.all.hidden = !hidden.size;
  }

  build(scene, table) {
    const { cloud, colour, theme } = scene;
    this.buttons = new Map();
    const rows = [];
    if (colour) {
      const codes = cloud.codes(colour, scene.frame);
      const counts = new Uint32Array(256);
      for (let i = 0; i < codes.length; i++) counts[codes[i]]++;
      rows.push(el("div", { class: "legend-title", text: colour.name }));
      if (colour.kind === "categories") {
        colour.labels.forEach(
          (label, code) => counts[code] && rows.push(this.row(code, label, counts[code], css(table[code]))),
        );
      } else {
        rows.push(scaleBar(colour, theme));
      }
      if (counts[NONE]) rows.push(this.row(NONE, colour.none_label, counts[NONE], css(table[NONE])));
    }
    const hollow = cloud.hollow ? cloud.hollow.reduce((sum, flag) => sum + flag, 0) : 0;
    if (hollow) {
      rows.push(
        el(
          "div",
          { class: "legend-row note" },
          el("span", { class: "swatch hollow" }),
          el("span", { class: "name", text: cloud.hollowLabel }),
          el("span", { class: "count", text: count(hollow) }),
        ),
      );
    }
    this.all = el("button", {
      type: "button",
      class: "text-button",
      text: "Show all groups",
      onclick: () => this.onToggle(null),
    });
    rows.push(this.all, el("div", { class: "legend-total", text: `${count(cloud.count)} ${cloud.noun}` }));
    this.element.replaceChildren(...rows);
  }

  row(code, label, number, colour) {
    const swatch = el("span", { class: "swatch" });
    swatch.style.setProperty("--swatch", colour);
    const button = el(
      "button",
      {
        class: "legend-row",
        type: "button",
        title: `${label}: ${count(number)}. Click to show or grey out; double-click for this one alone.`,
        onclick: (event) => this.onToggle(code, event.detail === 2 || event.altKey),
      },
      swatch,
      el("span", { class: "name", text: label, dir: "auto" }),
      el("span", { class: "count", text: count(number) }),
    );
    button.dataset.code = code;
    this.buttons.set(code, button);
    return button;
  }
}

function scaleBar(colour, theme) {
  const stops = Array.from({ length: 9 }, (_, k) => css(ramp(k / 8, theme)));
  const bar = el("div", { class: "scale-bar" });
  bar.style.background = `linear-gradient(to right, ${stops.join(", ")})`;
  const unit = colour.unit ? ` ${colour.unit}` : "";
  const middle = colour.log ? Math.sqrt(colour.low * colour.high) : (colour.low + colour.high) / 2;
  return el(
    "div",
    { class: "scale" },
    bar,
    el(
      "div",
      { class: "scale-ends" },
      ...[colour.low, middle, colour.high].map((value) => el("span", { text: show(value, 3) })),
    ),
    el("div", { class: "scale-unit", text: [unit.trim(), colour.log ? "log scale" : ""].filter(Boolean).join(", ") }),
  );
}
