// Which project and step are looked at, in the address and the title: a reload comes back to them, and so do the
// browser's buttons for back and forward.
const stepIn = (address) => new URL(address).searchParams.get("step");
const follow = () => {
  const { project, step } = element.querySelector("#studio")?.dataset ?? {};
  if (!project) return;
  const address = new URL(location.href);
  if (!document.querySelector("#studio nav")) address.searchParams.delete("project");
  else address.searchParams.set("project", project);
  address.searchParams.set("step", step);
  const moved = stepIn(location) && stepIn(location) !== step;
  if (address.href !== location.href) history[moved ? "pushState" : "replaceState"](history.state, "", address);
  document.title = project + ": the studio";
};
watch("value", follow);
window.addEventListener("popstate", () => {
  const step = stepIn(location), tab = document.querySelector(`#steps [role="tab"][id="step-${step}-button"]`);
  if (step && step !== element.querySelector("#studio")?.dataset.step) tab?.click();
});
