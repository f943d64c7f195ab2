// What the keys do while the picture has the focus.

import { pointTowards } from "./picking.js";

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const TURN = 24; // CSS pixels of dragging that one press of shift and an arrow stands for
const SCRUBBING = [" ", "Home", "End", "PageUp", "PageDown"];

export function pressed(viewer, event) {
  const { scene, pointing } = viewer,
    arrow = ARROWS[event.key];
  if (!scene.cloud || event.altKey || event.ctrlKey || event.metaKey) return;
  if (arrow && event.shiftKey) {
    viewer.dragged(arrow[0] * -TURN, arrow[1] * -TURN, !scene.deep);
    viewer.dragEnded();
  } else if (arrow) {
    const from = pointing.cursor < 0 ? (viewer.selected.at(-1) ?? -1) : pointing.cursor;
    const next = pointTowards(scene, from, ...arrow);
    if (next >= 0) pointing.walkTo(next);
  } else if (event.key === "Enter" && pointing.cursor >= 0) {
    viewer.pick(pointing.cursor, event.shiftKey);
  } else if (event.key === "Escape") {
    pointing.walkTo(-1);
    viewer.select([]);
  } else if (event.key === "+" || event.key === "=") {
    viewer.zoom(1.25, scene.width / 2, scene.height / 2);
  } else if (event.key === "-") {
    viewer.zoom(0.8, scene.width / 2, scene.height / 2);
  } else if (event.key === "0") {
    viewer.reset();
  } else if (event.key === "f") {
    viewer.frameSelected();
  } else if (event.key === "/") {
    viewer.search.input.focus();
  } else if (SCRUBBING.includes(event.key) && scene.cloud.last > 0) {
    viewer.scrubber.key(event);
  } else {
    return;
  }
  event.preventDefault();
}
