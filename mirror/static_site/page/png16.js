// A grey PNG of 16 bits: 65,536 levels (4,096 where none is higher) rounded to 256, as mirror/decoding/pixels.py does; a browser drops the lower 8 bits.

import { latin1 } from "./orientation.js";

const TWELVE_BITS = 4095;

/**
 * @param {Uint8Array} bytes the file
 * @returns {Promise<{width: number, height: number, rgba: Uint8Array} | null>} null for any other PNG, or a damaged one
 */
export async function decodeGrey16(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < 33 || view.getUint16(24) !== 16 << 8 || bytes[28] !== 0) return null; // 16 bits, grey, not interlaced
  const width = view.getUint32(16), height = view.getUint32(20), parts = /** @type {any[]} */ ([]);
  for (let at = 8; at + 12 <= bytes.length; at += 12 + view.getUint32(at)) {
    if (latin1(bytes.subarray(at + 4, at + 8)) === "IDAT") parts.push(bytes.subarray(at + 8, at + 8 + view.getUint32(at)));
  }
  const stride = 2 * width + 1;
  try {
    const rows = new Uint8Array(await new Response(new Blob(parts).stream().pipeThrough(new DecompressionStream("deflate"))).arrayBuffer());
    if (rows.length < stride * height) return null;
    const rgba = new Uint8Array(4 * width * height).fill(255);
    let brightest = 0;
    for (let y = 0; y < height; y++) {
      unfilter(rows, y * stride, stride);
      for (let at = y * stride + 1; at < (y + 1) * stride; at += 2) brightest = Math.max(brightest, (rows[at] << 8) | rows[at + 1]);
    }
    const white = brightest <= TWELVE_BITS ? TWELVE_BITS : 65535; // microscopes and X-ray detectors have 12 bits
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const at = y * stride + 1 + 2 * x;
        rgba.fill(Math.round(((rows[at] << 8) | rows[at + 1]) * (255 / white)), 4 * (y * width + x), 4 * (y * width + x) + 3);
      }
    }
    return { width, height, rgba };
  } catch {
    return null;
  }
}

/** A row's bytes from their differences (PNG, section 9). @param {Uint8Array} rows @param {number} start @param {number} stride */
function unfilter(rows, start, stride) {
  const kind = rows[start];
  for (let i = 1; i < stride; i++) {
    const at = start + i, left = i > 2 ? rows[at - 2] : 0, up = start ? rows[at - stride] : 0, corner = start && i > 2 ? rows[at - stride - 2] : 0;
    const near = [0, left, up, (left + up) >> 1, paeth(left, up, corner)][kind];
    rows[at] = (rows[at] + near) & 255;
  }
}

/** @param {number} left @param {number} up @param {number} corner */
function paeth(left, up, corner) {
  const guess = left + up - corner, [a, b, c] = [left, up, corner].map((one) => Math.abs(guess - one));
  return a <= b && a <= c ? left : b <= c ? up : corner;
}
