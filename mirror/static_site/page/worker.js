// The mirror's own thread: files in, answers out, so that the page never waits.
//
// The page makes it of a blob: address, so that the page's Content-Security-Policy holds here too.

import { Classifier } from "./classifier.js";
import { decode, upright } from "./decode.js";
import { overlay, places } from "./heat.js";
import { start } from "./onnx_session.js";
import { LoadError, loaded, PhotoError } from "./photo_error.js";

/** @type {{base: string, runtime: string, cache: string}} */
let site; // addresses: of the page, and of the runtime's files
/** @type {Map<string, Promise<any>>} */
const opened = new Map(); // a Classifier or a FaceDetector, by its network's address
/** @type {Promise<void> | null} */
let started = null;
let asking = 0; // questions that are not answered yet

/** @param {number} loaded */
const progress = (loaded) => postMessage({ loaded });

/** What the page may ask for. @type {Record<string, (asked: any) => Promise<any>>} */
const ANSWERS = {
  async begin(asked) { site = asked; },

  /** Opens a model. @param {{model: import("./classifier.js").Model}} asked */
  async open({ model }) {
    const found = await eye(model);
    if (asking === 1) await found.warmUp(); // unless there is a photo already
  },

  /** Looks at a file. @param {{model: import("./classifier.js").Model, file: Blob}} asked */
  async look({ model, file }) {
    const found = await eye(model), photo = await decode(file, model.at_least);
    try {
      return shown(await found.look(photo));
    } finally {
      photo.close();
    }
  },

  /** Where in a file the evidence for its label lies. @param {{model: import("./classifier.js").Model, file: Blob}} asked */
  async why({ model, file }) {
    const found = await eye(model), photo = await decode(file, model.at_least);
    try {
      const { prediction, heat } = await found.why(photo);
      const picture = await createImageBitmap(overlay(photo, heat));
      const cut = heat.box[0] > 0 || heat.box[1] > 0;
      return { picture, places: places(heat), cut, label: prediction.label, known: prediction.known };
    } finally {
      photo.close();
    }
  },

  /** Looks at a frame of the camera. @param {{model: import("./classifier.js").Model, frame: ImageBitmap}} asked */
  async glance({ model, frame }) {
    const found = await eye(model);
    try {
      return shown(await found.glance(upright(frame, 1)));
    } finally {
      frame.close();
    }
  },
};

/** What the page needs of an answer. @param {import("./classifier.js").Answer | import("./faces.js").Faces} answer */
function shown(answer) {
  return "faces" in answer ? answer : { prediction: answer.prediction, found: answer.prepared.found, made: answer.prepared.made };
}

/** What answers for a model. @param {any} model */
function eye(model) {
  let found = opened.get(model.network);
  if (!found) {
    const running = (started ??= start(site.runtime, site.cache, progress));
    found = loaded(kind(model).then((eyes) => eyes.load(model, site.base, site.cache, progress, running)));
    opened.set(model.network, found);
    found.catch(() => { opened.delete(model.network); started = null; }); // to be tried again
  }
  return found;
}

/** The class of what answers for a model; a site without faces has no faces.js. @param {any} model @returns {Promise<any>} */
const kind = async (model) => (model.kind === "faces" ? (await import("./faces.js")).FaceDetector : Classifier);

addEventListener("message", async ({ data: { id, ask, ...asked } }) => {
  asking += 1;
  try {
    postMessage({ id, answer: await ANSWERS[ask](asked) });
  } catch (error) {
    const known = error instanceof PhotoError;
    if (!known) console.error(error);
    postMessage({ id, problem: known ? error.message : "", unloaded: error instanceof LoadError, detail: String(error) });
  } finally {
    asking -= 1;
  }
});
