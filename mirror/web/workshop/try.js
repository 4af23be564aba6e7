// “Try”, after photos.js: a photo that is chosen, dropped, pasted or taken goes to the model, and so do the camera's
// pictures, one when the last is answered.
const SIDE = 1024, QUALITY = 0.92, LIVE_SIDE = 480, LIVE_QUALITY = 0.8, PATIENCE_MS = 30000;
let turn = Promise.resolve(); // one photo at a time, so that the last answer is that to the last photo

function tell(sentence) { find(".told").textContent = sentence; }

function ask(name, photo, live) {
  turn = turn.then(() => {
    const told = answered("#try-answer", PATIENCE_MS);
    trigger("look", { name, photo, live });
    return told;
  });
  return turn;
}

async function show(file) {
  closeCamera();
  const photo = await read(file);
  tell(photo ? "" : "The photo cannot be read: choose it again.");
  if (photo) ask(file.name, photo, false);
}

async function live() {
  tell(await openCamera());
  const mine = stream;
  while (stream === mine && mine) {
    await ask("camera.jpg", frame(LIVE_SIDE, LIVE_QUALITY), true); // it plays, so it sees something
    await new Promise(requestAnimationFrame);
  }
}

onFiles((files) => {
  const [photos, others] = sorted(files);
  if (photos.length) show(photos[0].file);
  else if (others.length) tell(`${others[0]} is no photo.`);
});
element.addEventListener("click", (event) => {
  const { dataset = {} } = event.target.closest("button") ?? {};
  if ("choose" in dataset) find("input").click();
  else if ("camera" in dataset) stream ? closeCamera() : live();
  else if ("take" in dataset && stream) {
    const photo = frame(SIDE, QUALITY);
    closeCamera();
    ask("camera.jpg", photo, false);
  }
});
document.addEventListener("paste", (event) => {
  if (element.offsetParent && event.clipboardData.files.length) show(event.clipboardData.files[0]);
});
