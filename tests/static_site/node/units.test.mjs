// Parts of the page that need no browser, against numbers of Pillow and Python: `node --test tests/static_site/node/`.
// tests/static_site/test_node.py writes what is expected, and runs it.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { percent } from "../../../mirror/static_site/page/answer.js";
import { kindOf, opened } from "../../../mirror/static_site/page/containers.js";
import { draftScale } from "../../../mirror/static_site/page/decode.js";
import { sharpened } from "../../../mirror/static_site/page/garment.js";
import { decodeReduced } from "../../../mirror/static_site/page/jpeg.js";
import { sigmoid, softmax } from "../../../mirror/static_site/page/onnx_session.js";
import { orientation } from "../../../mirror/static_site/page/orientation.js";
import { decodeGrey16 } from "../../../mirror/static_site/page/png16.js";
import { prepare } from "../../../mirror/static_site/page/preparation.js";
import { preprocess } from "../../../mirror/static_site/page/preprocess.js";
import { resized, resizedInTwo } from "../../../mirror/static_site/page/resample.js";

const expected = JSON.parse(readFileSync(process.env.EXPECTED, "utf8"));
const bytes = (coded) => new Uint8Array(Buffer.from(coded, "base64"));

/** An RGB photo [height, width, 3], in bands of a few rows. */
function photo({ width, height, rgb }) {
  const levels = bytes(rgb), rgba = new Uint8Array(4 * width * height);
  for (let i = 0; i < rgba.length; i++) rgba[i] = i % 4 < 3 ? levels[3 * (i >> 2) + (i % 4)] : 255;
  function* bands() {
    for (let top = 0; top < height; top += 8) {
      const bottom = Math.min(top + 8, height);
      yield { rgba: rgba.subarray(4 * width * top, 4 * width * bottom), top, bottom };
    }
  }
  return { width, height, bands };
}

for (const one of expected.resized) {
  test(`resized by ${one.filter} to ${one.to}, as Pillow does it`, () => {
    assert.deepEqual(resized(photo(one.photo), ...one.to, one.filter), bytes(one.levels));
  });
}

for (const one of expected.resized_in_two) {
  test(`resized in two steps from ${one.photo.width} × ${one.photo.height} to ${one.to}, as Pillow does it`, () => {
    assert.deepEqual(resizedInTwo(photo(one.photo), ...one.to, "bilinear", 2), bytes(one.levels));
  });
}

for (const one of expected.preprocessed) {
  test(`prepared for the network: ${one.name}`, () => {
    const shown = prepare(photo(one.photo), one.how).photo;
    const found = preprocess(shown, one.how), wanted = new Float32Array(bytes(one.pixels).buffer);
    assert.equal(found.length, wanted.length);
    const most = found.reduce((most, value, i) => Math.max(most, Math.abs(value - wanted[i])), 0);
    assert.ok(most <= one.within, `${most} apart`);
  });
}

for (const one of expected.jpegs) {
  test(`a JPEG at 1/${one.scale}, as libjpeg does it: ${one.name}`, () => {
    const found = decodeReduced(bytes(one.file), one.scale);
    if (one.rgb === null) return assert.equal(found, null);
    assert.deepEqual(found.rgba.filter((_, i) => i % 4 < 3), bytes(one.rgb));
  });
}

test("which way up, as Python reads it", async () => {
  for (const one of expected.orientations) {
    assert.equal(orientation(one.exif && bytes(one.exif), one.xmp && bytes(one.xmp)), one.orientation, one.name);
  }
  for (const one of expected.files) assert.equal((await opened(bytes(one.file))).orientation, one.orientation, one.name);
});

test("the rest", async () => {
  assert.deepEqual(sharpened(bytes(expected.sharpened.levels), ...expected.sharpened.size), bytes(expected.sharpened.found));
  for (const { file, levels } of expected.grey16) {
    const grey = await decodeGrey16(bytes(file));
    assert.deepEqual(grey.rgba.filter((_, i) => i % 4 === 0), bytes(levels));
  }
  for (const { logits, temperature, probabilities } of expected.softmax) {
    softmax(logits, temperature).forEach((share, i) => assert.ok(Math.abs(share - probabilities[i]) < 1e-12));
  }
  for (const { logits, probabilities } of expected.sigmoid) {
    sigmoid(logits).forEach((share, i) => assert.ok(Math.abs(share - probabilities[i]) < 1e-12));
  }
  const clip = { resize: "shortest", size: [224, 224], crop: [224, 224] };
  assert.throws(() => preprocess({ width: 3, height: 90000, bands: () => [] }, clip), /3 x 90000 pixels is too narrow/);
  for (const [share, text] of expected.percents) assert.equal(percent(share), text);
  for (const [width, height, least, scale] of expected.drafts) assert.equal(draftScale(width, height, least), scale);
  assert.equal(kindOf(new Uint8Array()), "");
});
