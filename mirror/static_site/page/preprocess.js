// What the network is shown of a photo: mirror/inference/preprocess.py, pixel for pixel.

import { PhotoError } from "./photo_error.js";
import { all, read, Resizer } from "./resample.js";

const MAX_PIXELS = 64 << 20; // of a resized photo, as mirror/tasks/image_processors.py has it

/**
 * @typedef {{resize: string, size: [number, number], mean: number[], std: number[], resample: string, pad_mode: string,
 *   crop: [number, number] | null, crop_pad_mode: string, prepare: string,
 *   batch_resizes: {size: [number, number], crop: [number, number] | null}[]}} Preprocessing as in model.json
 * @typedef {import("./decode.js").Photo} Photo
 */

/**
 * Which of a side's pixels each pixel of a frame repeats: the frame begins at `corner` of the side.
 * @param {number} length of the side @param {number} framed pixels of the frame @param {number} corner
 * @param {string} mode "zeros", "border" or "reflection", as numpy.pad's constant, edge and reflect
 * @returns {Int32Array} -1: black
 */
export function places(length, framed, corner, mode) {
  const first = Math.max(corner, 0), last = Math.min(corner + framed, length) - 1; // what of the side is in the frame
  const inside = last - first + 1;
  return Int32Array.from({ length: framed }, (_, i) => {
    const place = corner + i - first;
    if (place >= 0 && place < inside) return first + place;
    if (mode === "zeros") return -1;
    if (mode === "border" || inside === 1) return first + (place < 0 ? 0 : inside - 1);
    const period = 2 * (inside - 1), phase = ((place % period) + period) % period;
    return first + Math.min(phase, period - phase);
  });
}

/**
 * An upright photo → float32 pixels [3, height, width], normalised.
 * @param {Photo} photo @param {Preprocessing} how
 */
export function preprocess(photo, how) {
  let image = framed(resizedAs(photo, how), how);
  if (!how.batch_resizes.length) return normalized(image.levels, image.width, image.height, how.mean, how.std);
  let pixels = { ...image, values: normalized(image.levels, image.width, image.height, [0, 0, 0], [1, 1, 1]) };
  for (const step of how.batch_resizes) pixels = { ...pixels, ...batchResized(pixels, step) };
  const count = pixels.width * pixels.height, { fround } = Math;
  return pixels.values.map((value, i) => {
    const channel = Math.trunc(i / count);
    return fround(fround(value - fround(how.mean[channel])) / fround(how.std[channel]));
  });
}

/** @param {Photo} photo @param {Preprocessing} how */
function resizedAs(photo, how) {
  const [height, width] = how.size, size = { width, height };
  /** @type {Int32Array} */
  let columns = all(photo.width);
  /** @type {Int32Array} */
  let rows = all(photo.height);
  if (how.resize === "none") {
    Object.assign(size, { width: photo.width, height: photo.height });
  } else if (how.resize === "shortest") { // as CLIP's; the crop follows
    const longer = Math.trunc((height * Math.max(photo.width, photo.height)) / Math.min(photo.width, photo.height));
    if (height * longer > MAX_PIXELS) throw new PhotoError(`An image of ${photo.width} x ${photo.height} pixels is too narrow for this model: crop it.`);
    Object.assign(size, photo.width <= photo.height ? { width: height, height: longer } : { width: longer, height });
  } else if (how.resize !== "squish") {
    const pick = how.resize === "crop" ? Math.min : Math.max;
    const scale = pick(photo.width / width, photo.height / height);
    const frame = [width, height].map((side) => Math.max(1, Math.trunc(scale * side)));
    const [x, y] = [photo.width - frame[0], photo.height - frame[1]].map((over) => Math.trunc(0.5 * over));
    columns = places(photo.width, frame[0], x, how.pad_mode);
    rows = places(photo.height, frame[1], y, how.pad_mode);
  }
  const levels = read(photo, new Resizer(columns, rows, size.width, size.height, how.resample));
  return { ...size, levels };
}

/** The crop that follows the resize. @param {{width: number, height: number, levels: Uint8Array}} image @param {Preprocessing} how */
function framed(image, how) {
  if (!how.crop) return image;
  const [height, width] = how.crop;
  const columns = places(image.width, width, Math.floor((image.width - width) / 2), how.crop_pad_mode);
  const rows = places(image.height, height, Math.floor((image.height - height) / 2), how.crop_pad_mode);
  const levels = new Uint8Array(width * height * 3);
  rows.forEach((row, y) => columns.forEach((column, x) => {
    if (row < 0 || column < 0) return;
    for (let c = 0; c < 3; c++) levels[(y * width + x) * 3 + c] = image.levels[(row * image.width + column) * 3 + c];
  }));
  return { width, height, levels };
}

/**
 * Levels [height, width, 3] → float32 [3, height, width], by float32 arithmetic as numpy's.
 * @param {Uint8Array} levels @param {number} width @param {number} height @param {number[]} mean @param {number[]} std
 */
export function normalized(levels, width, height, mean, std) {
  const count = width * height, pixels = new Float32Array(3 * count), { fround } = Math;
  for (let channel = 0; channel < 3; channel++) {
    const shift = fround(mean[channel]), scale = fround(std[channel]);
    const table = Float32Array.from({ length: 256 }, (_, i) => fround(fround(fround(i / 255) - shift) / scale));
    for (let i = 0; i < count; i++) pixels[channel * count + i] = table[levels[3 * i + channel]];
  }
  return pixels;
}

/**
 * fastai's resize of a whole batch: averaged down first where both sides shrink by more than two, then linear.
 * @param {{values: Float32Array, width: number, height: number}} image [3, height, width]
 * @param {{size: [number, number], crop: [number, number] | null}} step
 */
function batchResized({ values, width, height }, step) {
  let [top, left, rows, columns] = [0, 0, height, width];
  if (step.crop) {
    [rows, columns] = step.crop;
    top = Math.floor((height - rows) / 2);
    left = Math.floor((width - columns) / 2);
  }
  const [high, wide] = step.size;
  const shrink = Math.min(rows / high, columns / wide) / 2;
  const down = resampling(rows, shrink > 1 ? Math.trunc(rows * (1 / shrink)) : rows, high);
  const across = resampling(columns, shrink > 1 ? Math.trunc(columns * (1 / shrink)) : columns, wide);
  const found = new Float32Array(3 * high * wide), half = new Float32Array(high * columns);
  for (let channel = 0; channel < 3; channel++) {
    half.fill(0);
    for (let i = 0; i < high; i++) for (let k = 0; k < rows; k++) {
      const weight = down[i * rows + k], at = (channel * height + top + k) * width + left;
      if (weight) for (let x = 0; x < columns; x++) half[i * columns + x] += weight * values[at + x];
    }
    for (let i = 0; i < high; i++) for (let j = 0; j < wide; j++) {
      let sum = 0;
      for (let x = 0; x < columns; x++) sum += across[j * columns + x] * half[i * columns + x];
      found[(channel * high + i) * wide + j] = sum;
    }
  }
  return { values: found, width: wide, height: high };
}

/**
 * [target, size] weights: `size` pixels averaged to `averaged`, then interpolated linearly, corners aligned.
 * @param {number} size @param {number} averaged @param {number} target
 */
function resampling(size, averaged, target) {
  const found = new Float64Array(target * size);
  for (let i = 0; i < target; i++) {
    const place = target > 1 ? (i * (averaged - 1)) / (target - 1) : (averaged - 1) / 2;
    const below = Math.min(Math.trunc(place), Math.max(averaged - 2, 0));
    const parts = /** @type {[number, number][]} */ ([[below, 1 - (place - below)], [Math.min(below + 1, averaged - 1), place - below]]);
    for (const [part, share] of parts) {
      const start = Math.floor((part * size) / averaged), end = Math.ceil(((part + 1) * size) / averaged);
      for (let x = start; x < end; x++) found[i * size + x] += share / (end - start);
    }
  }
  return Float32Array.from(found);
}
