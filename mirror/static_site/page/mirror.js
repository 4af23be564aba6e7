// The mirror for programs, and for the page: window.mirror.
//
//   await window.mirror.ready;
//   const { label, probability, probabilities, known, similarity } = await window.mirror.predict(blob);
//   await window.mirror.predict(blob, { tab: "things" }); // window.mirror.tabs: those that there are
//   const { detections } = await window.mirror.predict(blob, { tab: "faces" });

import { LoadError, loaded, PhotoError } from "./photo_error.js";

/**
 * @typedef {import("./classifier.js").Prediction} Prediction
 * @typedef {{prediction: Prediction, found: boolean, made: Uint8Array | null}} Look
 * @typedef {{build: string, runtime: string, runtime_bytes: number, models: any[],
 *   tabs: {name: string, page: string}[]}} Site as site_files.py writes it
 */

/** What a file that could not be loaded is called, for who has shown a photo. */
export const NOT_LOADED = "The mirror could not be loaded: check the network, and reload the page.";

/** What is said where all was loaded, and the network cannot run. */
export const NOT_WORKING = "The mirror was loaded and does not work in this browser: try another browser, or one that is up to date.";

/** What is said where an answer fails for a reason that nobody foresaw. */
export const NOT_ANSWERED = "The mirror failed on this photo, for a reason of its own: try another one, or reload the page.";

/** An error as one sentence for who has shown a photo. @param {unknown} error */
export function inWords(error) {
  if (error instanceof PhotoError) return error.message;
  return error instanceof LoadError ? NOT_LOADED : NOT_ANSWERED;
}

/** The worker, and the models by name. */
export class Mirror {
  /** @param {Site} site @param {(share: number) => void} progress told how much of what the first answer needs is there */
  constructor(site, progress = () => {}) {
    this.site = site;
    this.cache = `mirror:${new URL(".", document.baseURI).pathname}#${site.build}`;
    const asked = new URLSearchParams(location.search).get("model");
    this.own = site.models.find((one) => one.name === asked) ?? site.models[0]; // the model that is chosen
    this.model = this.own; // what is asked: that, or a further tab's
    /** @type {Map<string, Promise<any>>} */
    this.pages = new Map(); // what is known of further tabs, by their names
    /** @type {Map<number, {resolve: (answer: any) => void, reject: (error: Error) => void}>} */
    this.asked = new Map();
    this.number = 0;
    this.loaded = 0; // bytes, of those that the next answer needs
    this.needed = site.runtime_bytes + this.model.loads;
    const source = `import ${JSON.stringify(new URL("worker.js", import.meta.url).href)}`;
    // Of a blob: address, so that it is under this page's Content-Security-Policy, which one of a file would not be
    this.worker = new Worker(URL.createObjectURL(new Blob([source], { type: "text/javascript" })), { type: "module" });
    this.worker.onmessage = ({ data }) => {
      if ("loaded" in data) return progress(Math.min(1, (this.loaded += data.loaded) / this.needed));
      const asked = this.asked.get(data.id);
      this.asked.delete(data.id);
      if ("answer" in data) asked?.resolve(data.answer);
      else if (data.problem) asked?.reject(new PhotoError(data.problem));
      else asked?.reject(data.unloaded ? new LoadError(data.detail) : new Error(data.detail));
    };
    this.worker.onerror = () => {
      for (const { reject } of this.asked.values()) reject(new LoadError(NOT_LOADED));
      this.asked.clear();
    };
    const base = new URL(".", document.baseURI);
    this.ask("begin", { base: base.href, runtime: new URL(site.runtime, base).href, cache: this.cache });
    this.ready = this.open();
  }

  /**
   * Asks the worker. @param {string} what one of worker.js's ANSWERS
   * @param {Record<string, any>} asked @param {Transferable[]} [handed] over to the worker
   * @returns {Promise<any>}
   */
  ask(what, asked, handed = []) {
    return new Promise((resolve, reject) => {
      const id = this.number++;
      this.asked.set(id, { resolve, reject });
      this.worker.postMessage({ id, ask: what, ...asked }, handed);
    });
  }

  /** @param {any} model that is asked from now on */
  choose(model) {
    this.model = model;
    [this.loaded, this.needed] = [0, model.loads];
    this.ready = this.open();
  }

  /** What is known of the model of a further tab. @param {string} name @returns {Promise<any>} */
  page(name) {
    const tab = this.site.tabs.find((one) => one.name === name);
    if (!tab) return Promise.reject(new PhotoError(`This page has no tab ${name}: see window.mirror.tabs.`));
    let page = this.pages.get(name);
    if (!page) {
      page = loaded(fetch(tab.page).then((answer) => (answer.ok ? answer.json() : Promise.reject(new Error(tab.page)))));
      this.pages.set(name, page);
      page.catch(() => this.pages.delete(name)); // to be tried again
    }
    return page;
  }

  /** Opens the model that is chosen. */
  open() {
    return this.ask("open", { model: this.model });
  }

  /** @param {Blob} file @returns {Promise<Look>} */
  look(file) {
    return this.ask("look", { model: this.model, file });
  }

  /** @param {ImageBitmap} frame of the camera @returns {Promise<Look>} */
  glance(frame) {
    return this.ask("glance", { model: this.model, frame }, [frame]);
  }

  /** Where in a photo the evidence for its label lies. @param {Blob} file @returns {Promise<any>} */
  why(file) {
    return this.ask("why", { model: this.model, file });
  }

  /**
   * @param {Blob} file an encoded image
   * @param {{tab?: string}} [options] tab: a further one, that answers instead of the model that is chosen
   * @returns {Promise<any>} a Prediction, of faces their detections. Rejects with one sentence where it cannot be opened.
   */
  async predict(file, { tab } = {}) {
    const model = tab === undefined ? this.own : await this.page(tab), found = await this.ask("look", { model, file });
    return found.prediction ?? { detections: found.faces };
  }
}
