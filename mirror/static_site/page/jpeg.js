// A JPEG decoded at 1/2, 1/4 or 1/8 of its size as libjpeg does it (ITU-T T.81; its reduced inverse transforms), to the
// last bit: a browser gives it at its full size alone, and the mean of those pixels is not quite the same.
//
// Grey, RGB and YCbCr of the usual samplings, baseline and progressive; null for any other, which the browser decodes.

import { inverse } from "./jpeg_transforms.js";

const MAX_PIXELS = 4_000_000; // of a larger one the mean of the browser's pixels has to do: it is there sooner
const ZIGZAG = [
  0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
  35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/** @typedef {{h: number, v: number, table: number, across: number, down: number, wide: number, coefficients: Int16Array, dc: number, id: number}} Component
 *   across, down: its blocks; wide: those of a row in memory; coefficients: 64 a block */
/** @typedef {{lookup: Int32Array}} Huffman by 16 bits: 256 × the code's length + its value, 0 where there is none */

/**
 * @param {Uint8Array} bytes the file @param {number} scale 2, 4 or 8
 * @returns {{width: number, height: number, rgba: Uint8Array} | null}
 */
export function decodeReduced(bytes, scale) {
  try {
    const read = coefficients(bytes);
    return read && picture(read, 8 / scale);
  } catch {
    return null; // damaged, cut off, or of a kind that is not known here
  }
}

/** All of a file's coefficients. @param {Uint8Array} bytes */
function coefficients(bytes) {
  const tables = /** @type {Int32Array[]} */ ([]), codes = /** @type {Record<number, Huffman>} */ ({});
  let frame = /** @type {{width: number, height: number, progressive: boolean, components: Component[]} | null} */ (null);
  let restart = 0, adobe = -1, jfif = false;
  const word = (/** @type {number} */ at) => (bytes[at] << 8) | bytes[at + 1];
  for (let at = 2; at < bytes.length;) {
    if (bytes[at] !== 0xff) throw new Error("no marker");
    const marker = bytes[at + 1];
    if (marker === 0xff) { at += 1; continue; }
    if (marker === 0xd9) return frame && { ...frame, tables, adobe, jfif };
    const end = at + 2 + word(at + 2);
    let place = at + 4;
    if (marker === 0xdb) {
      while (place < end) {
        const deep = bytes[place] >> 4, table = new Int32Array(64), id = bytes[place++] & 15;
        for (const to of ZIGZAG) { table[to] = deep ? word(place) : bytes[place]; place += deep ? 2 : 1; }
        if (frame && tables[id]) return null; // changed in mid-file
        tables[id] = table;
      }
    } else if (marker === 0xc4) {
      while (place < end) {
        const id = bytes[place];
        const counts = bytes.subarray(place + 1, place + 17), values = bytes.subarray(place + 17);
        codes[id] = huffman(counts, values);
        place += 17 + counts.reduce((sum, count) => sum + count, 0);
      }
    } else if (marker === 0xc0 || marker === 0xc1 || marker === 0xc2) {
      frame = frameOf(bytes.subarray(place, end), marker === 0xc2);
      if (!frame) return null;
    } else if ((marker >= 0xc3 && marker <= 0xcf) && marker !== 0xc8 && marker !== 0xcc) {
      return null;
    } else if (marker === 0xdd) {
      restart = word(place);
    } else if (marker === 0xee && bytes[place] === 0x41 && bytes[place + 1] === 0x64) {
      adobe = bytes[place + 11];
    } else if (marker === 0xe0 && bytes[place] === 0x4a && bytes[place + 1] === 0x46) {
      jfif = true;
    } else if (marker === 0xda) {
      if (!frame) throw new Error("no frame");
      at = scan(bytes, place, end, frame, codes, restart);
      continue;
    }
    at = end;
  }
  throw new Error("cut off");
}

/** @param {Uint8Array} head @param {boolean} progressive */
function frameOf(head, progressive) {
  const height = (head[1] << 8) | head[2], width = (head[3] << 8) | head[4], count = head[5];
  if (head[0] !== 8 || !width || !height || width * height > MAX_PIXELS || (count !== 1 && count !== 3)) return null;
  const components = Array.from({ length: count }, (_, i) => {
    const [id, factors, table] = head.subarray(6 + 3 * i, 9 + 3 * i);
    return { id, h: count === 1 ? 1 : factors >> 4, v: count === 1 ? 1 : factors & 15, table, across: 0, down: 0, wide: 0, coefficients: new Int16Array(0), dc: 0 };
  });
  const [first, ...others] = components, most = { h: first.h, v: first.v };
  const plain = (first.h === 1 || first.h === 2) && (first.v === 1 || (first.v === 2 && first.h === 2));
  if (!plain || others.some(({ h, v }) => h !== 1 || v !== 1)) return null;
  for (const one of components) {
    one.across = Math.ceil(Math.ceil((width * one.h) / most.h) / 8);
    one.down = Math.ceil(Math.ceil((height * one.v) / most.v) / 8);
    one.wide = Math.ceil(width / (8 * most.h)) * one.h;
    one.coefficients = new Int16Array(64 * one.wide * Math.ceil(height / (8 * most.v)) * one.v);
  }
  return { width, height, progressive, components };
}

/** @param {Uint8Array} counts codes of each length from 1 to 16 @param {Uint8Array} values @returns {Huffman} */
function huffman(counts, values) {
  const lookup = new Int32Array(1 << 16);
  let code = 0, index = 0;
  for (let length = 1; length <= 16; length++, code <<= 1) {
    for (let i = 0; i < counts[length - 1]; i++, code++, index++) {
      lookup.fill((length << 8) | values[index], code << (16 - length), (code + 1) << (16 - length));
    }
  }
  return { lookup };
}

/** The bits of a scan, without stuffing. */
class Bits {
  /** @param {Uint8Array} bytes @param {number} at */
  constructor(bytes, at) {
    this.bytes = bytes;
    this.at = at;
    this.held = 0;
    this.count = 0;
    this.over = 0; // bits asked for beyond the end
  }

  fill() {
    while (this.count <= 16) {
      let byte = this.bytes[this.at];
      if (byte === 0xff && this.bytes[this.at + 1] === 0) this.at += 2;
      else if (byte === 0xff || byte === undefined) {
        byte = 0; // a marker, or the end: zeros from here on
        if ((this.over += 8) > 64) throw new Error("cut off");
      } else this.at += 1;
      this.held = ((this.held << 8) | byte) & 0xffffff;
      this.count += 8;
    }
  }

  /** @param {number} length of at most 16 bits */
  read(length) {
    if (length === 0) return 0;
    if (this.count < length) this.fill();
    this.count -= length;
    return (this.held >> this.count) & ((1 << length) - 1);
  }

  /** @param {Huffman} code */
  decode(code) {
    if (this.count < 16) this.fill();
    const found = code.lookup[(this.held >> (this.count - 16)) & 0xffff];
    if (!found) throw new Error("no such code");
    this.count -= found >> 8;
    return found & 255;
  }

  /** A number of so many bits, as JPEG keeps its sign. @param {number} length */
  signed(length) {
    const value = this.read(length);
    return length && value < 1 << (length - 1) ? value - (1 << length) + 1 : value;
  }

  /** To the marker that follows. */
  restart() {
    this.count = this.held = this.over = 0;
    while (!(this.bytes[this.at] === 0xff && this.bytes[this.at + 1] >= 0xd0 && this.bytes[this.at + 1] <= 0xd7)) {
      if (++this.at >= this.bytes.length) throw new Error("cut off");
    }
    this.at += 2;
  }
}

/**
 * One scan's coefficients. @param {Uint8Array} bytes @param {number} place of its header @param {number} end of that
 * @param {{progressive: boolean, components: Component[], width: number, height: number}} frame
 * @param {Record<number, Huffman>} codes @param {number} restart @returns {number} where the next marker is
 */
function scan(bytes, place, end, frame, codes, restart) {
  const count = bytes[place], chosen = Array.from({ length: count }, (_, i) => {
    const [id, which] = bytes.subarray(place + 1 + 2 * i, place + 3 + 2 * i);
    const component = frame.components.find((one) => one.id === id);
    if (!component) throw new Error("no such component");
    return { component, dc: codes[which >> 4], ac: codes[16 + (which & 15)] };
  });
  const [first, last, position] = bytes.subarray(place + 1 + 2 * count, place + 4 + 2 * count);
  const high = position >> 4, low = position & 15, bits = new Bits(bytes, end);
  let run = 0; // blocks to come without new coefficients
  /** @param {Component} one @param {number} at of its coefficients @param {Huffman} dc @param {Huffman} ac */
  const block = (one, at, dc, ac) => {
    const { coefficients: all } = one;
    let k = frame.progressive ? first : 0;
    const until = frame.progressive ? last : 63;
    if (k === 0) {
      if (high) all[at] |= bits.read(1) << low;
      else all[at] = (one.dc += bits.signed(bits.decode(dc))) << (frame.progressive ? low : 0);
      k = 1;
      if (frame.progressive) return;
    }
    if (!high) {
      if (run > 0) { run -= 1; return; }
      while (k <= until) {
        const code = bits.decode(ac), length = code & 15, zeros = code >> 4;
        if (length) {
          k += zeros;
          all[at + ZIGZAG[k++]] = bits.signed(length) << low;
        } else if (zeros === 15) k += 16;
        else { run = (1 << zeros) - 1 + bits.read(zeros); return; }
      }
      return;
    }
    refine(all, at, k, until, ac);
  };
  /** A bit more of each coefficient (T.81, G.1.2.3). @param {Int16Array} all @param {number} at @param {number} k @param {number} until @param {Huffman} ac */
  const refine = (all, at, k, until, ac) => {
    const bit = 1 << low;
    /** @param {number} to */
    const corrected = (to) => { if (bits.read(1) && !(Math.abs(all[to]) & bit)) all[to] += all[to] > 0 ? bit : -bit; };
    if (run === 0) {
      for (; k <= until; k++) {
        const code = bits.decode(ac);
        let zeros = code >> 4, value = 0;
        if (code & 15) value = bits.read(1) ? bit : -bit;
        else if (zeros < 15) { run = (1 << zeros) + bits.read(zeros); break; }
        for (; k <= until; k++) {
          const to = at + ZIGZAG[k];
          if (all[to]) corrected(to);
          else if (zeros-- === 0) { if (value) all[to] = value; break; }
        }
      }
    }
    if (run > 0) {
      for (; k <= until; k++) if (all[at + ZIGZAG[k]]) corrected(at + ZIGZAG[k]);
      run -= 1;
    }
  };
  const single = chosen.length === 1, one = chosen[0].component, [{ h, v }] = frame.components;
  const across = single ? one.across : Math.ceil(frame.width / (8 * h)), down = single ? one.down : Math.ceil(frame.height / (8 * v));
  for (const { component } of chosen) component.dc = 0;
  for (let unit = 0; unit < across * down; unit++) {
    if (restart && unit && unit % restart === 0) {
      bits.restart();
      run = 0;
      for (const { component } of chosen) component.dc = 0;
    }
    const x = unit % across, y = Math.floor(unit / across);
    for (const { component, dc, ac } of chosen) {
      if (single) block(component, 64 * (y * component.wide + x), dc, ac);
      else for (let i = 0; i < component.v; i++) for (let j = 0; j < component.h; j++) {
        block(component, 64 * ((y * component.v + i) * component.wide + x * component.h + j), dc, ac);
      }
    }
  }
  let at = bits.at;
  while (at < bytes.length && !(bytes[at] === 0xff && bytes[at + 1] !== 0 && !(bytes[at + 1] >= 0xd0 && bytes[at + 1] <= 0xd7))) at += 1;
  return at;
}

/**
 * Coefficients → pixels, a block of 8 × 8 as `size` × `size`.
 * @param {{width: number, height: number, components: Component[], tables: Int32Array[], adobe: number, jfif: boolean}} read @param {number} size 4, 2 or 1
 */
function picture({ width, height, components, tables, adobe, jfif }, size) {
  const wide = Math.ceil((width * size) / 8), high = Math.ceil((height * size) / 8), [{ h, v }] = components;
  const planes = components.map((one, i) => {
    const doubled = i > 0 && h === 2 && v === 2; // colours of half the pixels: transformed larger instead of enlarged
    const plane = inverse(one, tables[one.table], doubled ? 2 * size : size);
    if (i === 0 || doubled || h === 1) return plane;
    return stretched(plane, Math.ceil((Math.ceil(width / 2) * size) / 8), size > 1);
  });
  const ids = components.map(({ id }) => id).join();
  const rgb = components.length === 3 && (adobe >= 0 ? adobe === 0 : !jfif && ids === "82,71,66");
  const rgba = new Uint8Array(4 * wide * high).fill(255), clamp = (/** @type {number} */ value) => (value < 0 ? 0 : value > 255 ? 255 : value);
  for (let y = 0; y < high; y++) for (let x = 0; x < wide; x++) {
    const at = 4 * (y * wide + x), [a, b, c] = planes.map((plane) => plane.levels[y * plane.wide + x]);
    if (components.length === 1) rgba[at] = rgba[at + 1] = rgba[at + 2] = a;
    else if (rgb) [rgba[at], rgba[at + 1], rgba[at + 2]] = [a, b, c];
    else { // jdcolor.c, in units of 2 ** -16
      const cb = b - 128, cr = c - 128;
      rgba[at] = clamp(a + ((91881 * cr + 32768) >> 16));
      rgba[at + 1] = clamp(a + ((-22554 * cb - 46802 * cr + 32768) >> 16));
      rgba[at + 2] = clamp(a + ((116130 * cb + 32768) >> 16));
    }
  }
  return { width: wide, height: high, rgba };
}

/** Twice as wide: between two pixels, the nearer counts three times (jdsample.c). @param {{levels: Uint8Array, wide: number, high: number}} plane @param {number} width that counts @param {boolean} smooth */
function stretched({ levels, wide, high }, width, smooth) {
  const found = new Uint8Array(2 * wide * high);
  for (let y = 0; y < high; y++) for (let x = 0; x < width; x++) {
    const at = y * wide + x, out = 2 * at, level = levels[at], fancy = smooth && width > 2;
    found[out] = fancy && x > 0 ? (3 * level + levels[at - 1] + 1) >> 2 : level;
    found[out + 1] = fancy && x < width - 1 ? (3 * level + levels[at + 1] + 2) >> 2 : level;
  }
  return { levels: found, wide: 2 * wide, high };
}
