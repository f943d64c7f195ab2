// The size at which a PNG prints: a chunk that the canvas does not write.

const PIXELS_A_METRE = Math.round((288 / 2.54) * 100);
const HEADER = 33; // bytes of the signature and the first chunk, after which it belongs

export async function withSize(blob) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  const chunk = new Uint8Array(21),
    view = new DataView(chunk.buffer);
  view.setUint32(0, 9);
  chunk.set([0x70, 0x48, 0x59, 0x73], 4); // pHYs
  view.setUint32(8, PIXELS_A_METRE);
  view.setUint32(12, PIXELS_A_METRE);
  chunk[16] = 1; // a metre
  view.setUint32(17, crc32(chunk.subarray(4, 17)));
  return new Blob([bytes.subarray(0, HEADER), chunk, bytes.subarray(HEADER)], { type: "image/png" });
}

function crc32(bytes) {
  let crc = -1;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}
