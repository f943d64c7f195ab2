// The card beside a point: who it is, and its numbers at this step.

import { el } from "./dom.js";
import { show, count } from "./numbers.js";
import { NONE } from "./cloud.js";
import { css, valueOfCode } from "./colour.js";

// Facts about a point as [name, text] pairs, in the order of the card.
export function factsOf(scene, point) {
  const { cloud } = scene;
  const facts = [[cloud.idLabel, cloud.ids[point]]];
  for (const text of cloud.texts) if (text.of(point)) facts.push([text.name, text.of(point)]);
  for (const { name, values } of cloud.numbers) facts.push([name, show(values[point])]);
  if (cloud.hollow?.[point]) facts.push(["", cloud.hollowLabel]);
  const known = facts.some(([name]) => name === scene.colour?.name);
  if (scene.colour && !known) facts.push([scene.colour.name, colourText(scene, point)]);
  if (!scene.tour) {
    const at = scene.positionOf(point);
    scene.axisNames.forEach((name, k) => facts.push([name.replace(/ \([^()]*\)$/, ""), show(at[k])]));
  }
  return facts;
}

function colourText(scene, point) {
  const { cloud, colour } = scene;
  const code = cloud.codes(colour, scene.frame)[point];
  if (code === NONE) return colour.none_label;
  if (colour.kind === "categories") return colour.labels[code];
  return `${show(valueOfCode(colour, code), 3)}${colour.unit ? ` ${colour.unit}` : ""}`;
}

export class Card {
  constructor() {
    this.element = el("div", { class: "card", hidden: true, "aria-hidden": "true" });
  }

  // At the right of (x, y) where there is room; at the left of a selected point, whose name stands at its right.
  show(scene, point, table, x, y, stage, selected) {
    const { cloud } = scene;
    const [, ...facts] = factsOf(scene, point);
    const code = scene.colour ? cloud.codes(scene.colour, scene.frame)[point] : 0;
    const swatch = el("span", { class: "swatch" });
    swatch.style.setProperty("--swatch", css(table[code]));
    if (cloud.hollow?.[point]) swatch.classList.add("hollow");
    const list = el("dl");
    for (const [name, text] of facts) {
      if (name === cloud.texts[0]?.name) continue;
      if (name) list.append(el("dt", { text: name }), el("dd", { text, dir: "auto" }));
      else list.append(el("dd", { class: "wide", text }));
    }
    this.element.replaceChildren(
      el("div", { class: "card-head" }, swatch, el("strong", { text: cloud.nameOf(point), dir: "auto" })),
      el("div", { class: "card-id", text: cloud.ids[point], dir: "auto" }),
      list,
    );
    this.element.hidden = false;
    const { offsetWidth: w, offsetHeight: h } = this.element;
    const onLeft = x + 16 + w > stage.clientWidth || (selected && x - w - 16 > 4);
    const left = onLeft ? Math.max(4, x - w - 16) : x + 16;
    const top = Math.min(Math.max(4, y - h / 2), Math.max(4, stage.clientHeight - h - 4));
    this.element.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
  }

  hide() {
    this.element.hidden = true;
  }
}

// The same facts in one sentence, for the live region.
export function sentenceOf(scene, point, selected) {
  const facts = factsOf(scene, point).map(([name, text]) => (name ? `${name} ${text}` : text));
  return `${scene.cloud.nameOf(point)}. ${facts.join(", ")}.${selected ? " Selected." : ""}`;
}

export const counted = (number, noun) => `${count(number)} ${number === 1 ? noun.replace(/s$/, "") : noun}`;
