// Lines and texts around the points as a list of plain objects, painted on a canvas or written as SVG:
//   { line: [[x, y], …], colour, width, dash }      { area: [[x, y], …], colour }
//   { ring: [x, y, r], colour, width }              { disc: [x, y, r], colour }
//   { text, x, y, colour, size, align: start | middle | end, weight, turn (degrees), halo (a colour) }
// Colours are CSS texts; y of a text is its middle.

export function paint(context, items, font) {
  context.textBaseline = "middle";
  context.lineJoin = "round";
  context.lineCap = "butt";
  for (const item of items) {
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
    } else if (item.ring || item.disc) {
      const [x, y, r] = item.ring ?? item.disc;
      context.beginPath();
      context.arc(x, y, r, 0, 2 * Math.PI);
      if (item.ring) stroke(context, item);
      else {
        context.fillStyle = item.colour;
        context.fill();
      }
    } else {
      write(context, item, font);
    }
  }
}

function stroke(context, { colour, width, dash }) {
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.setLineDash(dash ?? []);
  context.stroke();
  context.setLineDash([]);
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
