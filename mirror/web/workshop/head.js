// Which project and step are looked at, in the address and the title: a reload comes back to them.
const follow = () => {
  const { project, step } = element.querySelector("#studio")?.dataset ?? {};
  if (!project) return;
  const address = new URL(location.href);
  if (!document.querySelector("#studio nav")) address.searchParams.delete("project");
  else address.searchParams.set("project", project);
  address.searchParams.set("step", step);
  if (address.href !== location.href) history.replaceState(history.state, "", address);
  document.title = project + ": the studio";
};
watch("value", follow);
