// The parts of the data as they come from payload.py: bytes -> { id, header, arrays }.

const TYPES = { i1: Int8Array, u1: Uint8Array, i2: Int16Array, u2: Uint16Array, i4: Int32Array, f4: Float32Array };
const MAGICS = ["MRS1", "MRZ1"]; // as sent; both have been inflated when they come here

export function decode(bytes) {
  if (!MAGICS.includes(String.fromCharCode(...bytes.subarray(0, 4))))
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
  return { header, arrays };
}
