export default function code() {
  if (hub.viewer !== $viewer) {
    hub.viewer = $viewer;
    hub.styles = $styles;
    hub.tell();
  }
}
