// What is done to a photo before the network sees it, by the name that model.json gives it (mirror/preparation.py).

import { cropGarment } from "./garment.js";

/**
 * @typedef {{photo: import("./decode.js").Photo, box: [number, number, number, number], found: boolean, made: Uint8Array | null}}
 *   Prepared as PreparedImage: what the network is shown; box: of the photo, in shares of its sides; made: the levels of a
 *   grey picture that was made for the network, null where it is shown the photo itself
 */

/** @type {Record<string, (photo: import("./decode.js").Photo) => Prepared>} */
const PREPARATIONS = { none: (photo) => ({ photo, box: [0, 0, 1, 1], found: true, made: null }), garment: cropGarment };

/** @param {import("./decode.js").Photo} photo @param {import("./preprocess.js").Preprocessing} how @returns {Prepared} */
export const prepare = (photo, how) => PREPARATIONS[how.prepare](photo);
