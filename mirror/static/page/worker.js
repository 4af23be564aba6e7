// The mirror's own thread: files in, answers out, so that the page never waits.
//
// The page makes it of a blob: address, so that the page's Content-Security-Policy holds here too.

import { Classifier } from "./classifier.js";
import { decode, upright } from "./decode.js";
import { overlay, places } from "./heat.js";
import { start } from "./network.js";
import { LoadError, loaded, PhotoError } from "./photo_error.js";

/** @type {{base: string, runtime: string, cache: string}} */
let site; // addresses: of the page, and of the runtime's files
/** @type {Map<string, Promise<Classifier>>} */
const opened = new Map(); // by name
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
    const found = await classifier(model);
    if (asking === 1) await found.warmUp(); // unless there is a photo already
  },

  /** Looks at a file. @param {{model: import("./classifier.js").Model, file: Blob}} asked */
  async look({ model, file }) {
    const found = await classifier(model), photo = await decode(file, model.at_least);
    try {
      return shown(await found.look(photo));
    } finally {
      photo.close();
    }
  },

  /** Where in a file the evidence for its label lies. @param {{model: import("./classifier.js").Model, file: Blob}} asked */
  async why({ model, file }) {
    const found = await classifier(model), photo = await decode(file, model.at_least);
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
    const found = await classifier(model);
    try {
      return shown(await found.look(upright(frame, 1)));
    } finally {
      frame.close();
    }
  },
};

/** What the page needs of an answer. @param {import("./classifier.js").Answer} answer */
function shown({ prediction, prepared }) {
  return { prediction, found: prepared.found, made: prepared.made };
}

/** @param {import("./classifier.js").Model} model */
function classifier(model) {
  let found = opened.get(model.name);
  if (!found) {
    started ??= start(site.runtime, site.cache, progress);
    found = loaded(Classifier.load(model, site.base, site.cache, progress, started));
    opened.set(model.name, found);
    found.catch(() => { opened.delete(model.name); started = null; }); // to be tried again
  }
  return found;
}

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
