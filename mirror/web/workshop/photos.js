// Photos from a person, for Begin and Try, whose own scripts follow this one: chosen, dropped with their folders, or seen
// by the camera. gradio runs both once, with `element` and `trigger`.
const HIDDEN = /^(\.|Thumbs\.db$|desktop\.ini$)/; // what systems leave in folders
const find = (selector) => element.querySelector(selector);
let stream = null; // while the camera is open

const read = (file) => new Promise((done) => {
  const reader = new FileReader();
  reader.onload = () => done(reader.result);
  reader.onerror = () => done("");
  reader.readAsDataURL(file);
});

// Until the part has an answer that is newer than all before (data-number), or for so many milliseconds
let last = 0;
const answered = (part, patience) => new Promise((done) => {
  const place = document.querySelector(part), number = () => +(place.querySelector("[data-number]")?.dataset.number ?? 0);
  last = Math.max(last, number());
  const end = setTimeout(stop, patience), watching = new MutationObserver(() => { if (number() > last) stop(); });
  function stop() { clearTimeout(end); watching.disconnect(); done(); }
  watching.observe(place, { subtree: true, childList: true, attributes: true });
});

// ---- files: [{ file, folder }], where folder is the name of that in which the file lies, "" for none ---------------------

// What is a photo by its type (HEIC has none everywhere), and the names of what is not
function sorted(files) {
  const seen = files.filter(({ file }) => !HIDDEN.test(file.name));
  const isPhoto = ({ file }) => !file.type || file.type.startsWith("image/");
  return [seen.filter(isPhoto), seen.filter((each) => !isPhoto(each)).map(({ file }) => file.name)];
}

async function within(entry, folder = "") {
  if (entry.isFile) return [{ file: await new Promise((done, fail) => entry.file(done, fail)), folder }];
  const reader = entry.createReader(), found = [];
  for (;;) {
    const some = await new Promise((done, fail) => reader.readEntries(done, fail));
    if (!some.length) return found;
    for (const each of some) found.push(...await within(each, entry.name));
  }
}

async function dropped(transfer) {
  const items = [...transfer.items].filter(({ kind }) => kind === "file");
  const entries = items.map((item) => item.webkitGetAsEntry() ?? item.getAsFile()); // at once: later they are gone
  const files = entries.map((each) => each instanceof File ? [{ file: each, folder: "" }] : within(each));
  return (await Promise.all(files)).flat();
}

function onFiles(take) {
  element.addEventListener("change", ({ target }) => {
    if (target.type !== "file") return;
    take([...target.files].map((file) => ({ file, folder: file.webkitRelativePath.split("/").at(-2) ?? "" })));
    target.value = "";
  });
  element.addEventListener("dragover", (event) => event.preventDefault());
  element.addEventListener("drop", async (event) => {
    event.preventDefault();
    take(await dropped(event.dataTransfer));
  });
}

// ---- the camera: its picture is the part's <video> ----------------------------------------------------------------------

// Returns why it cannot be opened, "" where it is open
async function openCamera() {
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  } catch (error) {
    return window.cameraRefusal(error); // of the page's own script
  }
  find("video").srcObject = stream;
  cameraIs(true);
  await find("video").play();
  return "";
}

function closeCamera() {
  if (!stream) return;
  stream.getTracks().forEach((track) => track.stop());
  stream = find("video").srcObject = null;
  cameraIs(false);
}

function cameraIs(open) {
  const button = find("[data-camera]");
  for (const each of element.querySelectorAll("[data-seen]")) each.hidden = !open;
  button.ariaPressed = String(open);
  button.textContent = open ? "Close the camera" : "Open the camera";
}

// What the camera sees as a data: URL, with a long side of so many pixels at most; "" before it sees anything
function frame(side, quality) {
  const video = find("video"), scale = Math.min(1, side / Math.max(video.videoWidth, video.videoHeight));
  if (!video.videoWidth) return "";
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight].map((pixels) => Math.round(pixels * scale));
  canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL("image/jpeg", quality);
}

new ResizeObserver(() => { if (!element.offsetParent) closeCamera(); }).observe(element); // another step is looked at
document.addEventListener("visibilitychange", () => { if (document.hidden) closeCamera(); });
