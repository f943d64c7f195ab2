const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

// The bytes are a view at an odd offset into a whole message: the copy is aligned and lets the message go.
async function inflated(bytes) {
  const body = new Blob([bytes.subarray(24)]).stream().pipeThrough(new DecompressionStream("deflate"));
  const rest = new Uint8Array(await new Response(body).arrayBuffer());
  const whole = new Uint8Array(24 + rest.length);
  whole.set(bytes.subarray(0, 24));
  whole.set(rest, 24);
  return whole;
}

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
    hub.held.set(parentElement, id);
    const known = hub.parts.get(id);
    const part = known ?? { bytes: null, holders: new Set() };
    part.holders.add(parentElement);
    if (!known) {
      hub.parts.set(id, part);
      inflated(data)
        .then(
          (bytes) => (part.bytes = bytes),
          () => (part.failed = true), // a browser without DecompressionStream
        )
        .then(() => hub.tell());
    }
  }
  return () => release(parentElement);
}
