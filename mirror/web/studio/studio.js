// The board: moving, choosing and deciding, by mouse and by keys. gradio runs this once, with `element`, `trigger`, `watch`.
const all = (selector) => [...element.querySelectorAll(selector)];
const tiles = () => all(".tile");
const dialog = (name) => document.querySelector("#dialogs dialog." + name);
let place = 0; // of the tile that the keys act on

function focusOn(wanted) {
  const shown = tiles();
  if (!shown.length) return;
  place = Math.max(0, Math.min(wanted, shown.length - 1));
  shown.forEach((tile, i) => tile.setAttribute("tabindex", i === place ? "0" : "-1"));
  shown[place].focus();
}

function choose(tile, on) {
  tile.setAttribute("aria-selected", on ? "true" : "false");
  const number = all(".tile[aria-selected=true]").length;
  element.querySelector(".chosen").textContent = number ? number + " chosen" : "";
}

const isChosen = (tile) => tile.getAttribute("aria-selected") === "true";

const chosen = () => tiles().filter(isChosen);

// By keys the tile that has the focus is meant where none is chosen; a mouse means what it chose, and never the tile
// that the keys happen to be on
function decide(action, label = "", byKeys = false) {
  const meant = chosen().length || !byKeys ? chosen() : tiles().slice(place, place + 1);
  if (action === "undo" || meant.length)
    trigger("decide", { action, names: action === "undo" ? [] : meant.map((tile) => tile.dataset.name), label });
  else element.querySelector(".chosen").textContent = "Choose a photo first.";
}

function closer(tile) {
  const box = dialog("closer");
  const details = tile.querySelector(".details").cloneNode(true);
  details.hidden = false;
  box.querySelector(".details").replaceWith(details);
  box.showModal();
}

// How many tiles a row holds, for the arrows up and down
function columns() {
  const shown = tiles();
  const below = shown.findIndex((tile) => tile.getBoundingClientRect().top > shown[0].getBoundingClientRect().top + 4);
  return below < 1 ? shown.length : below;
}

element.addEventListener("click", (event) => {
  const tile = event.target.closest(".tile");
  const button = event.target.closest("button");
  if (tile) {
    const [from, to] = [place, tiles().indexOf(tile)];
    if (event.shiftKey) tiles().slice(Math.min(from, to), Math.max(from, to) + 1).forEach((one) => choose(one, true));
    else choose(tile, !isChosen(tile));
    focusOn(to);
  } else if (button?.dataset.go) trigger("go", JSON.parse(button.dataset.go));
  else if (button?.dataset.do) decide(button.dataset.do, button.dataset.label);
  else if (button && "help" in button.dataset) dialog("keys").showModal();
});

element.addEventListener("dblclick", (event) => {
  const tile = event.target.closest(".tile");
  if (tile) closer(tile);
});

element.addEventListener("keydown", (event) => {
  if (event.target.id !== "other-label") return;
  if (event.key === "Enter" && event.target.value.trim()) {
    decide("relabel", event.target.value.trim());
    if (chosen().length) event.target.value = "";
  }
  if (event.key === "Escape") focusOn(place);
});

const ACTIONS = { x: "remove", Delete: "remove", k: "keep", a: "accept", b: "back", e: "examples", u: "undo" };

function act(event) {
  const { key } = event;
  const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns(), ArrowUp: -columns(), Home: -1e9, End: 1e9 };
  const label = /^[1-9]$/.test(key) && all(".labels button")[key - 1];
  const offered = (action) => element.querySelector(`[data-do="${action}"]`);
  if (key in steps) {
    const from = place;
    focusOn(place + steps[key]);
    if (event.shiftKey) [from, place].forEach((i) => choose(tiles()[i], true));
  } else if (key === " ") choose(tiles()[place], !isChosen(tiles()[place]));
  else if (key === "*" || (key === "a" && (event.ctrlKey || event.metaKey))) tiles().forEach((tile) => choose(tile, true));
  else if (event.ctrlKey || event.metaKey || event.altKey) return false;
  else if (key === "Escape") tiles().forEach((tile) => choose(tile, false));
  else if (key === "Enter") closer(tiles()[place]);
  else if (key === "n") {
    if (!chosen().length) choose(tiles()[place], true);
    element.querySelector("#other-label").focus();
  } else if (label) decide("relabel", label.dataset.label, true);
  else if (key in ACTIONS && offered(ACTIONS[key])) decide(ACTIONS[key], "", true);
  else return false;
  return true;
}

document.addEventListener("keydown", (event) => {
  const elsewhere = event.target.closest("input, textarea, select, dialog");
  const pressing = event.target.closest("button, a, summary") && /^( |Enter|Arrow.*|Home|End)$/.test(event.key);
  if (elsewhere || pressing || document.querySelector("dialog[open]") || !element.querySelector(".board")?.offsetParent) return;
  const page = { "[": "[", "]": "]", PageUp: "[", PageDown: "]" }[event.key];
  if (page) element.querySelector(`button[data-step="${page}"]:not(:disabled)`)?.click();
  else if (event.key === "?") dialog("keys").showModal();
  else if (event.key === "u" && !event.ctrlKey && !event.metaKey) decide("undo");
  else if (!tiles().length || !act(event)) return;
  event.preventDefault();
});

element.dataset.keys = "heard"; // for whoever waits for it

// After a decision the board is drawn anew: the keys go on where they were
let tab = element.querySelector(".board")?.dataset.tab ?? "";
watch("value", () => {
  const board = element.querySelector(".board");
  if (board && board.dataset.tab !== tab) place = 0;
  else if (board && !document.activeElement?.closest("[role=tab], .filters, .pager")) focusOn(place);
  tab = board ? board.dataset.tab : "";
});
