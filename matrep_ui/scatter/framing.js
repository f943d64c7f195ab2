// How the picture is framed: its size, and the camera of each look (projection, axes), which waits while another
// look is shown.

import { FlatCamera, OrbitCamera, needsStretch } from "./camera.js";
import { MARGIN } from "./axes.js";
import { radiusFor } from "./scene.js";

const STRIP = [-0.55, 1.1]; // height of the strip of one axis: the points below, their density above
const EDGE = 0.08; // of the picture: a point nearer to the rim is brought into view

export class Framing {
  constructor(viewer) {
    this.viewer = viewer;
    this.scene = viewer.scene;
    this.looks = new Map(); // name of a look -> { camera, fitted, moved by the reader, width }
    this.equal = null; // units of all axes equally long: true, false, or null as the data asks
    this.look = { camera: new FlatCamera(), fitted: false, moved: false };
  }

  get camera() {
    return this.look.camera;
  }

  // The look has changed: take up its camera again, or fit a new one.
  taken() {
    const { scene } = this,
      { projection, axes, tour } = scene;
    const name = [projection.space, tour ? `tour ${axes.length}` : axes.join()].join(" ");
    if (!this.looks.has(name)) {
      const camera = axes.length === 3 ? new OrbitCamera() : new FlatCamera();
      this.looks.set(name, { camera, fitted: false, moved: false, width: scene.width });
    }
    this.look = this.looks.get(name);
    this.resized();
  }

  // The data has grown: cameras that nobody has moved are to hold it all.
  grown() {
    for (const look of this.looks.values()) if (!look.moved) look.fitted = false;
    this.resized();
  }

  forget() {
    this.looks.clear();
  }

  resized() {
    const { viewer, scene, look } = this,
      { shell } = viewer;
    const { width, height } = shell.measure();
    if (!width || !height) return;
    const { deep } = scene,
      left = deep ? 0 : MARGIN.left,
      top = deep ? 0 : MARGIN.top;
    scene.width = Math.max(1, width - left - (deep ? 0 : MARGIN.right));
    scene.height = Math.max(1, height - top - (deep ? 0 : MARGIN.bottom));
    scene.ratio = Math.min(window.devicePixelRatio || 1, 3);
    shell.placePicture(left, top, scene.width, scene.height);
    viewer.renderer?.resize(Math.round(scene.width * scene.ratio), Math.round(scene.height * scene.ratio));
    if (!scene.cloud) return;
    if (!look.fitted || !look.moved) {
      const first = !scene.matrix;
      this.fit();
      if (first && viewer.groups.table) viewer.groups.regroup(); // the data came while the page showed another tab
    } else if (scene.width !== look.width) {
      this.camera.resize(scene.width / look.width);
    }
    look.width = scene.width;
    this.changed();
  }

  // Show all points of all steps.
  fit() {
    const { scene, look, camera } = this,
      { cloud, axes, width, height } = scene;
    if (!cloud?.count || width <= 1) return;
    const { bounds } = scene;
    if (scene.strip) bounds.push(STRIP);
    camera.equal = axes.length > 1 && (scene.tour !== null || (this.equal ?? !needsStretch(bounds)));
    camera.fit(bounds, width, height);
    look.fitted = true;
    look.moved = false; // while it is not, a change of the size fits again
    this.changed();
  }

  // Fill the picture with the selected points, or with all points of this step where none is selected.
  fill() {
    const { scene, camera, viewer } = this,
      { cloud, rows, frame, width, height } = scene;
    if (!cloud?.count) return;
    const bounds = scene.projection.boundsAt(frame, rows, viewer.selected);
    if (scene.strip) bounds.push(STRIP);
    this.look.moved = true;
    if (viewer.selected.length === 1) camera.focus(scene.positionOf(viewer.selected[0]), width, height);
    else camera.frame(bounds, width, height);
    this.changed();
  }

  changed() {
    const { scene, viewer, camera } = this;
    if (!scene.cloud || !this.look.fitted) return;
    scene.seen(camera.matrix(scene.width, scene.height));
    scene.radius = radiusFor(scene.cloud.count, camera.zoom, scene.width, scene.height);
    scene.opacity = scene.cloud.count > 20_000 ? 0.75 : 0.92;
    if (scene.deep) viewer.resort();
    viewer.root.dataset.view = camera.summary();
    viewer.mark("under", "points", "over");
  }

  setEqual(equal) {
    this.equal = equal;
    this.fit();
    this.viewer.toolbarShown();
  }

  zoom(factor, x, y) {
    const { scene } = this;
    this.look.moved = true;
    this.camera.zoomAt(factor, x ?? scene.width / 2, y ?? scene.height / 2, scene.width, scene.height);
    this.viewer.pointing.card.hide();
    this.changed();
  }

  drag(dx, dy, other) {
    this.look.moved = true;
    this.viewer.root.classList.add("dragging");
    if (this.scene.deep && !other) this.camera.orbit(dx, dy);
    else this.camera.pan(dx, dy);
    this.changed();
  }

  dragEnded() {
    this.viewer.root.classList.remove("dragging");
  }

  focus(point) {
    this.look.moved = true;
    this.camera.focus(this.scene.positionOf(point), this.scene.width, this.scene.height);
    this.changed();
  }

  bringIntoView(point) {
    const { scene } = this,
      at = scene.projected();
    const inside = (value, size) => value > size * EDGE && value < size * (1 - EDGE);
    if (!inside(at[3 * point], scene.width) || !inside(at[3 * point + 1], scene.height)) this.focus(point);
  }
}
