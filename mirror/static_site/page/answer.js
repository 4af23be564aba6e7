// What the mirror says, as the page shows it: the verdict, the probabilities as bars, and why.

const SHOWN_LABELS = 10; // bars
const SIDE = 28; // px of a picture that was made for the network

/** @typedef {import("./mirror.js").Look} Look */

/** No line ends between a number and its unit (mirror/wording.py). @param {string} text */
const unbroken = (text) => text.replace(/(?<=\d) (?=(?:%|px|[kMG]B|megapixels)(?!\w))/g, "\u00a0");

/** @param {string} tag @param {Record<string, any>} [properties] @param {(Node | string)[]} children */
export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  if (properties.textContent) made.textContent = unbroken(properties.textContent);
  made.append(...children);
  return made;
}

/** A share of 0..1 in per cent, never rounded up to certainty (mirror/wording.py). @param {number} share */
export function percent(share) {
  const shown = (100 * share).toFixed(0);
  if (share < 1 && Number(shown) >= 100) return "more than 99 %";
  if (share > 0 && Number(shown) <= 0) return "less than 1 %";
  return `${shown} %`;
}

/** A sentence with {names} filled in. @param {string} sentence @param {Record<string, string>} values */
const filled = (sentence, values) => sentence.replace(/\{(\w+)\}/g, (_, name) => values[name]);

/** The answer in one sentence, as mirror/answer_sentences.py has it. @param {any} model @param {Look} look */
export function verdict(model, { prediction, found }) {
  const { says } = model, index = model.labels.indexOf(prediction.label);
  if (!found) return says.unframed;
  if (!prediction.known) return says.stranger;
  const [sure, facts] = says.sure, [likely, guesses] = says.likely;
  if (prediction.probability >= sure) return facts[index];
  return (prediction.probability >= likely ? guesses : says.perhaps)[index];
}

/** @param {string} kind known, stranger, waiting or trouble @param {string} says @param {string} [sure] */
export function card(kind, says, sure = "") {
  const made = element("div", { className: `verdict ${kind}` }, element("p", { className: "says", textContent: says }));
  if (sure) made.append(element("p", { className: "sure", textContent: sure }));
  return made;
}

/** The verdict with what the network was shown, where that is not the photo. @param {any} model @param {Look} look */
export function answer(model, look) {
  const { prediction, found, made } = look;
  const sure = prediction.known ? filled(model.says.certain, { percent: percent(prediction.probability) }) : model.says.uncertain;
  const shown = /** @type {Node[]} */ ([card(prediction.known ? "known" : "stranger", verdict(model, look), sure)]);
  if (made) {
    const picture = element("canvas", { width: SIDE, height: SIDE, role: "img" });
    picture.setAttribute("aria-label", `The photo in ${SIDE} × ${SIDE} pixels, ${model.made.look}`);
    const rgba = new Uint8ClampedArray(SIDE * SIDE * 4).map((_, i) => (i % 4 === 3 ? 255 : made[i >> 2]));
    picture.getContext("2d").putImageData(new ImageData(rgba, SIDE, SIDE), 0, 0);
    const what = found ? model.made.shown : model.made.shown_whole;
    const caption = `What the model was shown: ${what}, in ${SIDE} × ${SIDE} pixels.`;
    shown.push(element("figure", { className: "shown" }, picture, element("figcaption", { textContent: caption })));
  }
  return shown;
}

/** A bar for each label, the most probable first; of a photo that is none of them grey, and folded up (bars.html). @param {any} model @param {import("./mirror.js").Prediction} prediction */
export function bars(model, prediction) {
  const ranked = /** @type {[string, number][]} */ (model.labels.map((/** @type {string} */ label, /** @type {number} */ i) => [model.shown[i], prediction.probabilities[label]]));
  ranked.sort((one, other) => other[1] - one[1]);
  const list = element("ol", { className: prediction.known ? "bars" : "bars grey", ariaLabel: "Probabilities" }, ...ranked.slice(0, model.most ?? SHOWN_LABELS).map(([label, share]) => {
    const bar = element("i", { ariaHidden: "true" });
    bar.style.width = `${100 * share}%`;
    return element("li", {}, element("span", { textContent: label, dir: "auto" }), element("span", { className: "share", textContent: percent(share) }), bar);
  }));
  if (prediction.known) return [list];
  return [element("details", { className: "nearest" }, element("summary", { textContent: filled(model.says.nearest, { label: ranked[0][0] }) }), list)];
}

/**
 * Where the mirror looked: a picture and its words.
 * @param {any} model @param {{picture: ImageBitmap, places: string[], cut: boolean, label: string, known: boolean}} why
 */
export function reason(model, { picture, places, cut, label, known }) {
  const { says } = model, it = model.spoken[model.labels.indexOf(label)];
  const where = places.map((place) => `the ${place}`).join(" and "), everywhere = places.includes("everywhere");
  let looked = says.looked_nowhere;
  if (places.length) looked = known ? says.looked : says.would;
  if (everywhere) looked = known ? says.looked_everywhere : says.would_everywhere;
  const alt = everywhere ? says.heat_alt_everywhere : places.length ? says.heat_alt : says.heat_alt_nowhere;
  const shown = element("canvas", { width: picture.width, height: picture.height, role: "img" });
  shown.setAttribute("aria-label", filled(alt, { where }));
  shown.getContext("2d").drawImage(picture, 0, 0);
  picture.close();
  const words = element("figcaption", {},
    element("p", { className: "looked", textContent: filled(looked, { it, where }) }),
    element("p", { textContent: filled(cut ? says.heat_cut : says.heat, { it }) }));
  return element("figure", {}, shown, words);
}
