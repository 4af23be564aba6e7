// What a file says of itself, and the file without it: then every browser shows the same pixels, the stored ones.
//
// Left out are EXIF and XMP, which turn a photo, and colour profiles, which the model's photos were opened without.

import { latin1, orientation } from "./orientation.js";

/**
 * @typedef {{kind: string, parts: BlobPart[], orientation: number, size: [number, number] | null}} Opened kind: of file;
 *   parts: its bytes without metadata; orientation: 1-8, as in EXIF; size: width and height as stored, where that was read
 */

/** The kind of file that bytes begin, "" where it is none that is known. @param {Uint8Array} bytes */
export function kindOf(bytes) {
  const start = latin1(bytes.subarray(0, 1024)), brand = start.slice(8, 12);
  if (start.startsWith("\xff\xd8\xff")) return "jpeg";
  if (start.startsWith("\x89PNG\r\n\x1a\n")) return "png";
  if (start.startsWith("RIFF") && brand === "WEBP") return "webp";
  if (/^GIF8[79]a/.test(start)) return "gif";
  if (start.startsWith("BM")) return "bmp";
  if (start.slice(4, 8) === "ftyp") return brand === "avif" || brand === "avis" ? "avif" : "heic";
  if (start.startsWith("II*\0") || start.startsWith("MM\0*")) return "tiff";
  const text = start.replace(/^\xef\xbb\xbf/, "").trimStart().toLowerCase();
  if (text.includes("<svg")) return "svg";
  if (/^(<!doctype html|<html|<head|<body)/.test(text)) return "html";
  return text.startsWith("%pdf") ? "pdf" : "";
}

/** @typedef {{parts: any[], orientation: number, size?: [number, number] | null}} Read */

/** @param {Uint8Array} bytes @returns {Promise<Opened>} */
export async function opened(bytes) {
  const kind = kindOf(bytes);
  /** @type {Record<string, (bytes: Uint8Array) => Read | Promise<Read>>} */
  const readers = { jpeg: ofJpeg, png: ofPng, webp: ofWebp }, read = readers[kind];
  try {
    if (read) return { kind, size: null, ...(await read(bytes)) };
  } catch { /* a damaged file: the browser may still show some of it */ }
  return { kind, parts: [/** @type {any} */ (bytes)], orientation: 1, size: null };
}

const EXIF = "Exif\0\0", XMP = "http://ns.adobe.com/xap/1.0/\0", ICC = "ICC_PROFILE\0";

/** Its segments up to the picture's own data. @param {Uint8Array} bytes */
function ofJpeg(bytes) {
  const parts = /** @type {any[]} */ ([bytes.subarray(0, 2)]);
  let exif = null, xmp = null, at = 2, size = /** @type {[number, number] | null} */ (null);
  while (at + 4 <= bytes.length && bytes[at] === 0xff) {
    const marker = bytes[at + 1];
    if (marker === 0xff) { at += 1; continue; } // filled up
    if (marker === 0xda || marker === 0xd9) break; // the picture's data
    const end = at + 2 + ((bytes[at + 2] << 8) | bytes[at + 3]);
    const body = bytes.subarray(at + 4, end), name = latin1(body.subarray(0, 32));
    if (marker === 0xe1 && name.startsWith(EXIF)) exif = exif ? joined(exif, body.subarray(EXIF.length)) : body;
    else if (marker === 0xe1 && name.startsWith(XMP)) xmp ??= body.subarray(XMP.length);
    else if (!(marker === 0xe2 && name.startsWith(ICC))) parts.push(bytes.subarray(at, end));
    if (marker >= 0xc0 && marker <= 0xc3) size = [(body[3] << 8) | body[4], (body[1] << 8) | body[2]];
    at = end;
  }
  parts.push(bytes.subarray(at));
  return { parts, orientation: orientation(exif, xmp), size };
}

/** The blocks of EXIF that did not fit into one segment. @param {Uint8Array} one @param {Uint8Array} other */
function joined(one, other) {
  const both = new Uint8Array(one.length + other.length);
  both.set(one);
  both.set(other, one.length);
  return both;
}

const COLOURS = ["iCCP", "gAMA", "cHRM", "sRGB", "cICP", "mDCV", "cLLI"];

/** Its chunks. @param {Uint8Array} bytes */
async function ofPng(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const parts = /** @type {any[]} */ ([bytes.subarray(0, 8)]);
  let exif = null, xmp = null, raw = null;
  for (let at = 8; at + 12 <= bytes.length;) {
    const length = view.getUint32(at), name = latin1(bytes.subarray(at + 4, at + 8));
    const body = bytes.subarray(at + 8, at + 8 + length);
    if (name === "eXIf") exif = body;
    else if (name === "iTXt" && latin1(body.subarray(0, 18)) === "XML:com.adobe.xmp\0") xmp = await itxt(body.subarray(18));
    else if (name === "zTXt" && latin1(body.subarray(0, 22)) === "Raw profile type exif\0") raw = await inflated(body.subarray(23));
    else if (name === "tEXt" && latin1(body.subarray(0, 22)) === "Raw profile type exif\0") raw = body.subarray(22);
    else if (!COLOURS.includes(name)) parts.push(bytes.subarray(at, at + 12 + length));
    at += 12 + length;
  }
  return { parts, orientation: orientation(exif ?? unhexed(raw), xmp), size: /** @type {[number, number]} */ ([view.getUint32(16), view.getUint32(20)]) };
}

/** The text of an iTXt chunk after its keyword. @param {Uint8Array} body */
async function itxt(body) {
  let at = 2;
  for (let i = 0; i < 2; i++) at = body.indexOf(0, at) + 1; // the language, and the keyword in it
  return body[0] ? inflated(body.subarray(at)) : body.subarray(at);
}

/** How ImageMagick keeps EXIF in a PNG: as hexadecimal digits after three lines. @param {Uint8Array | null} raw */
function unhexed(raw) {
  if (!raw) return null;
  const digits = latin1(raw).split("\n").slice(3).join("").replace(/\s/g, "");
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

/** @param {Uint8Array} bytes */
async function inflated(bytes) {
  const stream = new Blob([/** @type {any} */ (bytes)]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Its chunks, of RIFF. @param {Uint8Array} bytes */
function ofWebp(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const parts = /** @type {any[]} */ ([]);
  let exif = null, xmp = null, size = 4;
  for (let at = 12; at + 8 <= bytes.length;) {
    const name = latin1(bytes.subarray(at, at + 4)), length = view.getUint32(at + 4, true), end = at + 8 + length + (length & 1);
    const chunk = bytes.slice(at, end), body = bytes.subarray(at + 8, at + 8 + length);
    if (name === "EXIF") exif = body;
    else if (name === "XMP ") xmp = body;
    else if (name !== "ICCP") {
      if (name === "VP8X") chunk[8] &= ~0x2c; // that there were a profile, EXIF and XMP
      parts.push(chunk);
      size += chunk.length;
    }
    at = end;
  }
  const head = bytes.slice(0, 12);
  new DataView(head.buffer).setUint32(4, size, true);
  return { parts: [head, ...parts], orientation: orientation(exif, xmp) };
}
