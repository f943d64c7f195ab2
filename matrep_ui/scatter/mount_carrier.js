const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

function release(mount) {
  const id = hub.held.get(mount);
  const part = hub.parts.get(id);
  hub.held.delete(mount);
  part?.holders.delete(mount);
  if (part && !part.holders.size) hub.parts.delete(id);
}

export default function carry({ data, parentElement }) {
  if (!data) return undefined;
  const id = hex(data.subarray(8, 24));
  if (hub.held.get(parentElement) !== id) {
    release(parentElement);
    if (!hub.parts.has(id)) {
      // The bytes are a view at an odd offset into a whole message: a copy is aligned and lets the message go.
      hub.parts.set(id, { bytes: data.slice(), holders: new Set() });
    }
    hub.parts.get(id).holders.add(parentElement);
    hub.held.set(parentElement, id);
    hub.tell();
  }
  return () => release(parentElement);
}
