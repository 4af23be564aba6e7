// Which way up: EXIF tag 0x0112, with XMP where there is none, as mirror/decoding/orientation.py reads it.

const TAG = 0x0112, ASCII = 2;
/** TIFF's types: the type's number → bytes of one value, and how it is read. @type {Record<number, [number, string]>} */
const TYPES = {
  1: [1, ""], 2: [1, ""], 3: [2, "Uint16"], 4: [4, "Uint32"], 5: [8, "Uint32"], 6: [1, "Int8"], 7: [1, ""],
  8: [2, "Int16"], 9: [4, "Int32"], 10: [8, "Int32"], 11: [4, "Float32"], 12: [8, "Float64"], 13: [4, "Uint32"],
  16: [8, "BigUint64"],
};
const HEADERS = ["MM\0*", "II*\0", "MM*\0", "II\0*", "MM\0+"]; // the last two are wrong by the standard, and read all the same

/** @param {Uint8Array} bytes */
export const latin1 = (bytes) => {
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return text;
};

/**
 * 1-8 of what a file says of itself; 1 where it says nothing, or nonsense.
 * @param {Uint8Array | null} exif @param {Uint8Array | null} xmp
 */
export function orientation(exif, xmp) {
  try {
    const found = (exif?.length ? inExif(exif) : null) ?? (xmp ? inXmp(xmp) : null) ?? 1;
    return Number.isInteger(found) && found >= 2 && found <= 8 ? found : 1;
  } catch {
    return 1; // a malformed block may be wrong in any way, and the pixels are still good
  }
}

/** @param {Uint8Array} xmp */
function inXmp(xmp) {
  const match = /tiff:Orientation(?:="|>)([0-9])/.exec(latin1(xmp));
  return match ? Number(match[1]) : null;
}

/** The tag's value, null where the directory has none. @param {Uint8Array} block */
function inExif(block) {
  while (latin1(block.subarray(0, 6)) === "Exif\0\0") block = block.subarray(6);
  if (!block.length) return null;
  if (!HEADERS.includes(latin1(block.subarray(0, 4)))) throw new Error("no EXIF block");
  const view = new DataView(block.buffer, block.byteOffset, block.length);
  const little = block[0] !== 0x4d;
  const place = view.getUint32(4, little);
  if (place + 2 > block.length) return null;
  const end = place + 2 + 12 * view.getUint16(place, little);
  /** @type {{kind: number, at: number, size: number} | null} */
  let found = null;
  for (let at = place + 2; at < end && at + 12 <= block.length; at += 12) {
    const kind = view.getUint16(at + 2, little);
    if (!(kind in TYPES)) continue;
    const size = view.getUint32(at + 4, little) * TYPES[kind][0];
    let value = at + 8;
    if (size > 4) {
      value = view.getUint32(at + 8, little);
      if (value + size > block.length) break; // where Pillow stops reading
    }
    if (view.getUint16(at, little) === TAG && size) found = { kind, at: value, size };
  }
  return found && valueOf(view, little, found);
}

/** The first value of the tag. @param {DataView} view @param {boolean} little @param {{kind: number, at: number, size: number}} found */
function valueOf(view, little, { kind, at, size }) {
  const [width, how] = TYPES[kind];
  if (!how) { // text and plain bytes: a digit, if anything
    if (size > width && size > 4) throw new Error("no number");
    const text = latin1(new Uint8Array(view.buffer, view.byteOffset + at, size));
    const digits = (kind === ASCII && text.endsWith("\0") ? text.slice(0, -1) : text).trim();
    if (!/^[+-]?\d+$/.test(digits)) throw new Error("no number");
    return Number(digits);
  }
  /** @param {number} place */
  const read = (place) => Number(/** @type {any} */ (view)[`get${how}`](place, little));
  return Math.trunc(kind === 5 || kind === 10 ? read(at) / read(at + 4) : read(at));
}
