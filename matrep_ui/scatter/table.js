// The points that are shown, or the selected ones, as a table for a spreadsheet.

import { NONE } from "./cloud.js";
import { valueOfCode } from "./colour.js";
import { ASIDE } from "./scene.js";

// At the start of a cell, and after what starts one where a spreadsheet cuts at semicolons: as in views/export.py.
const STARTS_A_FORMULA = /^(?=[=+\-@\t\r\n＝＋－＠])|(?<=[;\t\r\n])(?=[=+\-@＝＋－＠])/g;

// UTF-8 with a byte order mark, which spreadsheets need to see UTF-8. Texts are quoted, numbers stay numbers.
export function toCsv({ scene, selected }, onlySelected) {
  const { cloud, frame, states } = scene;
  const points = onlySelected ? selected : [...cloud.ids.keys()].filter((i) => !(states[i] & ASIDE));
  const columns = [
    [cloud.idLabel, (i) => cloud.ids[i]],
    ...cloud.texts.map((text) => [text.name, text.of]),
    ...cloud.numbers.map(({ name, values }) => [name, (i) => values[i]]),
    ...cloud.colours.map((colour) => [named(colour), valueOf(colour, cloud.codes(colour, frame))]),
    ...(cloud.hollow ? [["trained", (i) => (cloud.hollow[i] ? "no" : "yes")]] : []),
    ...scene.rows.map((row, k) => [scene.axisNames[k], (i) => scene.projection.at(i, frame, row)]),
    ["step", () => cloud.steps[frame]],
  ];
  const lines = [columns.map(([name]) => cell(name)), ...points.map((i) => columns.map(([, of]) => cell(of(i))))];
  return new Blob(["\ufeff", lines.map((line) => line.join(",")).join("\r\n"), "\r\n"], { type: "text/csv" });
}

const named = ({ name, unit }) => (unit ? `${name} (${unit})` : name);

function valueOf(colour, codes) {
  const of = colour.kind === "categories" ? (code) => colour.labels[code] : (code) => valueOfCode(colour, code);
  return (i) => (codes[i] === NONE ? "" : of(codes[i]));
}

function cell(value) {
  if (typeof value === "number") return Number.isFinite(value) ? String(Number(value.toPrecision(6))) : "";
  const safe = value.replace(STARTS_A_FORMULA, "'");
  return `"${safe.replaceAll('"', '""')}"`;
}
