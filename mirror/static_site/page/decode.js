// A file → an upright photo, as mirror/images.py opens it: stored pixels by the browser's decoder, transparency on white.
//
// Pixels are handed over in bands of rows, so that 48 megapixels never lie here as a whole. Where Python decodes a JPEG at
// 1/2, 1/4 or 1/8 of its size, the browser's own libjpeg does that too, where it can be asked to (Chromium's); else jpeg.js,
// and of a very large photo the mean of 2, 4 or 8 of the browser's pixels a side is taken, which is the same but for
// rounding and for how colours are spread.

import { kindOf, opened } from "./containers.js";
import { decodeReduced } from "./jpeg.js";
import { PhotoError } from "./photo_error.js";
import { decodeGrey16 } from "./png16.js";
import { reduced } from "./resample.js";

export const MAX_BYTES = 20 * 1024 * 1024, MAX_PIXELS = 50_000_000; // as in mirror/decoding/limits.py
const MAX_REDUCED_PIXELS = 256_000_000; // of a JPEG that the browser decodes at a part of its size
const BAND = 1 << 20; // pixels that are read at a time
const END_OF_JPEG = new Uint8Array([0xff, 0xd9]);

/** @typedef {{rgba: Uint8ClampedArray | Uint8Array, top: number, bottom: number}} Band rows of a photo, four bytes a pixel */
/** @typedef {{width: number, height: number, bands: () => Iterable<Band>}} Photo upright, in pixels */


/** How the stored pixels are turned: canvas transforms [a, b, c, d], and whether width and height are added to them. */
const TURNS = [
  [1, 0, 0, 1, 0, 0], [-1, 0, 0, 1, 1, 0], [-1, 0, 0, -1, 1, 1], [1, 0, 0, -1, 0, 1],
  [0, 1, 1, 0, 0, 0], [0, 1, -1, 0, 1, 0], [0, -1, -1, 0, 1, 1], [0, -1, 1, 0, 0, 1],
];

/**
 * @param {Blob} file
 * @param {number | null} atLeast pixels of the short side that are enough, null: at full size
 * @returns {Promise<Photo & {close: () => void}>} Rejects with a PhotoError.
 */
export async function decode(file, atLeast) {
  if (file.size === 0) throw new PhotoError("The file is empty (0 bytes); send it again.");
  if (file.size > MAX_BYTES) throw new PhotoError(`The file is larger than ${MAX_BYTES >> 20} MB; use a smaller one.`);
  const bytes = new Uint8Array(await file.arrayBuffer());
  try {
    return await decoded(bytes, atLeast);
  } catch (error) {
    if (!(error instanceof PhotoError) || error.message !== refusal("jpeg") || !(await lacksItsEnd(bytes))) throw error;
    return decoded(joined([bytes, END_OF_JPEG]), atLeast);
  }
}

/** @param {Uint8Array} bytes @param {number | null} atLeast @returns {Promise<Photo & {close: () => void}>} */
async function decoded(bytes, atLeast) {
  const { kind, parts, orientation, size } = await opened(bytes);
  const pixels = size ? size[0] * size[1] : 0;
  const scale = size && kind === "jpeg" && atLeast ? draftScale(size[0], size[1], atLeast) : 1;
  if (size && pixels > (scale > 1 ? MAX_REDUCED_PIXELS : MAX_PIXELS)) throw tooLarge(size[0], size[1]);
  const own = size && scale > 1
    ? (await decodedSmaller(/** @type {Uint8Array[]} */ (parts), size, scale)) ?? decodeReduced(bytes, scale)
    : kind === "png" ? await decodeGrey16(bytes) : null;
  if (size && pixels > MAX_PIXELS && !own) throw tooLarge(size[0], size[1]);
  if (own && orientation === 1) return { ...own, bands: () => [{ ...own, top: 0, bottom: own.height }], close: () => {} };
  const bitmap = own
    ? await createImageBitmap(new ImageData(new Uint8ClampedArray(own.rgba), own.width, own.height))
    : await bitmapOf(new Blob(parts, { type: `image/${kind}` }), kind);
  if (bitmap.width * bitmap.height > MAX_PIXELS) {
    const error = tooLarge(bitmap.width, bitmap.height);
    bitmap.close();
    throw error;
  }
  const photo = upright(bitmap, orientation);
  return { ...(scale > 1 && !own ? reduced(photo, scale) : photo), close: () => bitmap.close() };
}

/**
 * Whether a JPEG lacks its end marker alone, so that what follows its bytes changes no pixel, as
 * mirror/decoding/decode.py asks. @param {Uint8Array} bytes
 */
async function lacksItsEnd(bytes) {
  if (kindOf(bytes) !== "jpeg") return false;
  let end = bytes.length;
  while (bytes[end - 1] === 0xff) end -= 1;
  const start = bytes.subarray(0, end), bitmaps = /** @type {ImageBitmap[]} */ ([]);
  try {
    for (const following of [new Uint8Array(0), Uint8Array.from({ length: 254 }, (_, i) => i + 1)]) {
      bitmaps.push(await createImageBitmap(new Blob([joined([start, following, END_OF_JPEG])], { type: "image/jpeg" })));
    }
    const [one, other] = bitmaps.map((bitmap) => upright(bitmap, 1).bands()[Symbol.iterator]());
    for (let left = one.next(), right = other.next(); !left.done && !right.done; left = one.next(), right = other.next()) {
      const first = left.value.rgba, second = right.value.rgba;
      for (let at = 0; at < first.length; at++) if (first[at] !== second[at]) return false;
    }
    return true;
  } catch {
    return false; // its header is damaged too
  } finally {
    for (const bitmap of bitmaps) bitmap.close();
  }
}

/** @param {Uint8Array[]} parts */
function joined(parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((at, part) => (whole.set(part, at), at + part.length), 0);
  return whole;
}

/** @param {number} width @param {number} height */
const tooLarge = (width, height) => new PhotoError(
  `The photo has ${width} × ${height} pixels; use one of at most ${MAX_PIXELS / 1e6} megapixels.`,
);

/** @param {Blob} file @param {string} kind */
async function bitmapOf(file, kind) {
  try {
    return await createImageBitmap(file, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  } catch {
    throw new PhotoError(refusal(kind));
  }
}

let decodesSmaller = "ImageDecoder" in globalThis; // until it has given another size than it was asked for

/**
 * A JPEG at 1 / `scale` of its size by the browser's own libjpeg, as Pillow's draft mode; null where it cannot be asked to
 * (https://www.w3.org/TR/webcodecs/#dom-imagedecoderinit-desiredwidth is a wish).
 * @param {Uint8Array[]} parts @param {[number, number]} size as stored @param {number} scale 2, 4 or 8
 * @returns {Promise<{width: number, height: number, rgba: Uint8Array} | null>}
 */
async function decodedSmaller(parts, size, scale) {
  if (!decodesSmaller) return null;
  const [width, height] = size.map((side) => Math.ceil(side / scale)), rgba = new Uint8Array(4 * width * height);
  const data = joined(parts), wish = { desiredWidth: width, desiredHeight: height }, type = "image/jpeg", colorSpaceConversion = "none";
  const decoder = new ImageDecoder({ data, type, colorSpaceConversion, ...wish });
  try {
    const { image } = await decoder.decode(), { format } = image, swapped = format === "BGRX" || format === "BGRA";
    decodesSmaller = image.codedWidth === width && image.codedHeight === height;
    const fits = decodesSmaller && (swapped || format === "RGBX" || format === "RGBA");
    if (fits) await image.copyTo(rgba);
    image.close();
    if (swapped) for (let at = 0; at < rgba.length; at += 4) [rgba[at], rgba[at + 2]] = [rgba[at + 2], rgba[at]];
    return fits ? { width, height, rgba } : null;
  } catch {
    return null; // a damaged file, which the browser's other way may say more of
  } finally {
    decoder.close();
  }
}

/** Why a file of this kind cannot be opened, and what to do. @param {string} kind */
export function refusal(kind) {
  const again = "save it as a JPEG or PNG, and show me that.";
  switch (kind) {
    case "heic": return `This is a HEIC photo, which this browser cannot open: ${again}`;
    case "tiff": return `This is a TIFF picture, which this browser cannot open: ${again}`;
    case "avif": return `This is an AVIF picture that this browser cannot open: ${again}`;
    case "svg": return "This is an SVG drawing, not a photo: show me a JPEG, PNG or WebP file.";
    case "html": return "This is a web page, not a photo: show me a JPEG, PNG or WebP file.";
    case "pdf": return "This is a PDF, not a photo: show me a JPEG, PNG or WebP file.";
    case "": return "This is not a photo, or of a kind that this browser cannot open: show me a JPEG, PNG or WebP file.";
    default: return "This photo is damaged or cut off: use another copy of it.";
  }
}

/** libjpeg's scale at which the short side keeps `atLeast` pixels. @param {number} width @param {number} height @param {number} atLeast */
export function draftScale(width, height, atLeast) {
  const most = Math.min(Math.floor(width / atLeast), Math.floor(height / atLeast));
  return [8, 4, 2].find((scale) => most >= scale) ?? 1;
}

/** @param {ImageBitmap} bitmap @param {number} orientation @returns {Photo} */
export function upright(bitmap, orientation) {
  const [a, b, c, d, e, f] = TURNS[orientation - 1];
  const [width, height] = a ? [bitmap.width, bitmap.height] : [bitmap.height, bitmap.width];
  function* bands() {
    const rows = Math.max(8, (Math.floor(BAND / width) >> 3) << 3); // whole blocks of a JPEG
    const canvas = new OffscreenCanvas(width, Math.min(rows, height));
    const context = /** @type {OffscreenCanvasRenderingContext2D | null} */ (
      canvas.getContext("2d", { willReadFrequently: true, alpha: false, colorSpace: "srgb" })
    );
    if (!context) throw new PhotoError("This photo has more pixels than this browser can hold: use a smaller one.");
    context.imageSmoothingEnabled = false;
    for (let top = 0; top < height; top += rows) {
      const bottom = Math.min(top + rows, height);
      context.setTransform(1, 0, 0, 1, 0, 0);
      context.fillStyle = "#fff"; // transparency is laid over white
      context.fillRect(0, 0, width, bottom - top);
      context.setTransform(a, b, c, d, e * width, f * height - top);
      context.drawImage(bitmap, 0, 0);
      yield { rgba: context.getImageData(0, 0, width, bottom - top).data, top, bottom };
    }
  }
  return { width, height, bands };
}
