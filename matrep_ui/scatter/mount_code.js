export default function code() {
  if (hub.viewer !== $viewer) {
    hub.viewer = $viewer;
    hub.viewer.setStyles($styles);
    hub.tell();
  }
}
