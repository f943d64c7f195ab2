// The elements of the viewer and where they stand. Knows nothing of points.

import { el } from "./dom.js";

export class Shell {
  // parts: elements of search, toolbar, legend, details, scrubber and card; on: key(event) blur() clear() resize()
  constructor(parent, styles, { search, toolbar, legend, details, scrubber, card }, on) {
    this.under = el("canvas", { class: "under" });
    this.points = el("canvas", { class: "points" });
    this.over = el("canvas", { class: "over" });
    this.surface = el("div", {
      class: "surface",
      tabindex: "0",
      role: "application",
      "aria-roledescription": "map of points",
      onkeydown: on.key,
      onblur: on.blur,
    });
    this.stamp = el("div", { class: "stamp", "aria-hidden": "true" });
    this.message = el("p", { class: "message", text: "The data is on its way to the browser." });
    this.stage = el(
      "div",
      { class: "stage" },
      this.under,
      this.points,
      this.over,
      this.surface,
      this.stamp,
      card,
      this.message,
    );
    this.note = el("p", { class: "look-note", hidden: true });
    this.status = el("span", { class: "status" });
    this.clear = el("button", {
      type: "button",
      class: "clear",
      text: "Clear",
      title: "Clear the selection (Escape)",
      hidden: true,
      onclick: on.clear,
    });
    this.live = el("div", { class: "live", "aria-live": "polite", role: "status" });
    this.root = el(
      "section",
      { class: "matrep" },
      el("div", { class: "top" }, search, toolbar),
      el("div", { class: "middle" }, this.stage, el("div", { class: "side" }, legend, details)),
      this.note,
      scrubber,
      el("div", { class: "foot" }, this.status, this.clear),
      this.live,
    );
    // Streamlit's own one-letter shortcuts must not take what is typed here.
    this.root.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Escape" && !event.defaultPrevented) on.clear();
    });
    this.style = el("style", { text: styles });
    parent.append(this.style, this.root);
    this.onResize = on.resize;
    this.observer = new ResizeObserver(on.resize);
    this.observer.observe(this.stage);
    window.addEventListener("resize", on.resize); // a change of the browser's zoom changes the pixel ratio
  }

  // The room for the picture and its axes, after the layout has taken the form that the width asks for.
  measure() {
    const width = this.root.clientWidth;
    this.root.classList.toggle("narrow", width < 640);
    this.root.classList.toggle("medium", width >= 640 && width < 900);
    return { width: this.stage.clientWidth, height: this.stage.clientHeight };
  }

  // Put the picture of width × height at (left, top) of the stage.
  placePicture(left, top, width, height) {
    for (const layer of [this.points, this.over, this.surface]) {
      Object.assign(layer.style, { left: `${left}px`, top: `${top}px`, width: `${width}px`, height: `${height}px` });
    }
  }

  // A cleared 2D context that draws in CSS pixels.
  context(canvas, width, height, ratio) {
    const w = Math.round(width * ratio),
      h = Math.round(height * ratio);
    if (canvas.width !== w || canvas.height !== h) {
      canvas.width = w;
      canvas.height = h;
    }
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    return context;
  }

  toggleFull() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.root.requestFullscreen?.();
  }

  destroy() {
    this.observer.disconnect();
    window.removeEventListener("resize", this.onResize);
    this.root.remove();
    this.style.remove();
  }
}
