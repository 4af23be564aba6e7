// The page: what is shown, and what happens when it is touched. It begins here.

import { answer, bars, card, element, reason } from "./answer.js";
import { drawBoxes, faceCount, withBoxes } from "./boxes.js";
import { Camera } from "./camera.js";
import { inWords, Mirror, NOT_LOADED, NOT_WORKING } from "./mirror.js";
import { LoadError } from "./photo_error.js";
import { pasted, takePhotos } from "./photo_input.js";
import { answerPicture, save } from "./share.js";

/** @param {string} id @returns {any} */
const find = (id) => document.getElementById(id);
const site = JSON.parse(find("site").textContent);
const loading = find("loading");
const mirror = new Mirror(site, (share) => { loading.value = share; });
/** @type {any} */ (window).mirror = {
  ready: mirror.ready,
  tabs: site.tabs.map((/** @type {any} */ tab) => tab.name),
  predict: (/** @type {Blob} */ file, /** @type {{tab?: string}} */ options) => mirror.predict(file, options),
};

const WAITING = find("answer").firstElementChild.cloneNode(true);
/** @type {Blob | null} */
let photo = null; // what is being looked at
const EDGE = 6; // px around what is brought into sight
const picker = find("model");
let turn = 0; // of what was asked last: an answer to something earlier is not shown any more

// ---- the answer ----------------------------------------------------------------------------------------------------

/** @param {Node[]} nodes @param {Element[]} [shown] bars */
function say(nodes, shown = []) {
  const folded = camera.running && shown[0]?.matches("details") && find("probabilities").querySelector("details");
  find("answer").replaceChildren(...nodes);
  // From frame to frame it is one element: else a finger that comes down on it finds another
  if (folded) [...folded.children].forEach((part, i) => part.replaceChildren(...shown[0].children[i].childNodes));
  else find("probabilities").replaceChildren(...shown);
  find("probabilities").hidden = shown.length === 0;
  find("more").hidden = shown.length === 0 || camera.running;
  find("why-button").hidden = !mirror.model.heat;
  find("why-button").textContent = mirror.model.says.why;
  find("why").replaceChildren();
  find("boxes")?.replaceChildren();
}

/** Says what was found. @param {any} model @param {any} found */
function tell(model, found) {
  if (!found.faces) return say(answer(model, found), bars(model, found.prediction));
  say([card("known", faceCount(model, found))]);
  drawBoxes(find("boxes"), found);
  find("boxes").classList.toggle("mirrored", camera.running && find("video").classList.contains("mirrored"));
  find("more").hidden = camera.running;
}

/** Brings the answer into sight, with the photo where both have room. The keyboard's focus stays where it is. */
function reveal() {
  const photo = find("photo").getBoundingClientRect(), said = find("answer").firstElementChild.getBoundingClientRect();
  const room = innerHeight - 2 * EDGE, both = Math.max(photo.bottom, said.bottom) - photo.top <= room;
  const top = both ? Math.min(photo.top, said.top) : said.top;
  if (top < EDGE || said.bottom > innerHeight - EDGE) scrollBy(0, top - EDGE);
}

/** @param {unknown} error */
function trouble(error) {
  say([card("trouble", typeof error === "string" ? error : inWords(error))]);
}

/** @param {Blob} file */
async function look(file) {
  if (camera.running) camera.stop();
  photo = file;
  show(file);
  await ask();
}

/** Asks the model that is chosen of the photo that is shown. */
async function ask() {
  const mine = ++turn;
  if (!photo) return say([WAITING.cloneNode(true)]);
  const late = setTimeout(() => { // on a slow line, the mirror itself may still be on its way
    if (mine === turn) say([card("waiting", "Let me look …", loading.hidden ? "" : "I am still being loaded; the next photo will take no time.")]);
  }, 300);
  try {
    const found = await mirror.look(photo);
    if (mine !== turn) return;
    tell(mirror.model, found);
    reveal();
  } catch (error) {
    if (mine === turn) trouble(error);
    if (mine === turn) reveal();
  } finally {
    clearTimeout(late);
  }
}

find("why-button").addEventListener("click", async () => {
  if (find("why").childElementCount) {
    find("why").replaceChildren();
    find("why-button").textContent = mirror.model.says.why;
    return;
  }
  const mine = turn;
  try {
    const why = await mirror.why(/** @type {Blob} */ (photo));
    if (mine !== turn) return;
    find("why").replaceChildren(reason(mirror.model, why));
    find("why-button").textContent = mirror.model.says.enough;
  } catch (error) {
    if (mine === turn) find("why").replaceChildren(element("p", { className: "problem", textContent: inWords(error) }));
  }
});

find("save").addEventListener("click", async () => {
  const heat = find("why").querySelector("canvas"), says = find("answer").querySelector(".says").textContent;
  const sure = find("answer").querySelector(".sure")?.textContent ?? "";
  const picture = find("boxes")?.childElementCount ? withBoxes(find("shown"), find("boxes")) : find("shown");
  const made = answerPicture(document.title, says, sure, [picture, ...(heat ? [heat] : [])]);
  await save(made, `${mirror.model.name}-answer.png`);
});

// ---- the photo -----------------------------------------------------------------------------------------------------

/** @param {Blob | null} file */
function show(file) {
  const picture = find("shown");
  if (picture.src) URL.revokeObjectURL(picture.src);
  picture.removeAttribute("src");
  picture.hidden = true;
  find("remove").hidden = file === null;
  find("drop").hidden = file !== null;
  if (!file) return;
  picture.onload = () => { picture.hidden = false; }; // what the browser cannot open is not shown broken
  picture.src = URL.createObjectURL(file);
}

/** Takes the photo away. */
function clear() {
  photo = null;
  show(null);
  ask();
}

const given = { photo: look, trouble: (/** @type {string} */ sentence) => { turn++; trouble(sentence); } };
takePhotos(find("file"), given);
find("paste").addEventListener("click", () => pasted(given));
find("remove").addEventListener("click", () => {
  if (camera.running) camera.stop();
  clear();
  find("file").focus();
});

// ---- the camera ----------------------------------------------------------------------------------------------------

const camera = new Camera(find("video"), {
  async look(frame) {
    const { model } = mirror, found = await mirror.glance(frame);
    if (!camera.running || model !== mirror.model) return;
    const first = find("answer").querySelector(".waiting");
    tell(model, found);
    if (first) reveal();
  },
  stopped(sentence, kind) {
    cameraShown(false);
    find("boxes")?.replaceChildren();
    if (!photo) say([card(kind, sentence)]);
  },
  rate(text) { find("rate").textContent = text; },
});

/** @param {boolean} on */
function cameraShown(on) {
  find("video").hidden = !on;
  find("drop").hidden = on || photo !== null;
  find("take").hidden = find("turn").hidden = !on;
  find("remove").hidden = !on && photo === null;
  find("remove").title = on ? "Stop the camera" : "Remove the photo";
  find("remove").setAttribute("aria-label", find("remove").title);
  document.body.classList.toggle("live", on);
  find("paste").hidden = on;
  find("camera").textContent = on ? "Stop" : "Camera";
  find("answer").setAttribute("aria-live", on ? "off" : "polite"); // eight answers a second are not to be read out
}

find("camera").addEventListener("click", () => {
  if (camera.running) return camera.stop();
  turn++;
  photo = null;
  show(null);
  cameraShown(true);
  say([card("waiting", "Let me look …")]);
  camera.start();
});
find("turn").addEventListener("click", () => camera.turn());
find("take").addEventListener("click", async () => look(await camera.picture()));

// ---- examples, models, the note ------------------------------------------------------------------------------------

function showModel() {
  const { model } = mirror, [call, rest] = find("question").querySelectorAll("span");
  [call.textContent, rest.textContent] = model.question;
  find("question").querySelector("p").textContent = model.promise;
  if (picker) find("picker").hidden = model !== mirror.own;
  document.title = model.question.join(" ").trim();
  find("examples-box").hidden = model.examples.length === 0;
  find("examples").replaceChildren(...model.examples.map((/** @type {any} */ example) => {
    const tile = element("button", { type: "button", className: "example" },
      element("img", { src: example.icon, alt: "", width: 96, height: 96 }), element("span", { textContent: example.name }));
    tile.lastElementChild?.setAttribute("dir", "auto");
    tile.addEventListener("click", async () => {
      const mine = ++turn;
      try {
        const picture = await (await fetch(example.picture)).blob();
        if (mine === turn) look(picture);
      } catch {
        if (mine === turn) trouble(NOT_LOADED);
      }
    });
    return tile;
  }));
  find("about-panel").replaceChildren();
  if (!find("about-panel").hidden) showNote();
}

/** The note on the model, as the builder has written it. */
async function showNote() {
  const { model } = mirror, panel = find("about-panel");
  if (panel.childElementCount) return;
  try {
    const note = await (await fetch(model.note)).text();
    if (model === mirror.model) panel.innerHTML = note; // of this very site
  } catch {
    panel.replaceChildren(element("p", { className: "problem", textContent: NOT_LOADED }));
  }
}

/** Asks another model of the photo that is shown, or of what the camera sees. @param {any} model */
function choose(model) {
  if (model === mirror.model) return;
  mirror.choose(model);
  loadingShown(mirror.ready);
  showModel();
  if (!camera.running) return ask();
  say([card("waiting", "Let me look …")]);
}

const names = ["mirror", .../** @type {any} */ (window).mirror.tabs, "about"];
const tabs = names.map((name) => find(`${name}-tab`));
let chosen = 0; // of `names`

/** @param {number} index @param {boolean} [focus] */
async function open(index, focus = false) {
  const about = names[index] === "about", before = chosen;
  chosen = index;
  tabs.forEach((tab, i) => {
    tab.setAttribute("aria-selected", String(i === index));
    tab.tabIndex = i === index ? 0 : -1;
  });
  find("mirror-panel").hidden = about;
  find("about-panel").hidden = !about;
  address(names[index]);
  if (focus) tabs[index].focus();
  tabs[index].scrollIntoView({ block: "nearest", inline: "nearest" });
  if (about) {
    if (camera.running) camera.stop();
    return showNote();
  }
  find("mirror-panel").setAttribute("aria-labelledby", tabs[index].id);
  if (index === 0) return choose(mirror.own);
  try {
    const page = await mirror.page(names[index]);
    if (chosen === index) choose(page);
  } catch (error) {
    if (chosen !== index) return;
    await open(before, focus);
    trouble(error);
  }
}
tabs.forEach((tab, index) => {
  tab.addEventListener("click", () => open(index));
  tab.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (step) open((index + step + tabs.length) % tabs.length, true);
  });
});

/** `?tab=` of the address, by which a link opens a tab. @param {string} name */
function address(name) {
  const here = new URL(location.href);
  here.searchParams.delete("tab");
  if (name !== names[0]) here.searchParams.set("tab", name);
  if (location.origin !== "null") history.replaceState(null, "", here); // in a closed frame there is no address to change
}

/** The bar while the mirror is being loaded, and what is said where that fails. @param {Promise<any>} ready */
function loadingShown(ready) {
  loading.hidden = false;
  ready.catch((error) => { console.error(error); trouble(error instanceof LoadError ? NOT_LOADED : NOT_WORKING); }).finally(() => { if (ready === mirror.ready) loading.hidden = true; });
}

if (picker) {
  picker.value = mirror.own.name;
  picker.addEventListener("change", () => {
    mirror.own = site.models.find((/** @type {any} */ one) => one.name === picker.value);
    choose(mirror.own);
    /** @type {any} */ (window).mirror.ready = mirror.ready;
  });
}
showModel();
loadingShown(mirror.ready);
const asked = new URL(location.href).searchParams, linked = names.indexOf(asked.get("tab") ?? "");
if (linked > 0) open(linked);
const known = { tab: names, model: site.models.map((/** @type {any} */ one) => one.name) };
for (const [kind, there] of Object.entries(known)) {
  const named = asked.get(kind);
  if (named && !there.includes(named)) trouble(`There is no ${kind} named “${named.slice(0, 40)}” here.`);
}

// Only now, so that nothing comes over the line twice: it keeps what is there already
mirror.ready.then(() => navigator.serviceWorker?.register("service-worker.js")).catch(() => {}); // as in some frames
