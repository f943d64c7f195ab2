// What is seen as a figure for print: PNG or SVG with axes, legend and caption.

import { paintPoints, lookOf } from "./canvas2d.js";
import { overlayItems } from "./overlay.js";
import { css, ramp } from "./colour.js";
import { NONE } from "./cloud.js";
import { count, show } from "./numbers.js";
import { relations } from "./neighbours.js";
import { paint, toSvg } from "./paint.js";
import { withSize } from "./png.js";

const PRINT_RATIO = 3; // pixels a CSS pixel; one of these is 1/96 inch, so this prints at 288 dpi
const PAD = 20,
  LEGEND = 230,
  ROW = 20,
  HEAD = 34;

// What a viewer shows, as a figure needs it.
export function figureOf(viewer) {
  const { scene, label, caption, groups, shown, selected } = viewer,
    { stage, surface, stamp } = viewer.shell;
  const facts = [
    stamp.textContent,
    `${count(scene.cloud.count)} ${scene.cloud.noun}`,
    scene.projection.name,
    caption,
    ...viewer.scrubber.shareTexts,
  ];
  return {
    scene,
    label,
    table: groups.table,
    hidden: groups.hidden,
    captions: wrapped(facts, stage.clientWidth + LEGEND).concat(scene.projection.note || []),
    relations: shown.neighbours && selected.length ? relations(scene, viewer.neighbours, selected.at(-1)) : null,
    stage: { width: stage.clientWidth, height: stage.clientHeight },
    picture: { left: surface.offsetLeft, top: surface.offsetTop },
    under: viewer.underItems(),
    over: overlayItems(viewer),
  };
}

// Facts in lines that are not wider than `width`.
function wrapped(facts, width) {
  const lines = [];
  for (const fact of facts.filter(Boolean)) {
    const longer = lines.length ? `${lines.at(-1)} · ${fact}` : fact;
    if (lines.length && longer.length * 6.2 <= width) lines[lines.length - 1] = longer;
    else lines.push(fact);
  }
  return lines;
}

// The figure around the picture: { width, height, x, y (of the stage), items }.
function frameOf({ scene, table, hidden, label, captions, relations: found, stage }) {
  const { theme, cloud } = scene;
  const width = stage.width + LEGEND + 2 * PAD,
    height = stage.height + HEAD + 2 * PAD + 8 + 17 * captions.length;
  const ink = css(theme.ink),
    muted = css(theme.muted);
  const items = [
    { text: label, x: PAD, y: PAD + 8, colour: ink, size: 16, weight: 600, align: "start" },
    ...captions.map((text, k) => ({
      text,
      x: PAD,
      y: height - PAD - 17 * (captions.length - 1 - k),
      colour: muted,
      size: 12,
      align: "start",
    })),
  ];
  const x = PAD + stage.width + 12;
  let y = PAD + HEAD + 10;
  const row = (swatch, text, number) => {
    items.push(swatch, { text: shorten(text, 25), x: x + 16, y, colour: ink, size: 12, align: "start" });
    if (number !== null) items.push({ text: count(number), x: width - PAD, y, colour: muted, size: 12, align: "end" });
    y += ROW;
  };
  if (scene.colour) {
    const { colour } = scene,
      counts = new Uint32Array(256);
    cloud.codes(colour, scene.frame).forEach((code) => counts[code]++);
    items.push({ text: colour.name, x, y, colour: ink, size: 12, weight: 600, align: "start" });
    y += ROW;
    const disc = (code) => ({ disc: [x + 5, y, 5], colour: css(hidden.has(code) ? theme.grey : table[code]) });
    if (colour.kind === "categories") {
      colour.labels.forEach(
        (text, code) => counts[code] && y < height - 4 * ROW && row(disc(code), text, counts[code]),
      );
    } else {
      const wide = LEGEND - 40;
      for (let k = 0; k < 60; k++) {
        const left = x + (wide * k) / 60,
          right = x + (wide * (k + 1)) / 60 + 0.5;
        items.push({
          area: [
            [left, y - 5],
            [right, y - 5],
            [right, y + 5],
            [left, y + 5],
          ],
          colour: css(ramp(k / 59, theme)),
        });
      }
      y += ROW - 4;
      items.push({ text: show(colour.low, 3), x, y, colour: muted, size: 11, align: "start" });
      items.push({ text: show(colour.high, 3), x: x + wide, y, colour: muted, size: 11, align: "end" });
      y += ROW;
      items.push({
        text: [colour.unit, colour.log ? "log scale" : ""].filter(Boolean).join(", "),
        x,
        y,
        colour: muted,
        size: 11,
        align: "start",
      });
      y += ROW;
    }
    if (counts[NONE]) row(disc(NONE), colour.none_label, counts[NONE]);
  }
  const hollow = cloud.hollow ? cloud.hollow.reduce((sum, flag) => sum + flag, 0) : 0;
  if (hollow) row({ ring: [x + 5, y, 4], colour: muted, width: 1.6 }, cloud.hollowLabel, hollow);
  if (found) {
    const line = (dash) => ({ line: [[x, y], [x + 12, y]], colour: ink, width: 1.2, dash });
    row(line(), "neighbour, drawn near", found.kept.length);
    row(line([4, 3]), "missing neighbour", found.missing.length);
    row({ ring: [x + 5, y, 4], colour: ink, width: 1.4, dash: [1.5, 2.5] }, "false neighbour", found.wrong.length);
  }
  return { width, height, x: PAD, y: PAD + HEAD, items };
}

const shorten = (text, most) => ([...text].length > most ? `${[...text].slice(0, most - 1).join("")}…` : text);

export async function toPng(view) {
  const { scene, picture } = view,
    frame = frameOf(view);
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(frame.width * PRINT_RATIO);
  canvas.height = Math.round(frame.height * PRINT_RATIO);
  const context = canvas.getContext("2d");
  const at = (x, y) => context.setTransform(PRINT_RATIO, 0, 0, PRINT_RATIO, x * PRINT_RATIO, y * PRINT_RATIO);
  at(0, 0);
  context.fillStyle = css(scene.theme.background);
  context.fillRect(0, 0, frame.width, frame.height);
  paint(context, frame.items, scene.theme.font);
  at(frame.x, frame.y);
  paint(context, view.under, scene.theme.font);
  at(frame.x + picture.left, frame.y + picture.top);
  context.beginPath();
  context.rect(0, 0, scene.width, scene.height);
  context.clip();
  paintPoints(context, scene, view.table);
  paint(context, view.over, scene.theme.font);
  return withSize(await new Promise((done) => canvas.toBlob(done, "image/png")));
}

export function toSvgFile(view) {
  const { scene, picture } = view,
    frame = frameOf(view);
  const font = scene.theme.font.replace(/"/g, "'");
  const move = (x, y, inner, more = "") => `<g transform="translate(${x} ${y})"${more}>\n${inner}\n</g>`;
  const text = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${frame.width}" height="${frame.height}" viewBox="0 0 ${frame.width} ${frame.height}" font-family="${font}">`,
    `<rect width="100%" height="100%" fill="${css(scene.theme.background)}"/>`,
    `<clipPath id="picture"><rect width="${scene.width}" height="${scene.height}"/></clipPath>`,
    toSvg(frame.items),
    move(frame.x, frame.y, toSvg(view.under)),
    move(
      frame.x + picture.left,
      frame.y + picture.top,
      `${toSvg(pointItems(view))}\n${toSvg(view.over)}`,
      ' clip-path="url(#picture)"',
    ),
    "</svg>\n",
  ].join("\n");
  return new Blob([text], { type: "image/svg+xml" });
}

// The points as items, in the order in which they are drawn.
function pointItems({ scene, table }) {
  const { cloud, theme, states, order } = scene;
  const at = scene.projected(),
    codes = scene.colour && cloud.codes(scene.colour, scene.frame),
    items = [];
  for (const i of order) {
    const x = at[3 * i],
      y = at[3 * i + 1],
      look = lookOf(scene, states[i], at[3 * i + 2]);
    if (!(at[3 * i + 2] > 0) || x < -9 || y < -9 || x > scene.width + 9 || y > scene.height + 9) continue;
    const base = look.layer === 0 ? theme.grey : table[codes ? codes[i] : 0];
    const colour = css(base.map((v, c) => Math.round(v + (theme.background[c] - v) * look.fog)));
    if (look.hollow)
      items.push({ ring: [x, y, look.r], colour, width: 1.4, fill: css(theme.background), alpha: look.alpha });
    else
      items.push({
        disc: [x, y, look.r + look.edge / 2],
        colour,
        alpha: look.alpha,
        edge: css(theme.background),
        width: look.edge,
      });
    if (look.layer === 3) items.push({ ring: [x, y, look.r + 3], colour: css(theme.ink), width: 2 });
  }
  return items;
}

