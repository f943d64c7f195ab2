// Mouse, pen and touch on the picture: pan or orbit, zoom, pinch, click, lasso. Says what was meant to `on`:
//   hover(x, y) leave() click(x, y, add) drag(dx, dy, other) dragEnd() zoom(factor, x, y) lasso(path, done, add) reset()

const STILL = 4; // CSS pixels a press may move and still be a click

export function listen(surface, on, lassoMode) {
  const active = new Map(); // pointer id -> [x, y]
  let start = null,
    moved = false,
    path = null,
    other = false,
    pinch = 0;

  const place = (event) => {
    const box = surface.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const spread = () => {
    const [[ax, ay], [bx, by]] = [...active.values()];
    return { size: Math.hypot(ax - bx, ay - by), x: (ax + bx) / 2, y: (ay + by) / 2 };
  };

  surface.addEventListener("pointerdown", (event) => {
    surface.setPointerCapture(event.pointerId);
    active.set(event.pointerId, place(event));
    if (active.size === 2) {
      pinch = spread().size;
      path = null;
      return;
    }
    start = place(event);
    moved = false;
    other = event.button === 2 || event.button === 1 || event.ctrlKey || event.metaKey;
    path = event.button === 0 && (lassoMode() || event.shiftKey) ? [start] : null;
  });

  surface.addEventListener("pointermove", (event) => {
    const [x, y] = place(event);
    if (!active.has(event.pointerId)) {
      on.hover(x, y);
      return;
    }
    const [px, py] = active.get(event.pointerId);
    active.set(event.pointerId, [x, y]);
    if (active.size === 2) {
      moved = true;
      const now = spread();
      on.drag((x - px) / 2, (y - py) / 2, true);
      if (pinch) on.zoom(now.size / pinch, now.x, now.y);
      pinch = now.size;
      return;
    }
    if (!start || (!moved && Math.hypot(x - start[0], y - start[1]) < STILL)) return;
    if (!moved) on.leave();
    const first = !moved;
    moved = true;
    if (path) {
      path.push([x, y]);
      on.lasso(path, false, event.shiftKey);
    } else {
      on.drag(first ? x - start[0] : x - px, first ? y - start[1] : y - py, other);
    }
  });

  const end = (event) => {
    if (!active.delete(event.pointerId)) return;
    if (active.size) {
      start = null;
      return;
    }
    const [x, y] = place(event);
    if (event.type === "pointercancel") {
      if (path) on.lasso([], true, true);
    } else if (start && !moved && event.button === 0) {
      on.click(x, y, event.shiftKey || event.ctrlKey || event.metaKey);
    } else if (path && moved) {
      on.lasso(path, true, event.shiftKey);
    }
    if (moved) on.dragEnd();
    start = path = null;
  };
  surface.addEventListener("pointerup", end);
  surface.addEventListener("pointercancel", end);
  surface.addEventListener("pointerleave", () => active.size || on.leave());
  surface.addEventListener("dblclick", () => on.reset());
  surface.addEventListener("contextmenu", (event) => event.preventDefault());
  surface.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const [x, y] = place(event);
      const lines = event.deltaMode === 1 ? 16 : 1;
      on.zoom(Math.exp(-Math.max(-200, Math.min(200, event.deltaY * lines)) * (event.ctrlKey ? 0.01 : 0.002)), x, y);
    },
    { passive: false },
  );
}
