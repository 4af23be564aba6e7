// Photos of one's own: chosen, dropped with their folders, or taken by the camera while a button is held. gradio runs this
// once, with `element`, `trigger`. A photo is sent when the one before has been answered.
const FRAME_MS = 250, SIDE = 640, WAIT_MS = 60000; // four frames a second; px of a frame's long side
const find = (selector) => element.querySelector(selector);
const label = () => find("#own-label").value.trim();
const waiting = [];
let sending = false, taking = null, stream = null;

const say = (words) => { find(".failure").textContent = words; };

function named() {
  if (label()) return true;
  say("Say first what they show.");
  find("#own-label").focus();
  return false;
}

const read = (file) => new Promise((done) => {
  const reader = new FileReader();
  reader.onload = () => done(reader.result);
  reader.onerror = () => done("");
  reader.readAsDataURL(file);
});

// Until the page's counts have changed, which every photo makes them
const answered = () => new Promise((done) => {
  const counts = document.querySelector("#begin-counts"), seen = () => counts.querySelector("[data-received]")?.dataset.received;
  const before = seen(), end = setTimeout(stop, WAIT_MS);
  const watching = new MutationObserver(() => { if (seen() !== before) stop(); });
  function stop() { clearTimeout(end); watching.disconnect(); done(); }
  watching.observe(counts, { subtree: true, childList: true, attributes: true });
});

async function send() {
  if (sending) return;
  sending = true;
  for (let next = waiting.shift(); next; next = waiting.shift()) {
    const photo = await read(next.file), told = answered();
    if (photo) { trigger("photo", { label: next.label, name: next.file.name || "camera.jpg", photo }); await told; }
    find(".gather").dataset.waiting = waiting.length;
  }
  sending = false;
}

// folder: the name of the one it lies in, which says what it shows
function add(files) {
  if (files.some(({ folder }) => !folder) && !named()) return;
  say("");
  waiting.push(...files.map(({ file, folder }) => ({ file, label: folder || label() })));
  send();
}

async function within(entry, folder = "") {
  if (entry.isFile) return [{ file: await new Promise((done, fail) => entry.file(done, fail)), folder }];
  const reader = entry.createReader(), found = [];
  for (;;) {
    const some = await new Promise((done, fail) => reader.readEntries(done, fail));
    if (!some.length) return found;
    for (const each of some) if (!each.name.startsWith(".")) found.push(...await within(each, entry.name));
  }
}

const isPhoto = ({ file }) => !file.type || file.type.startsWith("image/");

element.addEventListener("change", ({ target }) => {
  if (target.type !== "file") return;
  const files = [...target.files].map((file) => ({ file, folder: file.webkitRelativePath.split("/").at(-2) ?? "" }));
  add(files.filter(isPhoto).filter(({ file }) => !file.name.startsWith(".")));
  target.value = "";
});
element.addEventListener("dragover", (event) => event.preventDefault());
element.addEventListener("drop", async (event) => {
  event.preventDefault();
  const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry()).filter(Boolean);
  add((await Promise.all(entries.map((entry) => within(entry)))).flat().filter(isPhoto));
});

async function camera(button) {
  if (stream) {
    stream.getTracks().forEach((track) => track.stop());
    stream = null;
  } else {
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
      say("");
    } catch {
      say("The camera cannot be opened: allow it in the browser, or choose photos instead.");
    }
  }
  find("video").srcObject = stream;
  if (stream) find("video").play();
  find(".seen").hidden = !stream;
  button.ariaPressed = String(Boolean(stream));
  button.textContent = stream ? "Close the camera" : "Open the camera";
}

function take() {
  const video = find("video"), scale = Math.min(1, SIDE / Math.max(video.videoWidth, video.videoHeight));
  if (!video.videoWidth) return;
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [video.videoWidth * scale, video.videoHeight * scale];
  canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
  canvas.toBlob((blob) => add([{ file: new File([blob], "camera.jpg", { type: "image/jpeg" }), folder: label() }]), "image/jpeg", 0.92);
}

function hold() {
  if (taking || !stream || !named()) return;
  take();
  taking = setInterval(take, FRAME_MS);
}
function release() {
  clearInterval(taking);
  taking = null;
}
const onBurst = (event) => event.target.closest("[data-burst]");
element.addEventListener("pointerdown", (event) => { if (onBurst(event)) hold(); });
element.addEventListener("keydown", (event) => { if (onBurst(event) && [" ", "Enter"].includes(event.key)) { event.preventDefault(); hold(); } });
for (const ended of ["pointerup", "pointercancel", "keyup", "blur"]) window.addEventListener(ended, release);

element.addEventListener("click", (event) => {
  const { dataset = {} } = event.target.closest("button") ?? {};
  const [photos, folder] = element.querySelectorAll("input[type=file]");
  if ("choose" in dataset && named()) photos.click();
  else if ("folder" in dataset) folder.click();
  else if ("camera" in dataset) camera(event.target.closest("button"));
  else if ("burst" in dataset && !event.detail && stream && named()) take(); // pressed by neither pointer nor key
});
document.addEventListener("click", ({ target }) => { if (stream && target.closest("[role=tab]")) camera(find("[data-camera]")); });
