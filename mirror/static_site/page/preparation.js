// What is done to a photo before the network sees it, by the name that model.json gives it (mirror/preparation.py).

import { cropGarment } from "./garment.js";

/**
 * @typedef {{photo: import("./decode.js").Photo, box: [number, number, number, number], found: boolean, made: Uint8Array | null}}
 *   Prepared as PreparedImage: what the network is shown; box: of the photo, in shares of its sides; made: the levels of a
 *   grey picture that was made for the network, null where it is shown the photo itself
 */

/** The photo itself. @param {import("./decode.js").Photo} photo @returns {Prepared} */
const whole = (photo) => ({ photo, box: [0, 0, 1, 1], found: true, made: null });

/** As Pillow's convert("L"), in each of the three channels. @param {import("./decode.js").Photo} photo @returns {Prepared} */
function grey(photo) {
  function* bands() {
    for (const { rgba, top, bottom } of photo.bands()) {
      const found = new Uint8ClampedArray(rgba.length);
      for (let i = 0; i < rgba.length; i += 4) {
        found.fill((19595 * rgba[i] + 38470 * rgba[i + 1] + 7471 * rgba[i + 2] + 0x8000) >> 16, i, i + 3);
      }
      yield { rgba: found, top, bottom };
    }
  }
  return whole({ ...photo, bands });
}

/** @type {Record<string, (photo: import("./decode.js").Photo) => Prepared>} */
const PREPARATIONS = { none: whole, greyscale: grey, garment: cropGarment };

/** @param {import("./decode.js").Photo} photo @param {import("./preprocess.js").Preprocessing} how @returns {Prepared} */
export const prepare = (photo, how) => PREPARATIONS[how.prepare](photo);
