// Where faces are: mirror/tasks/face_detection.py, with CenterFace (Xu et al. 2019, arXiv 1911.03599).
//
// A photo is looked at in two sizes, one for small faces and one for those that fill it; a frame of the camera in one.

import { requireFinite } from "./classifier.js";
import { load, open, tensor } from "./onnx_session.js";
import { resizedInTwo, round } from "./resample.js";

const GAP = 2; // how much larger than it is to be a photo stays after the first of two steps

/** @typedef {{xmin: number, ymin: number, xmax: number, ymax: number}} Box whole pixels of the upright photo */
/** @typedef {{score: number, label: string, box: Box}} Face */
/** @typedef {{faces: Face[], width: number, height: number}} Faces those that are shown, and the photo's size in pixels */
/** @typedef {{sides: number[], score: number}} Found sides: xmin, ymin, xmax, ymax */

export class FaceDetector {
  /** @param {any} model as site_tabs.py describes it @param {import("./onnx_session.js").Session} session */
  constructor(model, session) {
    this.model = model;
    this.session = session;
  }

  /**
   * @param {any} model @param {string} base @param {string} cache
   * @param {import("./onnx_session.js").Progress} progress @param {Promise<void>} started as for a Classifier
   */
  static async load(model, base, cache, progress, started) {
    const bytes = await load(new URL(model.network, base).href, cache, progress);
    await started;
    return new FaceDetector(model, await open(bytes));
  }

  /** Runs the network once, on the least that it takes. */
  async warmUp() {
    const { cell } = this.model;
    await this.find(new Float32Array(3 * cell * cell), cell, cell);
  }

  /** @param {import("./decode.js").Photo} photo @returns {Promise<Faces>} */
  async look(photo) {
    const { fine, coarse, enlarged, small, large } = this.model.limits, side = Math.max(photo.width, photo.height);
    const near = await this.at(photo, Math.min(fine, enlarged * side)), far = await this.at(photo, coarse);
    return this.answer(photo, [
      ...near.filter((one) => size(one) <= small * side), ...far.filter((one) => size(one) >= large * side),
    ]);
  }

  /** A frame of the camera. @param {import("./decode.js").Photo} photo @returns {Promise<Faces>} */
  async glance(photo) {
    return this.answer(photo, await this.at(photo, this.model.limits.glance));
  }

  /** What is found when the long side has so many pixels. @param {import("./decode.js").Photo} photo @param {number} side */
  async at(photo, side) {
    const most = Math.max(photo.width, photo.height), { cell } = this.model;
    const [width, height] = [photo.width, photo.height].map((length) => Math.max(1, round((length * side) / most)));
    const levels = resizedInTwo(photo, width, height, "bilinear", GAP);
    const [wide, high] = [width, height].map((length) => Math.ceil(length / cell) * cell);
    const pixels = new Float32Array(3 * high * wide);
    for (let y = 0, at = 0; y < height; y++) for (let x = 0; x < width; x++, at += 3) {
      for (let channel = 0; channel < 3; channel++) pixels[(channel * high + y) * wide + x] = levels[at + channel];
    }
    const scale = [photo.width / width, photo.height / height, photo.width / width, photo.height / height];
    return (await this.find(pixels, wide, high)).map(({ sides, score }) => ({ sides: sides.map((one, i) => one * scale[i]), score }));
  }

  /**
   * @param {Float32Array} pixels [3, high, wide] @param {number} wide @param {number} high
   * @returns {Promise<Found[]>} in pixels, some beyond the edge; a face may have several
   */
  async find(pixels, wide, high) {
    const { stride, outputs, input, limits } = this.model, columns = wide / stride, cells = columns * (high / stride);
    const given = await this.session.run({ [input]: tensor(pixels, [1, 3, high, wide]) }, outputs);
    const [heat, sizes, offsets] = outputs.map((/** @type {string} */ name) => given[name].data);
    for (const values of [heat, sizes, offsets]) requireFinite(values);
    const found = /** @type {Found[]} */ ([]);
    for (let i = 0; i < cells; i++) {
      if (heat[i] <= limits.floor) continue;
      const y = stride * (Math.floor(i / columns) + 0.5 + offsets[i]), x = stride * ((i % columns) + 0.5 + offsets[cells + i]);
      const height = stride * Math.exp(sizes[i]), width = stride * Math.exp(sizes[cells + i]);
      found.push({ sides: [x - width / 2, y - height / 2, x + width / 2, y + height / 2], score: heat[i] });
    }
    return found;
  }

  /** Each face once, in whole pixels of the photo. @param {import("./decode.js").Photo} photo @param {Found[]} found @returns {Faces} */
  answer({ width, height }, found) {
    const { limits, label, shown_from } = this.model;
    const whole = found.map(({ sides, score }) => ({ sides: sides.map((one, i) => Math.min(Math.max(round(one), 0), i % 2 ? height : width)), score }));
    const seen = whole.filter(({ sides }) => sides[0] < sides[2] && sides[1] < sides[3]); // the others lie beyond the edge
    const faces = suppressed(seen, limits).filter(({ score }) => score > shown_from).map(({ sides, score }) => {
      const [xmin, ymin, xmax, ymax] = sides;
      return { score, label, box: { xmin, ymin, xmax, ymax } };
    });
    return { faces, width, height };
  }
}

/** The longer side. @param {Found} found */
const size = ({ sides }) => Math.max(sides[2] - sides[0], sides[3] - sides[1]);

/**
 * Those that are kept, the surest first: one falls to a surer one that is nearly the same or holds most of it.
 * @param {Found[]} found @param {{max_boxes: number, same: number, part: number}} limits
 */
function suppressed(found, limits) {
  const kept = /** @type {Found[]} */ ([]);
  for (const one of [...found].sort((a, b) => b.score - a.score).slice(0, limits.max_boxes)) {
    const falls = kept.some((surer) => {
      const shared = area([0, 1, 2, 3].map((i) => (i < 2 ? Math.max : Math.min)(surer.sides[i], one.sides[i])));
      const mine = area(one.sides);
      return shared > limits.same * (area(surer.sides) + mine - shared) || shared > limits.part * mine;
    });
    if (!falls) kept.push(one);
  }
  return kept;
}

/** @param {number[]} sides */
const area = ([left, top, right, bottom]) => Math.max(0, right - left) * Math.max(0, bottom - top);
