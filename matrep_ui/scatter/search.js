// A box that finds points by any of their texts: what it finds stays bright, the rest turns grey, and a list
// under it leads to single points.

import { el, icon, ICONS } from "./dom.js";
import { count } from "./numbers.js";

const LISTED = 8;
let boxes = 0;

export class Search {
  // onQuery(found: Uint8Array or null), onChoose(point)
  constructor(onQuery, onChoose) {
    this.onQuery = onQuery;
    this.onChoose = onChoose;
    this.found = null;
    this.listed = [];
    this.active = -1;
    const name = `matrep-found-${++boxes}`;
    this.input = el("input", {
      type: "text",
      class: "search-input",
      role: "combobox",
      "aria-expanded": "false",
      "aria-controls": name,
      "aria-autocomplete": "list",
      autocomplete: "off",
      spellcheck: "false",
      oninput: () => this.search(),
      onkeydown: (event) => this.key(event),
      onfocus: () => this.open(),
      onblur: () => this.close(),
    });
    this.number = el("span", { class: "search-count", "aria-live": "polite" });
    this.list = el("ul", { class: "search-list", id: name, role: "listbox", hidden: true, "aria-label": "Found" });
    this.element = el("div", { class: "search" }, icon(...ICONS.search), this.input, this.number, this.list);
  }

  setCloud(cloud) {
    this.cloud = cloud;
    this.input.placeholder = `Find ${cloud.noun} by code, name, function`;
    this.input.setAttribute("aria-label", this.input.placeholder);
    this.texts = null; // built at the first search
    if (this.input.value) this.search();
  }

  search() {
    const query = this.input.value.trim().toLocaleLowerCase();
    const { cloud } = this;
    const points = [];
    if (!query) {
      this.found = null;
    } else {
      this.texts ??= cloud.ids.map((id, i) => [id, ...cloud.texts.map((t) => t.of(i))].join("\n").toLocaleLowerCase());
      this.found = new Uint8Array(cloud.count);
      this.texts.forEach((text, i) => {
        if (text.includes(query)) {
          this.found[i] = 1;
          points.push(i);
        }
      });
    }
    // Exact and leading matches of the id or the name come first.
    const rank = (i) => {
      const id = cloud.ids[i].toLocaleLowerCase(),
        name = cloud.nameOf(i).toLocaleLowerCase();
      return id === query ? 0 : name === query ? 1 : id.startsWith(query) ? 2 : name.startsWith(query) ? 3 : 4;
    };
    const ranked =
      points.length > 20_000
        ? points
        : points
            .map((i) => [rank(i), i])
            .sort((a, b) => a[0] - b[0] || a[1] - b[1])
            .map((pair) => pair[1]);
    this.listed = ranked.slice(0, LISTED);
    this.active = -1;
    this.number.textContent = query ? `${count(points.length)} found` : "";
    this.fill();
    this.open();
    this.onQuery(this.found);
  }

  fill() {
    this.list.replaceChildren(
      ...this.listed.map((point, k) => {
        const name = this.cloud.nameOf(point),
          id = this.cloud.ids[point];
        return el(
          "li",
          {
            role: "option",
            id: `${this.list.id}-${k}`,
            "aria-selected": String(k === this.active),
            class: k === this.active ? "active" : null,
            // The press comes before the box loses its focus, which would close the list.
            onpointerdown: (event) => {
              event.preventDefault();
              this.choose(point);
            },
          },
          el("span", { class: "name", text: name, dir: "auto" }),
          name === id ? null : el("span", { class: "id", text: id, dir: "auto" }),
        );
      }),
    );
    if (this.active < 0) this.input.removeAttribute("aria-activedescendant");
    else this.input.setAttribute("aria-activedescendant", `${this.list.id}-${this.active}`);
  }

  open() {
    this.list.hidden = !this.listed.length;
    this.input.setAttribute("aria-expanded", String(!this.list.hidden));
  }

  close() {
    this.list.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
  }

  choose(point) {
    this.close();
    this.onChoose(point);
  }

  clear() {
    this.input.value = "";
    this.search();
    this.close();
  }

  key(event) {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      if (!this.listed.length) return;
      const by = event.key === "ArrowDown" ? 1 : -1;
      this.active = (this.active + by + this.listed.length + (this.active < 0 && by < 0 ? 1 : 0)) % this.listed.length;
      this.fill();
      this.open();
    } else if (event.key === "Enter") {
      if (this.listed.length) this.choose(this.listed[Math.max(this.active, 0)]);
    } else if (event.key === "Escape") {
      if (this.list.hidden) this.clear();
      else this.close();
    } else {
      return;
    }
    event.preventDefault();
  }
}
