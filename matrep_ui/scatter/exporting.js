// What is seen, to take away: as PNG or SVG with axes, legend and caption, or the whole viewer as one HTML file.

import { paintPoints, lookOf } from "./canvas2d.js";
import { overlayItems } from "./overlay.js";
import { css, ramp } from "./colour.js";
import { NONE } from "./cloud.js";
import { count, show } from "./numbers.js";
import { paint, toSvg } from "./paint.js";

const PRINT_RATIO = 3; // pixels a CSS pixel: a picture 900 wide prints 23 cm wide at 300 dpi
const PAD = 20,
  LEGEND = 230,
  ROW = 20,
  HEAD = 34;

// Save what a viewer shows: "png", "svg", or "html" for the viewer itself with its data.
export async function saveAs(viewer, kind) {
  const { scene, label, caption, table } = viewer,
    { stage, surface, stamp } = viewer.shell;
  const name = `${label} ${stamp.textContent}`
    .trim()
    .replace(/[^\p{L}\p{N}]+/gu, "-")
    .toLowerCase();
  const view = {
    scene,
    label,
    caption,
    table,
    hidden: viewer.hiddenCodes,
    stampText: stamp.textContent,
    stage: { width: stage.clientWidth, height: stage.clientHeight },
    picture: { left: surface.offsetLeft, top: surface.offsetTop },
    under: viewer.underItems(),
    over: overlayItems(viewer),
  };
  const make = { png: () => toPng(view), svg: () => toSvgFile(view), html: () => toHtml(viewer) }[kind];
  download(await make(), `${name}.${kind}`);
}

// The figure around the picture: { width, height, x, y (of the stage), items }.
function frameOf({ scene, table, hidden, label, caption, stage, stampText }) {
  const { theme, cloud } = scene;
  const width = stage.width + LEGEND + 2 * PAD,
    height = stage.height + HEAD + 2 * PAD + 24;
  const ink = css(theme.ink),
    muted = css(theme.muted);
  const items = [
    { text: label, x: PAD, y: PAD + 8, colour: ink, size: 16, weight: 600, align: "start" },
    {
      text: [stampText, `${count(cloud.count)} ${cloud.noun}`, caption].filter(Boolean).join(" · "),
      x: PAD,
      y: height - PAD,
      colour: muted,
      size: 12,
      align: "start",
    },
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
  return { width, height, x: PAD, y: PAD + HEAD, items };
}

const shorten = (text, most) => ([...text].length > most ? `${[...text].slice(0, most - 1).join("")}…` : text);

async function toPng(view) {
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
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}

function toSvgFile(view) {
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

const THEME = [
  "--st-background-color",
  "--st-secondary-background-color",
  "--st-text-color",
  "--st-primary-color",
  "--st-font",
  "--st-base-radius",
];

// The viewer with its data as one page that needs nothing else: the script that this module is part of, its styles
// and the parts of the data. The page starts where the viewer stands.
async function toHtml({ scene, selected, scrubber, options, parts, label, caption, root }) {
  const script = await (await fetch(import.meta.url)).text();
  const title = [label, caption].filter(Boolean).join(" · "),
    style = getComputedStyle(root);
  const theme = THEME.map((name) => `${name}: ${style.getPropertyValue(name).trim()};`).join(" ");
  const start = {
    selected: selected.map((i) => scene.cloud.ids[i]),
    step: scene.cloud.steps[scene.frame],
    colour: scene.colour?.name ?? null,
    axes: scene.axes,
    projection: scene.projection.name,
    marks: scrubber.flagged().map((frame) => scene.cloud.steps[frame]),
  };
  const packed = {};
  for (const id of Object.values(options.parts)) packed[id] = await deflated(parts.get(id).bytes);
  const inScript = (value) => JSON.stringify(value).replace(/</g, "\\u003c");
  const source = script.replace(/<\/script/gi, "<\\/script");
  const page = document.implementation.createHTMLDocument(title);
  page.documentElement.lang = "en";
  const pageStyle = page.createElement("style");
  pageStyle.textContent = `:root { ${theme} }
body { margin: 1.5rem; background: var(--st-background-color); color: var(--st-text-color); font-family: var(--st-font); }
h1 { font-size: 1.3rem; font-weight: 600; }`;
  const charset = page.createElement("meta");
  charset.setAttribute("charset", "utf-8");
  page.head.prepend(charset);
  page.head.append(pageStyle);
  const heading = page.createElement("h1");
  heading.textContent = title;
  const mount = page.createElement("div");
  mount.id = "viewer";
  page.body.append(heading, mount);
  const module = page.createElement("script");
  module.type = "module";
  module.textContent = `${source}
code();
const packed = ${inScript(packed)};
const options = ${inScript({ ...options, start, ask: null, alone: true })};
for (const [id, text] of Object.entries(packed)) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  hub.parts.set(id, { bytes: new Uint8Array(await new Response(stream).arrayBuffer()) });
}
const viewer = hub.viewer.createViewer(document.getElementById("viewer"), hub.styles);
viewer.update({ data: options, setStateValue() {} }, hub.parts);
`;
  page.body.append(module);
  return new Blob([`<!doctype html>\n${page.documentElement.outerHTML}\n`], { type: "text/html" });
}

async function deflated(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("deflate"));
  const packed = new Uint8Array(await new Response(stream).arrayBuffer());
  let text = "";
  for (let k = 0; k < packed.length; k += 0x8000) text += String.fromCharCode(...packed.subarray(k, k + 0x8000));
  return btoa(text);
}

function download(blob, name) {
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
