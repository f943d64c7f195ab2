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

  // All viewers of the link, in the order in which they came.
  get members() {
    return [...(groups.get(this.name) ?? [this.viewer])];
  }

  get others() {
    return this.members.filter((each) => each !== this.viewer && each.scene.cloud);
  }

  // what: "step" (may lie between two frames), "rest" (a step), "selected" (ids) or "marks" (steps)
  tell(what, value) {
    for (const other of this.others) other.hear(what, value);
  }

  // A viewer has its first data: those without a scrubber take up what the one with a scrubber shows.
  begin() {
    const { viewer } = this,
      leader = viewer.options.scrubber ? viewer : this.others.find((each) => each.options.scrubber);
    if (!leader) return;
    const { selected, step, marks } = leader.start();
    for (const each of leader === viewer ? this.others : [viewer])
      for (const [what, value] of Object.entries({ selected, rest: step, marks })) each.hear(what, value, true);
  }

  leave() {
    groups.get(this.name)?.delete(this.viewer);
    if (groups.get(this.name)?.size === 0) groups.delete(this.name);
    this.name = "";
  }
}
