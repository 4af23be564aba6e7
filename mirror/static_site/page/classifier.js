// A model: a photo → probabilities, and whether it looks known, as mirror/inference/classifier.py answers.

import { inside, normalized, visible } from "./heat.js";
import { load, open, sigmoid, softmax, tensor } from "./onnx_session.js";
import { loaded, PhotoError } from "./photo_error.js";
import { preprocess } from "./preprocess.js";
import { prepare } from "./preparation.js";

/**
 * @typedef {{name: string, labels: string[], preprocessing: import("./preprocess.js").Preprocessing, temperature: number,
 *   threshold: number | null, similarity: boolean, at_least: number | null, network: string, heat: string | null,
 *   input: string, several?: boolean}} Model what the network of a model needs, several: each label is judged
 *   by itself; the rest of page.json is for the page
 * @typedef {{label: string, probability: number, probabilities: Record<string, number>, known: boolean,
 *   similarity: number | null}} Prediction
 * @typedef {{prediction: Prediction, prepared: import("./preparation.js").Prepared, maps: any}} Answer
 */

const DAMAGED = "The model gives no numbers for this photo, for its network is damaged: it has to be published again.";

export class Classifier {
  /** @param {Model} model @param {import("./onnx_session.js").Session} session @param {string} base @param {string} cache */
  constructor(model, session, base, cache) {
    this.model = model;
    this.session = session;
    /** @type {() => Promise<import("./onnx_session.js").Session>} the network of heat.onnx, opened when first used */
    this.heat = once(() => loaded(load(new URL(/** @type {string} */ (model.heat), base).href, cache).then(open)));
  }

  /**
   * @param {Model} model @param {string} base what its files' names are relative to @param {string} cache
   * @param {import("./onnx_session.js").Progress} progress @param {Promise<void>} started that the runtime is
   */
  static async load(model, base, cache, progress, started) {
    const bytes = await load(new URL(model.network, base).href, cache, progress);
    await started;
    return new Classifier(model, await open(bytes), base, cache);
  }

  /** Runs the network once, so that the first photo does not wait for its buffers. */
  async warmUp() {
    const [height, width] = inputSize(this.model.preprocessing);
    await this.forward(new Float32Array(3 * height * width));
  }

  /** @param {import("./decode.js").Photo} photo @returns {Promise<Answer>} */
  async look(photo) {
    const prepared = prepare(photo, this.model.preprocessing);
    const { prediction, maps } = await this.forward(preprocess(prepared.photo, this.model.preprocessing));
    requireFinite([...Object.values(prediction.probabilities), prediction.similarity ?? 0]);
    return { prediction: prepared.found ? prediction : { ...prediction, known: false }, prepared, maps };
  }

  /** A frame of the camera. @param {import("./decode.js").Photo} photo */
  glance(photo) {
    return this.look(photo);
  }

  /** Where in a photo the evidence for its most probable label lies. @param {import("./decode.js").Photo} photo */
  async why(photo) {
    const { prediction, prepared, maps } = await this.look(photo), { model } = this;
    const { heat } = await (await this.heat()).run({ maps }, ["heat"]);
    const [, , height, width] = heat.dims, cells = height * width, index = model.labels.indexOf(prediction.label);
    requireFinite(heat.data);
    const values = normalized(heat.data.slice(index * cells, (index + 1) * cells));
    const box = inside(prepared.box, visible(model.preprocessing, prepared.photo.width, prepared.photo.height));
    return { prediction, heat: { values, width, height, box } };
  }

  /** @param {Float32Array} pixels [3, height, width] */
  async forward(pixels) {
    const { model } = this, [height, width] = inputSize(model.preprocessing);
    const names = ["logits", ...(model.similarity ? ["similarity"] : []), ...(model.heat ? ["maps"] : [])];
    const outputs = await this.session.run({ [model.input]: tensor(pixels, [1, 3, height, width]) }, names);
    const shares = model.several ? sigmoid(outputs.logits.data) : softmax(outputs.logits.data, model.temperature);
    const similarity = model.similarity ? outputs.similarity.data[0] : null;
    const best = shares.reduce((most, share, i) => (share > shares[most] ? i : most), 0);
    /** @type {Prediction} */
    const prediction = {
      label: model.labels[best],
      probability: shares[best],
      probabilities: Object.fromEntries(model.labels.map((label, i) => [label, shares[i]])),
      known: similarity === null || model.threshold === null || similarity >= model.threshold,
      similarity,
    };
    return { prediction, maps: outputs.maps };
  }
}

/** Throws where a network gave what is no number, as mirror/inference/classifier.py does. @param {ArrayLike<number>} given */
export function requireFinite(given) {
  if (!Array.from(given).every(Number.isFinite)) throw new PhotoError(DAMAGED);
}

/** (height, width) of what the network sees. @param {import("./preprocess.js").Preprocessing} how */
function inputSize(how) {
  return how.batch_resizes.at(-1)?.size ?? how.crop ?? how.size;
}

/** @template T @param {() => Promise<T>} make @returns {() => Promise<T>} */
function once(make) {
  /** @type {Promise<T> | null} */
  let made = null;
  return () => (made ??= make().catch((error) => { made = null; throw error; }));
}
