// Elements without a framework. Texts are always set as text, never as markup.

export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") element.textContent = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

// A 20 × 20 picture from path data, drawn as lines in the colour of the text.
export function icon(...paths) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 20 20");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", "icon");
  for (const data of paths) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", data);
    svg.append(path);
  }
  return svg;
}

export const ICONS = {
  pan: [
    "M10 2.5v15M2.5 10h15M10 2.5 7.8 4.7M10 2.5l2.2 2.2M10 17.5l-2.2-2.2M10 17.5l2.2-2.2M2.5 10l2.2-2.2M2.5 10l2.2 2.2M17.5 10l-2.2-2.2M17.5 10l-2.2 2.2",
  ],
  orbit: [
    "M10 4.5c4.4 0 7.5 2.4 7.5 5.5s-3.1 5.5-7.5 5.5",
    "M10 15.5C5.6 15.5 2.5 13.1 2.5 10S5.6 4.5 10 4.5",
    "M12.4 13l-2.6 2.5 2.6 2.4",
  ],
  lasso: [
    "M10 3.5c4.2 0 7.3 2 7.3 4.7S14.200 13 10 13 2.700 10.900 2.700 8.200 5.800 3.500 10 3.500",
    "M6 12.300c-1.300.8-1.300 2.600 0 2.900 1.400.3 1.700 1.300.8 2.300",
  ],
  fit: ["M3 7V3h4M13 3h4v4M17 13v4h-4M7 17H3v-4", "M10 7.500a2.500 2.500 0 1 0 0 5 2.500 2.500 0 0 0 0-5"],
  frame: ["M10 5a5 5 0 1 0 0 10 5 5 0 0 0 0-10M10 2v4M10 14v4M2 10h4M14 10h4"],
  stretch: [
    "M2.500 10h15M2.500 10l2.500-2.500M2.500 10l2.500 2.500M17.500 10l-2.500-2.500M17.500 10l-2.500 2.500",
    "M5 3.500h10M5 16.500h10",
  ],
  plus: ["M10 4v12M4 10h12"],
  minus: ["M4 10h12"],
  play: ["M6 3.500v13l10-6.500z"],
  pause: ["M6.500 4v12M13.500 4v12"],
  search: ["M8.500 3a5.500 5.500 0 1 0 0 11 5.500 5.500 0 0 0 0-11M12.600 12.600 17 17"],
  close: ["M5 5l10 10M15 5 5 15"],
  save: ["M10 3v9.500M6 9l4 4 4-4M3.500 16.500h13"],
  near: [
    "M10 8.200a1.800 1.800 0 1 0 0 3.600 1.800 1.800 0 0 0 0-3.600",
    "M8.500 8.800 4 5M11.700 9.300l4.800-1.800M10.500 11.700l1.500 5",
    "M3 3.500h.01M17.500 7h.01M12.500 17.500h.01",
  ],
  names: ["M4 6.500V4h12v2.500M10 4v12M7.500 16h5"],
  density: [
    "M9 2.800c4.500-.6 8.200 2.500 8.200 6.700s-3.200 7.700-7.700 7.700-6.700-3-6.700-6.700 2-7.200 5.200-7.700",
    "M9.500 6.300c2.500 0 4.200 1.500 4.200 3.500s-1.500 3.700-3.700 3.700-3.700-1.500-3.700-3.500 1.200-3.700 3.200-3.700",
  ],
  full: ["M11.500 3.500h5v5M16.500 3.500 11.800 8.200M8.500 16.500h-5v-5M3.500 16.500 8.200 11.800"],
  trail: ["M3 16c3-1 2-6 5-7s4 1 6-1 2-4 3-4.500", "M16 3.500h.01"],
};
