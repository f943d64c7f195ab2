// Streamlit calls this again for every change of the options or of the theme; the viewer lives on between calls.
export default function view(component) {
  const { parentElement } = component;
  let entry = hub.views.get(parentElement);
  if (!entry) {
    entry = {
      component,
      viewer: null,
      refresh() {
        if (!hub.viewer) return;
        this.viewer ??= hub.viewer.createViewer(parentElement, hub.styles);
        this.viewer.update(this.component, hub.parts);
      },
    };
    hub.views.set(parentElement, entry);
  }
  entry.component = component;
  entry.refresh();
  return () => {
    hub.views.delete(parentElement);
    entry.viewer?.destroy();
    entry.viewer = null;
  };
}
