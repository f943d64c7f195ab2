// Views with the same link share step, marks and selection: what one is told, it tells the others.

const groups = (globalThis[Symbol.for("matrep.linked")] ??= new Map()); // name -> Set of viewers

export class Linked {
  constructor(viewer) {
    this.viewer = viewer;
    this.name = "";
  }

  join(name) {
    if (name === this.name) return;
    this.leave();
    this.name = name;
    if (!name) return;
    if (!groups.has(name)) groups.set(name, new Set());
    groups.get(name).add(this.viewer);
  }

  // All viewers of the link, this one first.
  get members() {
    const others = [...(groups.get(this.name) ?? [])].filter((each) => each !== this.viewer);
    return [this.viewer, ...others];
  }

  // what: "step" (may lie between two frames), "rest" (a step), "selected" (ids) or "marks" (steps)
  tell(what, value) {
    if (this.name) for (const other of this.members.slice(1)) if (other.scene.cloud) other.hear(what, value);
  }

  leave() {
    groups.get(this.name)?.delete(this.viewer);
    if (groups.get(this.name)?.size === 0) groups.delete(this.name);
    this.name = "";
  }
}
