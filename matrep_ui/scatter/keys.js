// What the keys do while the picture has the focus.

import { pointTowards } from "./picking.js";

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const TURN = 24; // CSS pixels of dragging that one press of shift and an arrow stands for
const SCRUBBING = [" ", "Home", "End", "PageUp", "PageDown", "a", "b"];

export function pressed(viewer, event) {
  const { scene, pointing } = viewer,
    arrow = ARROWS[event.key];
  if (!scene.cloud || event.altKey || event.ctrlKey || event.metaKey) return;
  if (arrow && event.shiftKey) {
    viewer.framing.drag(arrow[0] * -TURN, arrow[1] * -TURN, !scene.deep);
    viewer.framing.dragEnded();
  } else if (arrow) {
    const from = pointing.cursor < 0 ? (viewer.selected.at(-1) ?? -1) : pointing.cursor;
    const next = pointTowards(scene, from, ...arrow);
    if (next >= 0) pointing.walkTo(next);
  } else if (event.key === "Enter" && pointing.cursor >= 0) {
    viewer.choosing.pick(pointing.cursor, event.shiftKey);
  } else if (event.key === "Escape") {
    pointing.walkTo(-1);
    viewer.choosing.select([]);
  } else if (event.key === "+" || event.key === "=") {
    viewer.framing.zoom(1.25);
  } else if (event.key === "-") {
    viewer.framing.zoom(0.8);
  } else if (event.key === "0") {
    viewer.framing.fit();
  } else if (event.key === "f") {
    viewer.framing.fill();
  } else if (event.key === "/") {
    viewer.search.input.focus();
  } else if (SCRUBBING.includes(event.key) && scene.cloud.last > 0) {
    viewer.scrubber.key(event);
  } else {
    return;
  }
  event.preventDefault();
}
