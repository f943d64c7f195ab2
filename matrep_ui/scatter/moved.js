// How far every point has moved between two frames, and which moved most.

import { distance } from "./neighbours.js";

const LISTED = 10;

export function mostMoved(scene, first, last) {
  const { cloud, rows, projection } = scene;
  const way = cloud.original
    ? (i) => distance(cloud, i, first, i, last)
    : (i) => Math.hypot(...rows.map((row) => projection.at(i, last, row) - projection.at(i, first, row)));
  const points = [];
  for (let i = 0; i < cloud.count; i++) {
    const by = way(i);
    if (points.length === LISTED && by <= points[LISTED - 1].by) continue;
    let place = points.length;
    while (place > 0 && points[place - 1].by < by) place--;
    points.splice(place, 0, { point: i, by });
    points.length = Math.min(points.length, LISTED);
  }
  const where = cloud.original
    ? "Distance in the original space."
    : "Distance on the axes shown; the way through all entries is longer.";
  return { points, where };
}
