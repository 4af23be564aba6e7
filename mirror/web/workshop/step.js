// A part of a step: its buttons and forms are heard, and it stays as it was where it is drawn anew. gradio runs this once,
// with `element`, `trigger`, `watch`.
const folded = {};
let pressed = "";

element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button || button.disabled) return;
  if ("add" in button.dataset) another(button.closest("form"));
  else if (button.dataset.press && !button.form) trigger("press", JSON.parse(button.dataset.press));
});
element.addEventListener("submit", (event) => {
  event.preventDefault();
  const [form, by] = [event.target.dataset.press ?? "{}", event.submitter?.dataset.press ?? "{}"];
  trigger("press", { ...JSON.parse(form), ...JSON.parse(by), fields: [...new FormData(event.target)] });
});
element.addEventListener("focusin", (event) => {
  pressed = event.target.closest("[data-press]")?.dataset.press ?? "";
});
element.addEventListener("toggle", (event) => {
  folded[event.target.querySelector("summary")?.textContent] = event.target.open;
}, true);

// One more row, empty, as the last one is
function another(form) {
  const row = [...form.querySelectorAll(".row")].at(-1), next = row.cloneNode(true);
  for (const field of next.querySelectorAll("input")) {
    field.value = "";
    field.removeAttribute("value");
    field.ariaLabel = field.ariaLabel.replace(/\d+/, (number) => +number + 1);
    if (field.name === "label") field.placeholder = "another";
  }
  row.after(next);
  next.querySelector("input").focus();
}

watch("value", () => {
  for (const details of element.querySelectorAll("details")) {
    const open = folded[details.querySelector("summary")?.textContent];
    if (open !== undefined) details.open = open;
  }
  if (pressed && document.activeElement === document.body)
    [...element.querySelectorAll("button[data-press]")].find((button) => button.dataset.press === pressed)?.focus();
});
