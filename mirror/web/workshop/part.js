// A part of a step: its buttons are heard, and it stays as it was where it is drawn anew. gradio runs this once, with
// `element`, `trigger`, `watch`.
const folded = {};
let pressed = "";

element.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-press]");
  if (button && !button.disabled) trigger("press", JSON.parse(button.dataset.press));
});
element.addEventListener("focusin", (event) => {
  pressed = event.target.closest("[data-press]")?.dataset.press ?? "";
});
element.addEventListener("toggle", (event) => {
  folded[event.target.querySelector("summary")?.textContent] = event.target.open;
}, true);

watch("value", () => {
  for (const details of element.querySelectorAll("details")) {
    const open = folded[details.querySelector("summary")?.textContent];
    if (open !== undefined) details.open = open;
  }
  if (pressed && document.activeElement === document.body)
    [...element.querySelectorAll("[data-press]")].find((button) => button.dataset.press === pressed)?.focus();
});
