// Points by Canvas 2D, for browsers without WebGL2: the same scene, slower.

import { css } from "./colour.js";

export class CanvasRenderer {
  static create(canvas) {
    const context = canvas.getContext("2d");
    return context && new CanvasRenderer(canvas, context);
  }

  constructor(canvas, context) {
    this.name = "canvas2d";
    this.canvas = canvas;
    this.context = context;
  }

  forget() {}

  keepOnly() {}

  setPalette(table) {
    this.table = table;
  }

  resize(width, height) {
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
  }

  draw(scene) {
    const { ratio } = scene;
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.context.clearRect(0, 0, scene.width, scene.height);
    paintPoints(this.context, scene, this.table);
  }

  destroy() {}
}

// Also used to draw a picture at print size.
export function paintPoints(context, scene, table) {
  const { cloud, theme, states, order } = scene;
  const at = scene.projected();
  const codes = scene.colour && cloud.codes(scene.colour, scene.frame);
  for (let k = 0; k < cloud.count; k++) {
    const i = order[k],
      x = at[3 * i],
      y = at[3 * i + 1],
      w = at[3 * i + 2];
    const look = lookOf(scene, states[i], w);
    if (!(w > 0) || x < -look.r || y < -look.r || x > scene.width + look.r || y > scene.height + look.r) continue;
    const base = look.layer === 0 ? theme.grey : table[codes ? codes[i] : 0];
    const colour = css(base.map((v, c) => Math.round(v + (theme.background[c] - v) * look.fog)));
    context.globalAlpha = look.alpha;
    if (look.edge > 0.3) {
      context.fillStyle = css(theme.background);
      circle(context, x, y, look.r + look.edge);
      context.fill();
    }
    circle(context, x, y, look.r);
    if (look.hollow) {
      context.fillStyle = css(theme.background);
      context.fill();
      context.strokeStyle = colour;
      context.lineWidth = Math.min(Math.max(look.r * 0.42, 0.9), 1.7);
      context.stroke();
    } else {
      context.fillStyle = colour;
      context.fill();
    }
    if (look.layer === 3) {
      circle(context, x, y, look.r + 3);
      context.strokeStyle = css(theme.ink);
      context.lineWidth = 2;
      context.stroke();
    }
  }
  context.globalAlpha = 1;
}

// Size and strength of a point, as in the vertex shader of gl.js.
export function lookOf(scene, state, w) {
  const layer = state & 3;
  let r = scene.radius * [0.8, 1, 1.35, 1.5][layer];
  if (layer === 3) r = Math.max(r, 4);
  if (layer === 2) r = Math.max(r, 3);
  if (scene.deep) r /= w;
  r = Math.max(r, 0.9);
  return {
    layer,
    r,
    edge: Math.min(r * 0.16, 0.9), // of the background, to keep points apart where they overlap
    hollow: Boolean(state & 4),
    alpha: layer === 0 ? 0.28 * scene.opacity : layer === 3 ? 1 : scene.opacity,
    fog: scene.deep ? Math.min(Math.max((w - 0.75) * 1.1, 0), 0.6) * (layer >= 2 ? 0.3 : 1) : 0,
  };
}

function circle(context, x, y, r) {
  context.beginPath();
  context.arc(x, y, r, 0, 2 * Math.PI);
}
