// What can be taken away: the picture as PNG or SVG, the points as CSV, or the whole viewer as one HTML file.

import { figureOf, toPng, toSvgFile } from "./figure.js";
import { toCsv } from "./table.js";
import { toHtml } from "./standalone.js";

const MAKE = {
  png: (viewer) => toPng(figureOf(viewer)),
  svg: (viewer) => toSvgFile(figureOf(viewer)),
  csv: (viewer) => toCsv(viewer, false),
  chosen: (viewer) => toCsv(viewer, true),
  html: toHtml,
};
const ENDINGS = { chosen: "csv" };

export async function saveAs(viewer, kind) {
  const name = `${viewer.label} ${viewer.shell.stamp.textContent}`
    .trim()
    .replace(/[^\p{L}\p{N}]+/gu, "-")
    .toLowerCase();
  download(await MAKE[kind](viewer), `${name}.${ENDINGS[kind] ?? kind}`);
}

function download(blob, name) {
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
