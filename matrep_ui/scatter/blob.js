// The parts of the data as they come from payload.py: bytes -> { id, header, arrays }.

const TYPES = { i1: Int8Array, u1: Uint8Array, i2: Int16Array, u2: Uint16Array, i4: Int32Array, f4: Float32Array };
const MAGIC = "MRZ1"; // as sent; inflated when it comes here

export function decode(bytes) {
  if (String.fromCharCode(...bytes.subarray(0, 4)) !== MAGIC)
    throw new Error("The viewer was sent bytes it cannot read.");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getUint32(4, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(24, 24 + length)));
  const start = bytes.byteOffset + Math.ceil((24 + length) / 8) * 8;
  const arrays = {};
  for (const [name, [type, shape, offset]] of Object.entries(header.arrays)) {
    const size = shape.reduce((product, extent) => product * extent, 1);
    arrays[name] = new TYPES[type](bytes.buffer, start + offset, size);
    arrays[name].shape = shape;
  }
  if (header.kind === "frames") arrays.frames = joined(arrays.split, header.shape);
  delete arrays.split;
  return { header, arrays };
}

// Positions from what each frame adds to the one before it: see packing.py.
function joined(split, shape) {
  const frames = new Int16Array(split.length / 2),
    size = shape[1] * shape[2],
    high = frames.length;
  for (let i = 0; i < frames.length; i++) {
    const sign = split[i] | (split[high + i] << 8);
    frames[i] = ((sign >>> 1) ^ -(sign & 1)) + (i < size ? 0 : frames[i - size]);
  }
  frames.shape = shape;
  return frames;
}
