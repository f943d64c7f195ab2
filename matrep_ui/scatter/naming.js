// Names on the picture: of the selected points, of the groups at their centres, of the points with most support.
// They are placed one after another, each where it covers none before it; one without room is left out.

import { css } from "./colour.js";
import { ASIDE } from "./scene.js";
import { lookOf } from "./canvas2d.js";
import { NONE } from "./cloud.js";
import { widthOf } from "./paint.js";

const MOST_SELECTED = 14,
  MOST_GROUPS = 24,
  TRIED = 400; // points of most support that are in the picture, until enough are named
const NEAR = 32, // CSS pixels around the centre of a group, in which it must be
  ENOUGH = 0.5; // as common as the most common group there: a name amid others' points would mislead
const PLATE = 0.6; // opacity of what lies behind a name
const ROOM = 26_000; // CSS pixels² of picture a named point
const SELECTED = { size: 12, weight: 600 },
  GROUP = { size: 13, weight: 700 },
  POINT = { size: 11, weight: 400 };

// all: also the groups and the points of most support
export function nameItems(scene, selected, table, hidden, all) {
  const room = new Room(scene);
  nameSelected(room, selected);
  if (all && scene.cloud.count) {
    if (scene.colour?.kind === "categories" && !scene.strip) nameGroups(room, table, hidden);
    nameLargest(room, new Set(selected));
  }
  return room.items;
}

class Room {
  constructor(scene) {
    this.scene = scene;
    this.at = scene.projected();
    this.taken = [];
    this.items = [];
  }

  // [x, y, w] of a point in the picture, or null outside of it.
  placeOf(point) {
    const [x, y, w] = this.at.subarray(3 * point, 3 * point + 3);
    return w > 0 && x >= 0 && y >= 0 && x <= this.scene.width && y <= this.scene.height ? [x, y, w] : null;
  }

  // Put a text at the first of some places ([align, x, y]) where there is room; gives its box.
  put(text, style, places) {
    const { theme, width, height } = this.scene;
    const long = widthOf(text, style.size, style.weight, theme.font),
      half = style.size / 2 + 2;
    for (const place of places) {
      const [align, x, y] = place;
      const left = align === "start" ? x : align === "end" ? x - long : x - long / 2;
      const box = [left - 2, y - half, left + long + 2, y + half];
      if (box[0] < 0 || box[2] > width || box[1] < 0 || box[3] > height) continue;
      if (this.taken.some((t) => box[0] < t[2] && box[2] > t[0] && box[1] < t[3] && box[3] > t[1])) continue;
      this.taken.push(box);
      const [x0, y0, x1, y1] = box,
        area = [[x0, y0], [x1, y0], [x1, y1], [x0, y1]];
      this.items.push({ area, colour: css(theme.background, PLATE) }); // so that it is read over dense points too
      this.items.push({ text, x, y, align, ...style, colour: css(theme.ink), halo: css(theme.background, 0.9) });
      return box;
    }
    return null;
  }

  beside(point, [x, y, w]) {
    const gap = lookOf(this.scene, this.scene.states[point], w).r;
    return [
      ["start", x + gap + 8, y],
      ["end", x - gap - 8, y],
      ["middle", x, y - gap - 13],
      ["middle", x, y + gap + 13],
    ];
  }
}

function nameSelected(room, selected) {
  for (const point of selected) {
    if (room.taken.length === MOST_SELECTED) break;
    const place = room.placeOf(point);
    if (place) room.put(shorten(room.scene.cloud.nameOf(point), 32), SELECTED, room.beside(point, place));
  }
}

// Each group at the mean of its points in the picture, the larger first, with a dot of its colour; those without a
// place of their own are left out.
function nameGroups(room, table, hidden) {
  const { cloud, colour, frame, theme } = room.scene,
    { at } = room;
  const codes = cloud.codes(colour, frame),
    sums = Array.from({ length: colour.labels.length }, (_, code) => ({ code, n: 0, x: 0, y: 0 }));
  for (let i = 0; i < cloud.count; i++) {
    if (codes[i] === NONE || !(at[3 * i + 2] > 0) || cloud.hollow?.[i]) continue;
    const sum = sums[codes[i]];
    sum.n++;
    sum.x += at[3 * i];
    sum.y += at[3 * i + 1];
  }
  const groups = sums.filter(({ code, n }) => n && !hidden.has(code)).sort((a, b) => b.n - a.n);
  for (const { code, n, x, y } of groups.slice(0, MOST_GROUPS)) {
    const [cx, cy] = [x / n, y / n],
      around = countAround(room, codes, cx, cy);
    if (around[code] < ENOUGH * Math.max(...around)) continue;
    const box = room.put(
      shorten(colour.labels[code], 28),
      GROUP,
      [0, -20, 20, -40, 40].map((by) => ["middle", cx, cy + by]),
    );
    if (!box) continue;
    const dot = [box[0] - 5, (box[1] + box[3]) / 2, 4.5];
    room.items.push({ disc: dot, colour: css(table[code]), edge: css(theme.background), width: 1.5 });
    box[0] -= 12;
  }
}

// How many points of each group lie near a place in the picture.
function countAround({ scene, at }, codes, x, y) {
  const counts = new Uint32Array(scene.colour.labels.length);
  for (let i = 0; i < codes.length; i++)
    if (codes[i] !== NONE && (at[3 * i] - x) ** 2 + (at[3 * i + 1] - y) ** 2 < NEAR ** 2) counts[codes[i]]++;
  return counts;
}

const ranks = new WeakMap(); // cloud -> its points by the first number of the card, the largest first

function ranked(cloud) {
  if (!ranks.has(cloud)) {
    const values = cloud.numbers[0]?.values ?? [];
    const known = [...values.keys()].filter((i) => values[i] > 0 && !cloud.hollow?.[i]);
    ranks.set(cloud, Uint32Array.from(known.sort((a, b) => values[b] - values[a])));
  }
  return ranks.get(cloud);
}

function nameLargest(room, known) {
  const { cloud, states, width, height } = room.scene;
  let left = Math.min(Math.max(Math.round((width * height) / ROOM), 4), 30),
    tried = 0;
  for (const point of ranked(cloud)) {
    if (!left || tried === TRIED) break;
    const place = states[point] & ASIDE || known.has(point) ? null : room.placeOf(point);
    if (!place) continue;
    tried++;
    if (room.put(shorten(cloud.nameOf(point), 24), POINT, room.beside(point, place))) left--;
  }
}

function shorten(text, most) {
  const letters = [...text];
  return letters.length > most ? `${letters.slice(0, most - 1).join("")}…` : text;
}
