// While the tour turns: which way each axis points in the picture, as lines from one corner.

import { shortName } from "./axes.js";
import { css } from "./colour.js";

const RADIUS = 46; // CSS pixels of an axis that lies in the picture
const LEAST = 0.18; // of the length; shorter ones go without a name

export function tourItems(scene, camera, height) {
  const { theme, tour, projection } = scene;
  const x = RADIUS + 78,
    y = height - RADIUS - 66;
  const items = [{ ring: [x, y, RADIUS], colour: css(theme.line), width: 1, fill: "none" }];
  projection.carried.forEach((axis, k) => {
    const [right, up] = scene.deep ? turned(camera, tour.map((row) => row[k])) : tour.map((row) => row[k]);
    const length = Math.hypot(right, up),
      end = [x + RADIUS * right, y - RADIUS * up];
    items.push({ line: [[x, y], end], colour: css(theme.primary), width: 1.5 });
    if (length < LEAST) return;
    items.push({
      text: shortName(projection.axes[axis]),
      x: end[0] + (9 * right) / length,
      y: end[1] - (9 * up) / length,
      colour: css(theme.ink),
      size: 10.5,
      align: Math.abs(right) < 0.5 * length ? "middle" : right < 0 ? "end" : "start",
      halo: css(theme.background, 0.9),
    });
  });
  return items;
}

// A direction of the box as the orbiting eye sees it: right and up.
function turned({ turn, tilt }, [x, y, z]) {
  const ct = Math.cos(turn),
    st = Math.sin(turn);
  return [ct * x + st * y, -st * Math.sin(tilt) * x + ct * Math.sin(tilt) * y + Math.cos(tilt) * z];
}
