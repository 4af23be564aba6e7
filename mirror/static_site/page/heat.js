// Why: where in a photo the evidence for a label lies, as a coarse map over it (mirror/inference/grad_cam.py).

import { resized, resizedFloats, round } from "./resample.js";

const HOT = 0.5; // from here on a place counts when the heat is put into words
const EVERYWHERE = 0.6; // of what was seen is hot: no place is named
const SECOND = 0.7; // of the hottest region's share: another region is named as well
const REGIONS = "upper left,top,upper right,left,middle,right,lower left,bottom,lower right".split(",");
/** Top, left, right, bottom: all of their regions. @type {Record<number, number[]>} */
const SIDES = { 1: [0, 1, 2], 3: [0, 3, 6], 5: [2, 5, 8], 7: [6, 7, 8] };
const OVERLAY_PIXELS = 640, STRENGTH = 0.7, UNSEEN = 0.5;
const PLASMA = "0d0887 330597 5002a2 6a00a8 8405a7 9c179e b12a90 c33d80 d35171 e16462 ed7953 f68f44 fca636 fec029 f9dc24 f0f921"
  .split(" ").map((colour) => [0, 2, 4].map((at) => parseInt(colour.slice(at, at + 2), 16)));

/** @typedef {[number, number, number, number]} Box left, top, right and bottom in shares of a photo's sides */
/** @typedef {{values: Float32Array, width: number, height: number, box: Box}} Heat 0 (none) to 1 (the most), and what it covers */

/** The positive part of a map of evidence, 1 where it is most. @param {Float32Array} values */
export function normalized(values) {
  const top = values.reduce((most, value) => Math.max(most, value), 0);
  return values.map((value) => (top > 0 ? Math.max(value, 0) / top : 0));
}

/** `inner`, in shares of `outer`'s sides, in shares of what `outer` is in shares of. @param {Box} outer @param {Box} inner @returns {Box} */
export function inside(outer, inner) {
  const width = outer[2] - outer[0], height = outer[3] - outer[1];
  return [outer[0] + inner[0] * width, outer[1] + inner[1] * height, outer[2] + (inner[2] - 1) * width, outer[3] + (inner[3] - 1) * height];
}

/**
 * What of a photo the network's input shows. @param {import("./preprocess.js").Preprocessing} how
 * @param {number} wide @param {number} high of the photo in pixels @returns {Box}
 */
export function visible(how, wide, high) {
  let box = /** @type {Box} */ ([0, 0, wide, high]), shown = [wide, high];
  const [height, width] = how.size;
  /** @param {[number, number]} frame (height, width) */
  const frame = (frame) => {
    const x = (box[2] - box[0]) / shown[0], y = (box[3] - box[1]) / shown[1];
    const left = box[0] + Math.floor((shown[0] - frame[1]) / 2) * x, top = box[1] + Math.floor((shown[1] - frame[0]) / 2) * y;
    box = [left, top, left + frame[1] * x, top + frame[0] * y];
  };
  if (how.resize === "crop" || how.resize === "pad") {
    const scale = (how.resize === "crop" ? Math.min : Math.max)(wide / width, high / height);
    frame([Math.max(1, Math.trunc(scale * height)), Math.max(1, Math.trunc(scale * width))]);
  }
  if (how.resize !== "none") shown = [width, height];
  for (const [crop, after] of [[how.crop, how.crop], ...how.batch_resizes.map((step) => [step.crop, step.size])]) {
    if (crop) frame(crop);
    if (after) shown = [after[1], after[0]];
  }
  return [box[0] / wide, box[1] / high, box[2] / wide, box[3] / high];
}

const clip = (/** @type {number} */ value, /** @type {number} */ most) => Math.min(Math.max(value, 0), most);

/**
 * The heat over the whole photo at a size, smoothly; it is 0 where the network saw nothing.
 * @param {Heat} heat @param {number} width @param {number} height
 */
export function upsampled(heat, width, height) {
  const [left, top, right, bottom] = heat.box, seen = heat.box.map((edge) => clip(edge, 1));
  const [x0, y0, x1, y1] = [seen[0] * width, seen[1] * height, seen[2] * width, seen[3] * height].map(round);
  const part = /** @type {Box} */ ([
    ((seen[0] - left) / (right - left)) * heat.width, ((seen[1] - top) / (bottom - top)) * heat.height,
    ((seen[2] - left) / (right - left)) * heat.width, ((seen[3] - top) / (bottom - top)) * heat.height,
  ].map((edge, i) => clip(edge, i % 2 ? heat.height : heat.width)));
  const wide = Math.max(1, x1 - x0), high = Math.max(1, y1 - y0);
  const smooth = resizedFloats(heat.values, heat.width, heat.height, wide, high, "bicubic", part);
  const values = new Float32Array(width * height);
  for (let y = y0; y < y1; y++) for (let x = x0; x < x1; x++) values[y * width + x] = clip(smooth[(y - y0) * wide + x - x0], 1);
  return { values, box: /** @type {Box} */ ([x0, y0, x1, y1]) };
}

/** Where on the photo the heat lies, the hottest first, at most two places. @param {Heat} heat @returns {string[]} */
export function places(heat) {
  const side = 20, { values, box } = upsampled(heat, 3 * side, 3 * side); // samples a third of the photo
  const shares = new Array(9).fill(0);
  let hot = 0;
  values.forEach((value, i) => {
    if (value < HOT) return;
    hot += 1;
    shares[3 * Math.floor(i / (3 * side) / side) + Math.floor((i % (3 * side)) / side)] += value;
  });
  if (!hot) return [];
  if (hot >= EVERYWHERE * (box[2] - box[0]) * (box[3] - box[1])) return ["everywhere"];
  const most = Math.max(...shares);
  const hottest = shares.map((_, i) => i).filter((i) => shares[i] >= SECOND * most).sort((one, other) => shares[other] - shares[one]);
  for (const [place, regions] of Object.entries(SIDES)) {
    if (regions.length === hottest.length && regions.every((region) => hottest.includes(region))) return [REGIONS[Number(place)]];
  }
  return hottest.slice(0, 2).map((region) => REGIONS[region]);
}

/** Of 0..1, R, G and B. @param {number} value */
function colour(value) {
  const at = value * (PLASMA.length - 1), below = Math.min(Math.floor(at), PLASMA.length - 2);
  return PLASMA[below].map((one, i) => one + (at - below) * (PLASMA[below + 1][i] - one));
}

/**
 * The photo in grey: coloured by the heat, darker where the network did not see it.
 * @param {import("./decode.js").Photo} photo @param {Heat} heat
 */
export function overlay(photo, heat) {
  const scale = Math.min(1, OVERLAY_PIXELS / Math.max(photo.width, photo.height));
  const [width, height] = [photo.width, photo.height].map((side) => Math.max(1, Math.round(side * scale)));
  const levels = resized(photo, width, height, "bilinear"), { values, box } = upsampled(heat, width, height);
  const rgba = new Uint8ClampedArray(width * height * 4);
  for (let i = 0; i < width * height; i++) {
    const x = i % width, y = Math.floor(i / width), seen = x >= box[0] && x < box[2] && y >= box[1] && y < box[3];
    const grey = (0.299 * levels[3 * i] + 0.587 * levels[3 * i + 1] + 0.114 * levels[3 * i + 2]) * (seen ? 1 : UNSEEN);
    const strength = STRENGTH * values[i];
    colour(values[i]).forEach((one, channel) => { rgba[4 * i + channel] = strength * one + (1 - strength) * grey; });
    rgba[4 * i + 3] = 255;
  }
  return new ImageData(rgba, width, height);
}
