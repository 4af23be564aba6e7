// libjpeg's inverse transforms of a block of 8 × 8 coefficients into 8, 4, 2 or 1 pixels a side, in its integers
// (jidctint.c after Loeffler, Ligtenberg & Moschytz 1989; jidctred.c): 13 bits of constants, 2 more between the passes.

const BITS = 13, MORE = 2;

/**
 * @param {{wide: number, coefficients: Int16Array}} component @param {Int32Array} table its quantization
 * @param {number} size of a block's pixels: 8, 4, 2 or 1
 */
export function inverse({ wide, coefficients }, table, size) {
  const rows = coefficients.length / 64 / wide, levels = new Uint8Array(wide * size * rows * size);
  const values = new Int32Array(64), between = new Int32Array(64), line = new Int32Array(8), out = new Int32Array(8);
  const transform = { 8: eight, 4: four, 2: two, 1: one }[size] ?? eight;
  const extra = { 8: 0, 4: 1, 2: 2, 1: 0 }[size] ?? 0;
  for (let block = 0; block < rows * wide; block++) {
    const left = (block % wide) * size, top = Math.floor(block / wide) * size;
    for (let i = 0; i < 64; i++) values[i] = coefficients[64 * block + i] * table[i];
    if (size === 1) {
      levels[top * wide + left] = clamp((values[0] + 4) >> 3);
      continue;
    }
    for (let x = 0; x < 8; x++) {
      for (let i = 0; i < 8; i++) line[i] = values[8 * i + x];
      transform(line, out);
      for (let i = 0; i < size; i++) between[8 * i + x] = descaled(out[i], BITS - MORE + extra);
    }
    for (let y = 0; y < size; y++) {
      transform(between.subarray(8 * y, 8 * y + 8), out);
      const at = (top + y) * wide * size + left;
      for (let i = 0; i < size; i++) levels[at + i] = clamp(descaled(out[i], BITS + MORE + 3 + extra));
    }
  }
  return { levels, wide: wide * size, high: rows * size };
}

/** @param {number} value @param {number} bits */
const descaled = (value, bits) => (value + (1 << (bits - 1))) >> bits;
/** @param {number} value */
const clamp = (value) => Math.min(Math.max(value + 128, 0), 255);
/** @typedef {(line: Int32Array, out: Int32Array) => void} Transform of 8 coefficients; what it leaves out, weighs nothing */

/** @type {Transform} */
function eight(line, out) {
  const [a, b, c, d, e, f, g, h] = line, even = (c + g) * 4433;
  const low = even - g * 15137, high = even + c * 6270, sum = (a + e) << BITS, difference = (a - e) << BITS;
  const [p, q, r, s] = [sum + high, difference + low, difference - low, sum - high];
  const five = (h + d + f + b) * 9633, three = (h + d) * -16069 + five, four = (f + b) * -3196 + five;
  const one = (h + b) * -7373, two = (f + d) * -20995;
  const k = h * 2446 + one + three, l = f * 16819 + two + four, m = d * 25172 + two + three, n = b * 12299 + one + four;
  out[0] = p + n; out[7] = p - n;
  out[1] = q + m; out[6] = q - m;
  out[2] = r + l; out[5] = r - l;
  out[3] = s + k; out[4] = s - k;
}

/** @type {Transform} */
function four(line, out) {
  const [a, b, c, d, , f, g, h] = line, sum = a << (BITS + 1), even = c * 15137 - g * 6270;
  const inner = h * -1730 + f * 11893 - d * 17799 + b * 8697, outer = h * -4176 - f * 4926 + d * 7373 + b * 20995;
  out[0] = sum + even + outer; out[3] = sum + even - outer;
  out[1] = sum - even + inner; out[2] = sum - even - inner;
}

/** @type {Transform} */
function two(line, out) {
  const sum = line[0] << (BITS + 2), odd = line[7] * -5906 + line[5] * 6967 - line[3] * 10426 + line[1] * 29692;
  out[0] = sum + odd;
  out[1] = sum - odd;
}

/** @type {Transform} */
function one(line, out) {
  out[0] = line[0];
}
