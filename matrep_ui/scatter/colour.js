// Colours of the points and of the theme. All colours are [r, g, b] with 0 to 255, or CSS text where marked.

import { NONE } from "./cloud.js";

// Groups: told apart in every pair with normal sight and with each of the three kinds of colour blindness (at least
// 0.07 apart in OKLab), and clear of the background they are made for. The first eight of LIGHT follow Okabe and Ito.
const LIGHT = [
  "#0072b2",
  "#d55e00",
  "#009e73",
  "#cc79a7",
  "#e69f00",
  "#56b4e9",
  "#5b3a9e",
  "#8c1c4a",
  "#995380",
  "#4d1d07",
  "#9a79ef",
  "#102864",
];
const DARK = [
  "#3dbffc",
  "#e67502",
  "#45f3ae",
  "#caa5b7",
  "#dcd838",
  "#798abd",
  "#5858f7",
  "#d02b34",
  "#a78375",
  "#895bb5",
  "#a0be6f",
  "#bfe4fb",
];

export const GROUPS = LIGHT.length; // told apart at once

// Numbers: viridis, without the end that would vanish in the background.
const VIRIDIS = [
  "#440154",
  "#482878",
  "#3e4989",
  "#31688e",
  "#26828e",
  "#1f9e89",
  "#35b779",
  "#6ece58",
  "#b5de2b",
  "#fde725",
];

export const css = ([r, g, b], alpha = 1) => (alpha === 1 ? `rgb(${r},${g},${b})` : `rgba(${r},${g},${b},${alpha})`);
const fromHex = (hex) => [1, 3, 5].map((k) => parseInt(hex.slice(k, k + 2), 16));
const between = (a, b, share) => a.map((v, k) => Math.round(v + (b[k] - v) * share));

// The theme as Streamlit gives it, read from the custom properties around the view.
export function readTheme(element) {
  const style = getComputedStyle(element);
  const probe = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const read = (name, fallback) => {
    probe.clearRect(0, 0, 1, 1);
    probe.fillStyle = fallback;
    probe.fillStyle = style.getPropertyValue(name).trim() || fallback;
    probe.fillRect(0, 0, 1, 1);
    return [...probe.getImageData(0, 0, 1, 1).data.slice(0, 3)];
  };
  const background = read("--st-background-color", "#ffffff");
  const ink = read("--st-text-color", "#31333f");
  return {
    dark: 0.2126 * background[0] + 0.7152 * background[1] + 0.0722 * background[2] < 128,
    background,
    ink,
    primary: read("--st-primary-color", "#0f6b7a"),
    muted: between(ink, background, 0.38),
    line: between(ink, background, 0.84),
    grey: between(ink, background, 0.62),
    font: style.getPropertyValue("--st-font").trim() || "sans-serif",
  };
}

// 256 colours: one a code. Code NONE is grey.
export function palette(colour, theme) {
  const table = Array.from({ length: 256 }, () => theme.grey);
  if (!colour) return table.fill(theme.primary);
  if (colour.kind === "categories") {
    colour.labels.forEach((_, code) => (table[code] = groupColour(code, theme)));
  } else {
    for (let code = 0; code <= 250; code++) table[code] = ramp(code / 250, theme);
  }
  table[NONE] = theme.grey;
  return table;
}

// After the twelfth group the colours return lighter or darker: still the same order, no longer told apart at once.
export function groupColour(code, theme) {
  const base = fromHex((theme.dark ? DARK : LIGHT)[code % GROUPS]);
  const round = Math.floor(code / GROUPS) % 4;
  return round ? between(base, theme.dark ? [20, 30, 34] : [255, 255, 255], [0, 0.4, 0.2, 0.55][round]) : base;
}

export function ramp(share, theme) {
  const place = (theme.dark ? 0.14 + 0.86 * share : 0.93 * share) * (VIRIDIS.length - 1);
  const low = Math.min(Math.floor(place), VIRIDIS.length - 2);
  return between(fromHex(VIRIDIS[low]), fromHex(VIRIDIS[low + 1]), place - low);
}

// The number that a code of a scale stands for.
export function valueOfCode(colour, code) {
  const share = code / 250;
  return colour.log
    ? colour.low * (colour.high / colour.low) ** share
    : colour.low + (colour.high - colour.low) * share;
}
