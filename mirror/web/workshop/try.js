// “Try”: a photo that is chosen, dropped, pasted or taken goes to the model, and so do the camera's pictures, one when the
// last is answered. gradio runs this once, with `element` and `trigger`.
const SIDE = 1024, LIVE_SIDE = 480, PATIENCE_MS = 30000;
const find = (selector) => element.querySelector(selector);
let stream = null;
let turn = Promise.resolve(); // one photo at a time, so that the last answer is that to the last photo

function tell(sentence) { find(".told").textContent = sentence; }

function ask(name, photo, live) {
  turn = turn.then(() => new Promise((answered) => {
    const seen = new MutationObserver(() => { seen.disconnect(); answered(); });
    seen.observe(document.querySelector("#try-answer"), { subtree: true, childList: true, attributes: true });
    setTimeout(() => { seen.disconnect(); answered(); }, PATIENCE_MS);
    trigger("look", { name, photo, live });
  }));
  return turn;
}

function show(file) {
  if (!file) return;
  stop();
  const reader = new FileReader();
  reader.onload = () => ask(file.name, reader.result, false);
  reader.onerror = () => tell("The photo cannot be read: choose it again.");
  reader.readAsDataURL(file);
}

function frame(side, quality) {
  const video = find("video"), scale = Math.min(1, side / Math.max(video.videoWidth, video.videoHeight));
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight].map((pixels) => Math.round(pixels * scale));
  canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL("image/jpeg", quality);
}

function running(on) {
  find("video").hidden = find("[data-take]").hidden = !on;
  find("[data-camera]").textContent = on ? "Stop the camera" : "Start the camera";
  find("[data-camera]").ariaPressed = String(on);
}

function stop() {
  stream?.getTracks().forEach((track) => track.stop());
  stream = find("video").srcObject = null;
  running(false);
}

async function start() {
  if (!navigator.mediaDevices) return tell("Browsers give a camera only to pages that come by https, or of this machine.");
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  } catch {
    return tell("The camera cannot be opened: allow it in the browser, or choose a photo instead.");
  }
  tell("");
  const mine = stream, video = find("video");
  video.srcObject = stream;
  running(true);
  await video.play();
  while (stream === mine) {
    if (!element.offsetParent || document.hidden) return stop(); // another step is looked at
    await ask("camera.jpg", frame(LIVE_SIDE, 0.8), true);
    await new Promise(requestAnimationFrame);
  }
}

element.addEventListener("click", (event) => {
  const { dataset = {} } = event.target.closest("button") ?? {};
  if ("choose" in dataset) find("input").click();
  else if ("camera" in dataset) stream ? stop() : start();
  else if ("take" in dataset && stream) {
    const photo = frame(SIDE, 0.92);
    stop();
    ask("camera.jpg", photo, false);
  }
});
element.addEventListener("change", ({ target }) => {
  show(target.files[0]);
  target.value = "";
});
element.addEventListener("dragover", (event) => event.preventDefault());
element.addEventListener("drop", (event) => {
  event.preventDefault();
  show(event.dataTransfer.files[0]);
});
document.addEventListener("paste", (event) => {
  if (element.offsetParent && event.clipboardData.files.length) show(event.clipboardData.files[0]);
});
