// A product photo → the picture that Fashion-MNIST would have of it (mirror/fashion_mnist/garment.py, step by step).

import { resized, resizedFloats } from "./resample.js";

const SIDE = 28, SEEN = 320, BORDER = 0.02, PLAIN = 0.75, LOOSE = 40, CLOSE = 0.05 * 255, SPREADS = 4, NOISIEST = 26;
const PARTS = 0.05, SMALLEST = 0.15, SHARPENED = 83;
const { fround } = Math;

/** @typedef {{levels: Float32Array, width: number, height: number}} Levels [height, width, 3] */
/** @typedef {[number, number, number, number]} Box left, top, right and bottom */

/** @param {import("./decode.js").Photo} photo @returns {import("./preparation.js").Prepared} */
export function cropGarment(photo) {
  const image = shrunk(photo);
  if (isInForm(image)) return prepared(Uint8Array.from({ length: SIDE * SIDE }, (_, i) => image.levels[3 * i]), [0, 0, 1, 1], true);
  const ground = background(image), mask = ground && garment(image, ground);
  if (!ground || !mask) {
    const white = new Float32Array(image.levels.length).fill(255);
    return squared(intensity(image, white), image, [0, 0, image.width, image.height], false);
  }
  const strength = intensity(image, ground.levels).map((value, i) => (mask[i] ? value : 0));
  return squared(strength, image, extent(mask, image.width, image.height), true);
}

/** At most SEEN pixels on the long side, never enlarged. @param {import("./decode.js").Photo} photo @returns {Levels} */
function shrunk(photo) {
  const scale = Math.min(1, SEEN / Math.max(photo.width, photo.height));
  const [width, height] = [photo.width, photo.height].map((side) => (scale === 1 ? side : Math.max(1, round(side * scale))));
  return { levels: Float32Array.from(resized(photo, width, height, scale === 1 ? "nearest" : "lanczos")), width, height };
}

/** As Python and numpy round: halves to even. @param {number} value */
const round = (value) => (value % 1 === 0.5 ? 2 * Math.round(value / 2) : Math.round(value));

/** 28 × 28 px, grey, and dark along its border. @param {Levels} image */
function isInForm({ levels, width, height }) {
  if (width !== SIDE || height !== SIDE) return false;
  let sum = 0;
  for (let i = 0; i < SIDE * SIDE; i++) {
    if (levels[3 * i] !== levels[3 * i + 1] || levels[3 * i] !== levels[3 * i + 2]) return false;
    const x = i % SIDE, y = Math.floor(i / SIDE);
    if (x === 0 || y === 0 || x === SIDE - 1 || y === SIDE - 1) sum += levels[3 * i];
  }
  return sum / (4 * SIDE - 4) < 128;
}

/** @param {number[]} values sorted here */
function median(values) {
  const sorted = Float64Array.from(values).sort(), half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/** A plane for each channel, fitted to the border; null where that is not plain. @param {Levels} image @returns {{levels: Float32Array, close: number} | null} */
function background({ levels, width, height }) {
  const wide = Math.max(1, round(BORDER * Math.min(height, width)));
  const strip = /** @type {{colour: number[], plane: number[]}[]} */ ([]);
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) {
    if (y >= wide && y < height - wide && x >= wide && x < width - wide) continue;
    const at = 3 * (y * width + x);
    strip.push({ colour: [levels[at], levels[at + 1], levels[at + 2]], plane: [1, (2 * (x + 0.5)) / width - 1, (2 * (y + 0.5)) / height - 1] });
  }
  const middle = [0, 1, 2].map((channel) => fround(median(strip.map(({ colour }) => colour[channel]))));
  let plain = strip.map(({ colour }) => Math.max(...colour.map((level, i) => Math.abs(level - middle[i]))) <= LOOSE);
  let close = LOOSE, fit = /** @type {number[][]} */ ([]);
  for (let i = 0; i < 3; i++) { // each time without what the last plane leaves over
    const kept = strip.filter((_, place) => plain[place]);
    if (kept.length / strip.length < PLAIN) return null;
    fit = [0, 1, 2].map((channel) => leastSquares(kept.map(({ plane }) => plane), kept.map(({ colour }) => colour[channel])));
    const apart = strip.map(({ colour, plane }) => Math.max(...colour.map((level, channel) => Math.abs(level - dot(plane, fit[channel])))));
    close = Math.max(CLOSE, (SPREADS * 1.4826 * median(apart.filter((_, place) => plain[place]))) / 2);
    plain = apart.map((distance) => distance <= close);
  }
  if (close > NOISIEST) return null;
  const even = new Float32Array(levels.length);
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) {
    const plane = [1, (2 * (x + 0.5)) / width - 1, (2 * (y + 0.5)) / height - 1];
    for (let c = 0; c < 3; c++) even[3 * (y * width + x) + c] = Math.min(Math.max(dot(plane, fit[c]), 0), 255);
  }
  return { levels: even, close };
}

/** @param {number[]} one @param {number[]} other */
const dot = (one, other) => one[0] * other[0] + one[1] * other[1] + one[2] * other[2];

/** The three numbers that fit best, by the normal equations. @param {number[][]} rows @param {number[]} values */
function leastSquares(rows, values) {
  const system = [0, 1, 2].map((i) => [0, 1, 2, 3].map((j) => rows.reduce((sum, row, k) => sum + row[i] * (j < 3 ? row[j] : values[k]), 0)));
  for (let i = 0; i < 3; i++) {
    const pivot = system.slice(i).reduce((best, row, k) => (Math.abs(row[i]) > Math.abs(system[best][i]) ? i + k : best), i);
    [system[i], system[pivot]] = [system[pivot], system[i]];
    for (let k = 0; k < 3; k++) {
      if (k === i || !system[i][i]) continue;
      const factor = system[k][i] / system[i][i];
      for (let j = i; j < 4; j++) system[k][j] -= factor * system[i][j];
    }
  }
  return system.map((row, i) => (row[i] ? row[3] / row[i] : 0));
}

/** Whether each pixel belongs to the garment; null where there is none. @param {Levels} image @param {{levels: Float32Array, close: number}} ground */
function garment({ levels, width, height }, ground) {
  const differs = new Uint8Array(width * height);
  for (let i = 0; i < differs.length; i++) {
    let most = 0;
    for (let c = 0; c < 3; c++) most = Math.max(most, Math.abs(fround(levels[3 * i + c] - ground.levels[3 * i + c])));
    differs[i] = most > ground.close ? 1 : 0;
  }
  const { number, sizes } = components(withoutDust(differs, width, height), width, height);
  if (sizes.length < 2) return null;
  const largest = Math.max(...sizes.slice(1));
  const mask = Uint8Array.from(number, (part) => (part && sizes[part] >= PARTS * largest ? 1 : 0));
  const [left, top, right, bottom] = extent(mask, width, height);
  return Math.max(right - left, bottom - top) >= SMALLEST * Math.max(width, height) ? mask : null;
}

/** Pillow's MedianFilter(3): beyond the edge, the edge again. @param {Uint8Array} mask @param {number} width @param {number} height */
function withoutDust(mask, width, height) {
  return mask.map((_, i) => {
    const x = i % width, y = Math.floor(i / width);
    let count = 0;
    for (let dy = -1; dy <= 1; dy++) for (let dx = -1; dx <= 1; dx++) {
      count += mask[Math.min(Math.max(y + dy, 0), height - 1) * width + Math.min(Math.max(x + dx, 0), width - 1)];
    }
    return count >= 5 ? 1 : 0;
  });
}

/** Each pixel's connected part (by sides and corners) by its number from 1, and each part's pixels. @param {Uint8Array} mask @param {number} width @param {number} height */
function components(mask, width, height) {
  const number = new Int32Array(mask.length), sizes = [0];
  for (let start = 0; start < mask.length; start++) {
    if (!mask[start] || number[start]) continue;
    const part = sizes.push(0) - 1, ahead = [start];
    number[start] = part;
    while (ahead.length) {
      const at = /** @type {number} */ (ahead.pop()), x = at % width, y = Math.floor(at / width);
      sizes[part] += 1;
      for (let dy = -1; dy <= 1; dy++) for (let dx = -1; dx <= 1; dx++) {
        const next = at + dy * width + dx;
        if (x + dx < 0 || x + dx >= width || y + dy < 0 || y + dy >= height || !mask[next] || number[next]) continue;
        number[next] = part;
        ahead.push(next);
      }
    }
  }
  return { number, sizes };
}

/** @param {Uint8Array} mask @param {number} width @param {number} height @returns {Box} */
function extent(mask, width, height) {
  let [left, top, right, bottom] = [width, height, 0, 0];
  mask.forEach((inside, i) => {
    if (!inside) return;
    const x = i % width, y = Math.floor(i / width);
    [left, top, right, bottom] = [Math.min(left, x), Math.min(top, y), Math.max(right, x + 1), Math.max(bottom, y + 1)];
  });
  return [left, top, right, bottom];
}

/** 0 where a photo is as its background, up to 255 where it is farthest. @param {Levels} image @param {Float32Array} ground */
function intensity({ levels, width, height }, ground) {
  /** @param {Float32Array} from */
  const greys = (from) => Float32Array.from({ length: width * height }, (_, i) => (
    fround(fround(fround(from[3 * i] * fround(0.299)) + fround(from[3 * i + 1] * fround(0.587))) + fround(from[3 * i + 2] * fround(0.114)))
  ));
  const grey = greys(levels), even = greys(ground);
  const light = even.reduce((sum, value) => sum + value, 0) / even.length >= 128;
  return grey.map((value, i) => {
    const found = light ? fround(255 - fround(value * fround(255 / even[i]))) : fround(fround(value - even[i]) * fround(255 / fround(255 - even[i])));
    return Math.min(Math.max(found, 0), 255);
  });
}

/** @param {Uint8Array} grey 28 × 28 levels @param {Box} box @param {boolean} found @returns {import("./preparation.js").Prepared} */
function prepared(grey, box, found) {
  const rgba = new Uint8Array(SIDE * SIDE * 4).map((_, i) => grey[i >> 2]);
  const photo = { width: SIDE, height: SIDE, bands: () => [{ rgba, top: 0, bottom: SIDE }] };
  return { photo, box, found, made: grey };
}

/** The part in `box` as 28 × 28 px, and its square in shares of the sides. @param {Float32Array} strength @param {Levels} image @param {Box} box @param {boolean} found */
function squared(strength, { width: columns, height: rows }, [left, top, right, bottom], found) {
  const scale = SIDE / Math.max(right - left, bottom - top);
  const [width, height] = [right - left, bottom - top].map((side) => Math.max(1, round(scale * side)));
  const part = new Float32Array((right - left) * (bottom - top));
  for (let y = top; y < bottom; y++) part.set(strength.subarray(y * columns + left, y * columns + right), (y - top) * (right - left));
  const double = resizedFloats(part, right - left, bottom - top, 2 * width, 2 * height, "box"); // the set began with thumbnails about that large
  const thinned = Uint8Array.from({ length: width * height }, (_, i) => round(double[(2 * Math.floor(i / width) + 1) * 2 * width + 2 * (i % width) + 1]));
  const grey = sharpened(thinned, width, height), canvas = new Uint8Array(SIDE * SIDE);
  const x = Math.floor((SIDE - width) / 2), y = Math.floor((SIDE - height) / 2);
  for (let row = 0; row < height; row++) canvas.set(grey.subarray(row * width, (row + 1) * width), (y + row) * SIDE + x);
  const from = left - x / scale, above = top - y / scale, side = SIDE / scale;
  return prepared(canvas, [from / columns, above / rows, (from + side) / columns, (above + side) / rows], found);
}

/** Pillow's UnsharpMask(1, 83, 0): its Gaussian is three box blurs (BoxBlur.c), each rounded to 8 bits. @param {Uint8Array} levels @param {number} width @param {number} height */
export function sharpened(levels, width, height) {
  const passes = 3, variance = fround(1 / passes), whole = Math.floor((Math.sqrt(12 * variance + 1) - 1) / 2);
  const share = ((2 * whole + 1) * (whole * (whole + 1) - 3 * variance)) / (6 * (variance - (whole + 1) * (whole + 1)));
  let soft = levels;
  for (let i = 0; i < passes; i++) soft = boxBlurred(soft, width, height, fround(whole + share));
  soft = turned(soft, width, height);
  for (let i = 0; i < passes; i++) soft = boxBlurred(soft, height, width, fround(whole + share));
  soft = turned(soft, height, width);
  return levels.map((level, i) => Math.min(Math.max(level + Math.trunc(((level - soft[i]) * SHARPENED) / 100), 0), 255));
}

/** Rows blurred; beyond the edge, the edge again. @param {Uint8Array} levels @param {number} width @param {number} height @param {number} radius */
function boxBlurred(levels, width, height, radius) {
  const whole = Math.trunc(radius), full = Math.trunc(fround((1 << 24) / fround(radius * 2 + 1))), outer = Math.trunc(((1 << 24) - (whole * 2 + 1) * full) / 2);
  const found = new Uint8Array(levels.length);
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) {
    /** @param {number} place */
    const at = (place) => levels[y * width + Math.min(Math.max(place, 0), width - 1)];
    let sum = 0;
    for (let i = x - whole; i <= x + whole; i++) sum += at(i);
    found[y * width + x] = Math.floor((sum * full + (at(x - whole - 1) + at(x + whole + 1)) * outer + (1 << 23)) / (1 << 24));
  }
  return found;
}

/** Rows for columns. @param {Uint8Array} levels @param {number} width @param {number} height */
const turned = (levels, width, height) => levels.map((_, i) => levels[(i % height) * width + Math.floor(i / height)]);
