// Which projection is looked at, on which of its axes, and the grand tour through all of them.

import { Tour } from "./tour.js";

export class Looks {
  constructor(viewer) {
    this.viewer = viewer;
    this.scene = viewer.scene;
    this.axesOf = new Map(); // name of a projection -> the axes last shown on it
    this.dims = 2; // how many the reader wants to see; a projection may have fewer
    this.wish = null; // { projection, axes } that is not here yet
    this.tour = null;
  }

  // After a change of the data: the same look again if it is still there, or the one that was wished for.
  setCloud(cloud, start) {
    const { scene } = this;
    const before = scene.projection;
    const named = (name) => cloud.projections.find((each) => each.name === name);
    const asked = this.wish ?? (before ? null : start);
    const found = asked && named(asked.projection);
    const projection = found || (before && named(before.name)) || cloud.projections[0];
    const wanted = found ? asked.axes : before?.name === projection.name ? scene.axes : (asked?.axes ?? null);
    // what was asked for may still be on its way while other parts of the data come
    this.wish =
      !found && asked && cloud.offered.includes(asked.projection)
        ? { projection: asked.projection, axes: asked.axes }
        : null;
    const same = before && projection.space === before.space && projection.has(scene.axes);
    const usable = wanted?.length && projection.has(wanted) ? [...wanted] : this.usual(projection, wanted?.length ?? this.dims);
    const tour = this.tour && same && projection.tours ? scene.tour : null;
    if (!tour) this.stopTour();
    scene.look(projection, usable, tour);
    this.axesOf.set(projection.name, usable);
    if (!before) this.dims = Math.max(usable.length, 2);
    return same;
  }

  // The axes that a projection starts with.
  usual(projection, wanted) {
    const known = this.axesOf.get(projection.name);
    if (known && projection.has(known)) return known;
    return projection.carried.slice(0, wanted === 3 ? 3 : 2);
  }

  // Show a projection by its name, on as many axes as before where it has them.
  choose(name) {
    const { scene, viewer } = this;
    const projection = scene.cloud.projections.find((each) => each.name === name);
    if (!projection) {
      this.ask({ projection: name, axes: [] });
      return;
    }
    const known = this.axesOf.get(name);
    const axes = projection.carried.slice(0, this.dims);
    this.show(projection, known?.length === axes.length && projection.has(known) ? known : axes);
    viewer.report();
  }

  // Show other axes of the same projection.
  setAxes(axes) {
    const { projection } = this.scene;
    this.dims = Math.max(axes.length, 2);
    if (!projection.has(axes)) {
      this.ask({ projection: projection.name, axes });
      return;
    }
    this.show(projection, axes);
    this.viewer.report();
  }

  // Python is asked for what is not here; the picture stays until it has come.
  ask(wish) {
    this.wish = wish;
    this.viewer.report();
    this.viewer.toolbarShown();
  }

  show(projection, axes) {
    this.wish = null;
    this.stopTour();
    this.scene.look(projection, axes);
    this.axesOf.set(projection.name, axes);
    this.changed();
  }

  changed() {
    const { viewer } = this;
    viewer.framing.taken();
    viewer.groups.regroup();
    viewer.lookShown();
  }

  // ---- the grand tour

  get touring() {
    return Boolean(this.tour?.running);
  }

  // Start the tour, or hold it where it is.
  toggleTour() {
    const { scene, viewer } = this;
    if (this.tour?.running) {
      this.tour.pause();
    } else {
      if (!this.tour) {
        const start = scene.axes.map((axis) => scene.projection.carried.indexOf(axis));
        this.tour = new Tour(scene.projection.carried.length, start, (parts) => this.turned(parts));
        scene.look(scene.projection, scene.axes, this.tour.rows());
        this.changed();
      }
      this.tour.run();
    }
    viewer.toolbarShown();
  }

  turned(rows) {
    const { scene, viewer } = this;
    scene.look(scene.projection, scene.axes, rows);
    if (scene.deep) viewer.resort();
    viewer.root.dataset.tour = rows.map((row) => [...row].map((v) => v.toFixed(3)).join(" ")).join("|");
    viewer.pointing.card.hide();
    viewer.mark("under", "points", "over");
  }

  // Back to the axes.
  endTour() {
    const { scene } = this;
    this.stopTour();
    scene.look(scene.projection, scene.axes);
    this.changed();
  }

  stopTour() {
    this.tour?.pause();
    this.tour = null;
    delete this.viewer.root.dataset.tour;
  }
}
