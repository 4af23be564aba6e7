// Pillow's resize, to the last bit (Resample.c): the columns first, rounded to 8 bits, then the rows.
//
// A photo comes in as bands of rows, from the top, and is never held whole. `columns` and `rows` say which of its pixels
// each pixel of the resized frame repeats, -1 where the frame is black: so a crop, a frame with mirrored margins and the
// photo itself are all the same to it (see mirror/inference/padding.py).

const PRECISION = 22; // bits after the point of Pillow's weights (PRECISION_BITS: 32 - 8 - 2)
const HALF = 1 << (PRECISION - 1);

/** @param {number} x */
const sinc = (x) => (x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI));

/**
 * How far each filter reaches, in output pixels, and its weight there.
 * @type {Record<string, [number, (x: number) => number]>}
 */
export const FILTERS = {
  box: [0.5, (x) => (x > -0.5 && x <= 0.5 ? 1 : 0)],
  bilinear: [1, (x) => Math.max(1 - Math.abs(x), 0)],
  hamming: [1, (x) => {
    x = Math.abs(x);
    if (x === 0) return 1;
    return x >= 1 ? 0 : (Math.sin(x * Math.PI) / (x * Math.PI)) * (0.54 + 0.46 * Math.cos(x * Math.PI));
  }],
  bicubic: [2, (x) => {
    const a = -0.5;
    x = Math.abs(x);
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
  }],
  lanczos: [3, (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0)],
};

/**
 * For each of `target` output pixels: the first input pixel that counts, and the weights of it and those after it.
 * @param {number} length input pixels
 * @param {number} target output pixels
 * @param {string} filter
 * @param {[number, number]} [part] of the input's pixels: resized alone, with its neighbours left out
 * @returns {{first: number, weights: number[]}[]}
 */
export function contributions(length, target, filter, [from, to] = [0, length]) {
  const [support, weigh] = FILTERS[filter];
  const scale = (to - from) / target, stretch = Math.max(scale, 1);
  return Array.from({ length: target }, (_, i) => {
    const centre = from + (i + 0.5) * scale;
    const first = Math.max(Math.trunc(centre - support * stretch + 0.5), 0);
    const last = Math.min(Math.trunc(centre + support * stretch + 0.5), length);
    const weights = [];
    for (let x = first; x < last; x++) weights.push(weigh((x - centre + 0.5) * (1 / stretch)));
    const sum = weights.reduce((all, one) => all + one, 0);
    return { first, weights: sum === 0 ? weights : weights.map((one) => one / sum) };
  });
}

/**
 * The pixel of `length` that each of `target` takes; Pillow adds the step up instead of multiplying it.
 * @param {number} length @param {number} target
 */
export function nearest(length, target) {
  const step = length / target, found = new Int32Array(target);
  let place = 0.5 * step;
  for (let i = 0; i < target; i++, place += step) found[i] = Math.min(Math.trunc(place), length - 1);
  return found;
}

/** @param {number} share a weight as Pillow's integer */
const units = (share) => Math.trunc(share * (1 << PRECISION) + (share < 0 ? -0.5 : 0.5));

/**
 * The weights as flat arrays: those of output pixel i stand from starts[i] to starts[i + 1], in `places` the input pixel
 * and in `weights` its weight in units of 2 ** -22. Weights of an input pixel that is repeated add up, which is exact.
 * @param {Int32Array} places [frame] which input pixel each pixel of the frame repeats, -1: black
 * @param {number} target @param {string} filter @param {number} end of the frame, which may lie within its last pixel
 */
function taps(places, target, filter, end) {
  const starts = new Int32Array(target + 1), inputs = /** @type {number[]} */ ([]), weights = /** @type {number[]} */ ([]);
  if (filter === "nearest") {
    nearest(places.length, target).forEach((place, i) => {
      if (places[place] >= 0) inputs.push(places[place]), weights.push(1 << PRECISION);
      starts[i + 1] = inputs.length;
    });
  } else {
    contributions(places.length, target, filter, [0, end]).forEach(({ first, weights: shares }, i) => {
      const sums = new Map();
      shares.forEach((share, j) => {
        const place = places[first + j];
        if (place >= 0) sums.set(place, (sums.get(place) ?? 0) + units(share));
      });
      for (const [place, weight] of sums) inputs.push(place), weights.push(weight);
      starts[i + 1] = inputs.length;
    });
  }
  return { starts, places: Int32Array.from(inputs), weights: Int32Array.from(weights) };
}

/** @param {number} sum in units of 2 ** -22, half a level added: → 0..255 */
const level = (sum) => (sum < 0 ? 0 : sum > 0x3fffffff ? 255 : sum >> PRECISION);

export class Resizer {
  /**
   * @param {Int32Array} columns which of the photo's columns each of the frame's repeats, -1: black
   * @param {Int32Array} rows the same of its rows
   * @param {number} width of the result in pixels
   * @param {number} height of the result in pixels
   * @param {string} filter one of FILTERS, or "nearest"
   * @param {[number, number]} [ends] of columns and rows, where the last is resized in part
   */
  constructor(columns, rows, width, height, filter, ends = [columns.length, rows.length]) {
    this.width = width;
    this.height = height;
    this.across = taps(columns, width, filter, ends[0]);
    this.down = taps(rows, height, filter, ends[1]);
    this.first = rows.reduce((least, row) => (row >= 0 ? Math.min(least, row) : least), Infinity); // of the rows needed
    this.end = rows.reduce((most, row) => Math.max(most, row + 1), 0);
    this.narrow = new Uint8Array(Math.max(0, this.end) * width * 3); // the photo's rows, as wide as the result
  }

  /**
   * Takes rows of the photo.
   * @param {Uint8ClampedArray | Uint8Array} rgba theirs, from row `top` on
   * @param {number} top @param {number} bottom @param {number} width of the photo
   */
  add(rgba, top, bottom, width) {
    const { starts, places, weights } = this.across;
    for (let y = Math.max(top, this.first); y < Math.min(bottom, this.end); y++) {
      const row = (y - top) * width * 4;
      let out = y * this.width * 3;
      for (let i = 0; i < this.width; i++) {
        let red = HALF, green = HALF, blue = HALF;
        for (let j = starts[i]; j < starts[i + 1]; j++) {
          const at = row + 4 * places[j], weight = weights[j];
          red += rgba[at] * weight;
          green += rgba[at + 1] * weight;
          blue += rgba[at + 2] * weight;
        }
        this.narrow[out++] = level(red);
        this.narrow[out++] = level(green);
        this.narrow[out++] = level(blue);
      }
    }
  }

  /** The resized photo: [height, width, 3] levels. */
  result() {
    const { starts, places, weights } = this.down, wide = this.width * 3;
    const levels = new Uint8Array(this.height * wide), sums = new Float64Array(wide);
    for (let i = 0; i < this.height; i++) {
      sums.fill(HALF);
      for (let j = starts[i]; j < starts[i + 1]; j++) {
        const row = places[j] * wide, weight = weights[j];
        for (let x = 0; x < wide; x++) sums[x] += this.narrow[row + x] * weight;
      }
      for (let x = 0; x < wide; x++) levels[i * wide + x] = level(sums[x]);
    }
    return levels;
  }
}

/** 0, 1, … length - 1. @param {number} length */
export const all = (length) => Int32Array.from({ length }, (_, i) => i);

/**
 * A photo resized as a whole.
 * @param {import("./decode.js").Photo} photo @param {number} width @param {number} height @param {string} filter
 */
export function resized(photo, width, height, filter) {
  return read(photo, new Resizer(all(photo.width), all(photo.height), width, height, filter));
}

/**
 * A photo made small in two steps, as Pillow does with a `reducing_gap`: by whole numbers first, by their means, as far as
 * it stays `gap` times as large as it is to be.
 * @param {import("./decode.js").Photo} photo @param {number} width @param {number} height @param {string} filter @param {number} gap
 */
export function resizedInTwo(photo, width, height, filter, gap) {
  const across = Math.trunc(photo.width / width / gap) || 1, down = Math.trunc(photo.height / height / gap) || 1;
  if (across === 1 && down === 1) return resized(photo, width, height, filter);
  const small = reduced(photo, across, down), ends = [photo.width / across, photo.height / down].map(Math.fround);
  return read(small, new Resizer(all(small.width), all(small.height), width, height, filter, /** @type {[number, number]} */ (ends)));
}

/**
 * The mean of each across × down pixels; those at the right and lower edge of fewer.
 * @param {import("./decode.js").Photo} photo @param {number} across @param {number} [down]
 * @returns {import("./decode.js").Photo}
 */
export function reduced(photo, across, down = across) {
  const width = Math.ceil(photo.width / across), height = Math.ceil(photo.height / down);
  function* bands() {
    const sums = new Float64Array(3 * width);
    for (const { rgba, top, bottom } of photo.bands()) {
      const first = Math.floor(top / down), last = bottom === photo.height ? height : Math.floor(bottom / down);
      const found = new Uint8ClampedArray((last - first) * width * 4);
      for (let row = top, at = 0; row < bottom; row++) {
        for (let x = 0; x < photo.width; x++, at += 4) {
          const out = 3 * Math.floor(x / across);
          sums[out] += rgba[at];
          sums[out + 1] += rgba[at + 1];
          sums[out + 2] += rgba[at + 2];
        }
        if ((row + 1) % down && row + 1 < photo.height) continue;
        const y = Math.floor(row / down), rows = row + 1 - y * down;
        for (let x = 0; x < width; x++) {
          const count = rows * (Math.min((x + 1) * across, photo.width) - x * across);
          const share = Math.trunc(Math.fround(2 ** 24 / count)), half = count >> 1; // by integers, as Reduce.c does
          for (let channel = 0; channel < 3; channel++) {
            found[((y - first) * width + x) * 4 + channel] = Math.floor(((sums[3 * x + channel] + half) * share) / 2 ** 24);
          }
        }
        sums.fill(0);
      }
      yield { rgba: found, top: first, bottom: last };
    }
  }
  return { width, height, bands };
}

/** As Python rounds. @param {number} value */
export const round = (value) => (Math.abs(value % 1) === 0.5 ? 2 * Math.round(value / 2) : Math.round(value));

/** @param {import("./decode.js").Photo} photo @param {Resizer} resizer */
export function read(photo, resizer) {
  for (const { rgba, top, bottom } of photo.bands()) resizer.add(rgba, top, bottom, photo.width);
  return resizer.result();
}

/**
 * One channel of floats resized as Pillow does those of mode F: in float64, kept as float32 between the two passes.
 * @param {Float32Array} values [height, width] @param {number} width @param {number} height
 * @param {number} wide of the result @param {number} high of the result @param {string} filter
 * @param {[number, number, number, number]} [box] left, top, right and bottom of what is resized
 */
export function resizedFloats(values, width, height, wide, high, filter, box = [0, 0, width, height]) {
  const across = contributions(width, wide, filter, [box[0], box[2]]);
  const down = contributions(height, high, filter, [box[1], box[3]]);
  const narrow = new Float32Array(height * wide), found = new Float32Array(high * wide);
  for (let y = 0; y < height; y++) {
    across.forEach(({ first, weights }, x) => {
      narrow[y * wide + x] = weights.reduce((sum, weight, j) => sum + values[y * width + first + j] * weight, 0);
    });
  }
  down.forEach(({ first, weights }, y) => {
    for (let x = 0; x < wide; x++) {
      found[y * wide + x] = weights.reduce((sum, weight, j) => sum + narrow[(first + j) * wide + x] * weight, 0);
    }
  });
  return found;
}
