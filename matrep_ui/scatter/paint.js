// Lines and texts around the points as a list of plain objects, painted on a canvas or written as SVG:
//   { line: [[x, y], …], colour, width, dash }      { area: [[x, y], …], colour }
//   { areas: [area, …], colour }: filled at once, so that no seams show between them
//   { ring: [x, y, r], colour, width, fill }        { disc: [x, y, r], colour, edge (a colour), width }
//   { text, x, y, colour, size, align: start | middle | end, weight, turn (degrees), halo (a colour) }
// Any may have an alpha. Colours are CSS texts; y of a text is its middle.

export function paint(context, items, font) {
  context.textBaseline = "middle";
  context.lineJoin = "round";
  context.lineCap = "butt";
  for (const item of items) {
    context.globalAlpha = item.alpha ?? 1;
    if (item.line || item.area) {
      const points = item.line ?? item.area;
      context.beginPath();
      points.forEach(([x, y], k) => (k ? context.lineTo(x, y) : context.moveTo(x, y)));
      if (item.area) {
        context.closePath();
        context.fillStyle = item.colour;
        context.fill();
      } else {
        stroke(context, item);
      }
    } else if (item.areas) {
      context.beginPath();
      for (const area of item.areas) {
        area.forEach(([x, y], k) => (k ? context.lineTo(x, y) : context.moveTo(x, y)));
        context.closePath();
      }
      context.fillStyle = item.colour;
      context.fill();
    } else if (item.ring || item.disc) {
      const [x, y, r] = item.ring ?? item.disc;
      context.beginPath();
      context.arc(x, y, r, 0, 2 * Math.PI);
      if (item.ring) stroke(context, item);
      else {
        context.fillStyle = item.colour;
        context.fill();
        if (item.edge) stroke(context, { ...item, colour: item.edge });
      }
    } else {
      write(context, item, font);
    }
  }
  context.globalAlpha = 1;
}

function stroke(context, { colour, width, dash }) {
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.setLineDash(dash ?? []);
  context.stroke();
  context.setLineDash([]);
}

let measuring = null;

// CSS pixels that a text takes.
export function widthOf(text, size, weight, font) {
  measuring ??= document.createElement("canvas").getContext("2d");
  measuring.font = `${weight} ${size}px ${font}`;
  return measuring.measureText(text).width;
}

const CANVAS_ALIGN = { start: "left", middle: "center", end: "right" };

function write(context, { text, x, y, colour, size, align, weight, turn, halo }, font) {
  context.save();
  context.translate(x, y);
  if (turn) context.rotate((turn * Math.PI) / 180);
  context.font = `${weight ?? 400} ${size}px ${font}`;
  context.textAlign = CANVAS_ALIGN[align ?? "middle"];
  if (halo) {
    context.strokeStyle = halo;
    context.lineWidth = 3.5;
    context.strokeText(text, 0, 0);
  }
  context.fillStyle = colour;
  context.fillText(text, 0, 0);
  context.restore();
}

const MARKUP = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
// Texts as XML holds them; what XML cannot hold (control characters) becomes the replacement character.
const escaped = (text) =>
  text
    .replace(/[&<>"]/g, (sign) => MARKUP[sign])
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "\ufffd");
const short = (value) => String(Math.round(value * 100) / 100);

export function toSvg(items) {
  return items
    .map((item) => {
      const alpha = item.alpha === undefined || item.alpha === 1 ? "" : ` opacity="${short(item.alpha)}"`;
      const dash = item.dash ? ` stroke-dasharray="${item.dash.join(" ")}"` : "";
      const stroked = `stroke="${item.colour}" stroke-width="${item.width}"${dash}`;
      if (item.line || item.area) {
        const points = (item.line ?? item.area).map(([x, y]) => `${short(x)},${short(y)}`).join(" ");
        return item.line
          ? `<polyline points="${points}" fill="none" stroke-linejoin="round" ${stroked}${alpha}/>`
          : `<polygon points="${points}" fill="${item.colour}"${alpha}/>`;
      }
      if (item.areas) {
        const path = item.areas.map((area) => `M${area.map(([x, y]) => `${short(x)} ${short(y)}`).join("L")}Z`).join("");
        return `<path d="${path}" fill="${item.colour}"${alpha}/>`;
      }
      if (item.ring || item.disc) {
        const [x, y, r] = item.ring ?? item.disc;
        const edge = item.edge && item.width > 0.1 ? ` stroke="${item.edge}" stroke-width="${short(item.width)}"` : "";
        const look = item.ring ? `fill="${item.fill ?? "none"}" ${stroked}` : `fill="${item.colour}"${edge}`;
        return `<circle cx="${short(x)}" cy="${short(y)}" r="${short(r)}" ${look}${alpha}/>`;
      }
      const turn = item.turn ? ` transform="rotate(${item.turn} ${short(item.x)} ${short(item.y)})"` : "";
      const halo = item.halo
        ? ` stroke="${item.halo}" stroke-width="3.5" paint-order="stroke" stroke-linejoin="round"`
        : "";
      return (
        `<text x="${short(item.x)}" y="${short(item.y)}" fill="${item.colour}" font-size="${item.size}" font-weight="${item.weight ?? 400}" ` +
        `text-anchor="${item.align ?? "middle"}" dominant-baseline="central"${turn}${halo}${alpha}>${escaped(item.text)}</text>`
      );
    })
    .join("\n");
}
