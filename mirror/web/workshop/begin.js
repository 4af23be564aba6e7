// “Begin”, after photos.js: photos of one's own go to a label, one when the last is answered; the camera takes them while a
// button is held.
const FRAME_MS = 250, SIDE = 640, QUALITY = 0.92, WAIT_MS = 60000; // four frames a second; px of a frame's long side
const NAMED = 3; // files that are left aside
const label = () => find("#own-label").value.trim();
const waiting = []; // { label, name, photo: a function that reads it }
let sending = false, taking = null;

const say = (words) => { find(".failure").textContent = words; };

function named() {
  if (label()) return true;
  say("Say first what they show.");
  find("#own-label").focus();
  return false;
}

async function send() {
  if (sending) return;
  sending = true;
  for (let next = waiting.shift(); next; next = waiting.shift()) {
    const photo = await next.photo(), told = answered("#begin-counts", WAIT_MS);
    if (photo) { trigger("photo", { label: next.label, name: next.name, photo }); await told; }
    left();
  }
  sending = false;
}

function left() {
  find(".gather").dataset.waiting = waiting.length;
  find(".queue").textContent = waiting.length ? `${waiting.length} more to read …` : "";
}

// A folder's name says what its photos show
onFiles((files) => {
  const [photos, others] = sorted(files);
  if (photos.some(({ folder }) => !folder) && !named()) return;
  const some = others.length > NAMED ? `${others.length} files` : others.join(", ");
  say(others.length ? `Left aside, as no photos: ${some}. A folder can be dropped as it is, an archive once it is unpacked.` : "");
  waiting.push(...photos.map(({ file, folder }) => ({ label: folder || label(), name: file.name, photo: () => read(file) })));
  left();
  send();
});

function take() {
  const photo = frame(SIDE, QUALITY);
  if (!photo) return;
  waiting.push({ label: label(), name: "camera.jpg", photo: () => photo });
  send();
}

function hold() {
  if (taking || !stream || !named()) return;
  say("");
  take();
  taking = setInterval(() => { if (stream) take(); else release(); }, FRAME_MS);
}
function release() {
  clearInterval(taking);
  taking = null;
}
const onBurst = (event) => event.target.closest("[data-burst]");
element.addEventListener("pointerdown", (event) => { if (onBurst(event)) hold(); });
element.addEventListener("keydown", (event) => { if (onBurst(event) && [" ", "Enter"].includes(event.key)) { event.preventDefault(); hold(); } });
for (const ended of ["pointerup", "pointercancel", "keyup", "blur"]) window.addEventListener(ended, release);

element.addEventListener("click", async (event) => {
  const { dataset = {} } = event.target.closest("button") ?? {};
  const [photos, folder] = element.querySelectorAll("input[type=file]");
  if ("choose" in dataset && named()) photos.click();
  else if ("folder" in dataset) folder.click();
  else if ("camera" in dataset) stream ? closeCamera() : say(await openCamera());
  else if ("burst" in dataset && !event.detail && stream && named()) take(); // pressed by neither pointer nor key
});
