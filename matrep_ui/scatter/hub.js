// Where the mounts of one page meet: the code, the parts of the data by id, and the views that wait for them.
// This file is put before each mount's script; whichever runs first makes the hub.
const hub = (globalThis[Symbol.for("matrep.scatter")] ??= {
  viewer: null, // the module viewer.js, once the code mount has run
  styles: "", // the text of viewer.css
  parts: new Map(), // id -> { bytes, holders: Set of mounts }
  held: new WeakMap(), // carrier mount -> id
  views: new Map(), // view mount -> { component, viewer }
  tell() {
    for (const view of this.views.values()) view.refresh();
  },
});
