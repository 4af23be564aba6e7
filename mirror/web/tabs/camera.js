// The camera: frame after frame to the server, and what it answers beside or over the picture. gradio runs this once, with
// `element`, `server`. A frame is taken when the answer to the last one is there, so that none ever waits in a queue.
const WIDTH = 640, HEIGHT = 480, QUALITY = 0.8, BUSY_MS = 300, RATE_FRAMES = 20;
const HEARD_MS = 1500; // a sentence that stands for so long is read out
const SIGHT = [16, 12], MOVED = 6; // pixels that movement is looked for in, and by how much of 255 they change on average
const find = (selector) => element.querySelector(selector);
const [video, boxes, button] = ["video", ".boxes", "button"].map(find);
const canvas = document.createElement("canvas");
let stream = null; // while the camera runs
let mirrored = true;

function say(sentence, kind = "waiting") {
  const card = document.createElement("div"), says = document.createElement("p");
  says.textContent = sentence;
  Object.assign(says, { className: "says" });
  Object.assign(card, { className: "verdict " + kind }).append(says);
  if (find(".says").textContent !== sentence || !find(".verdict").matches("." + kind)) find(".card").replaceChildren(card);
  hear();
}

// Many answers a second are not to be read out, but one that stays
let heard = null;
function hear() {
  const sentence = find(".says").textContent;
  if (sentence === heard?.sentence) return;
  clearTimeout(heard?.timer);
  heard = { sentence, timer: setTimeout(() => { find(".heard").textContent = sentence; }, HEARD_MS) };
}

function tell(text) { find(".rate").textContent = text; }

function stop(sentence = "The camera is off.", kind = "waiting") {
  stream?.getTracks().forEach((track) => track.stop());
  stream = null;
  video.srcObject = null;
  boxes.replaceChildren();
  find(".chances").replaceChildren();
  find(".camera").classList.remove("running");
  button.textContent = "Start the camera";
  say(sentence, kind);
  tell("");
}

// Faces in shares of the frame; a selfie is shown as in a mirror
function box(faces) {
  boxes.replaceChildren(...faces.map(({ box }) => {
    const drawn = document.createElement("div");
    const left = mirrored ? canvas.width - box.xmax : box.xmin;
    const share = (pixels, all) => (100 * pixels) / all + "%";
    Object.assign(drawn.style, {
      left: share(left, canvas.width), width: share(box.xmax - box.xmin, canvas.width),
      top: share(box.ymin, canvas.height), height: share(box.ymax - box.ymin, canvas.height),
    });
    return drawn;
  }));
  say(faces.length === 0 ? "No face." : faces.length === 1 ? "One face." : faces.length + " faces.", "known");
}

// What is the same stays the same elements, many times a second: else a finger that comes down on one finds another
function renew(place, html) {
  const fresh = Object.assign(document.createElement("template"), { innerHTML: html }), next = fresh.content;
  if (place.innerHTML === fresh.innerHTML) return;
  const [old, now] = [place, next].map((each) => each.querySelector("details"));
  if (!old || !now) return place.replaceChildren(next);
  for (const part of ["summary", ".bars"])
    if (old.querySelector(part).outerHTML !== now.querySelector(part).outerHTML)
      old.querySelector(part).replaceChildren(...now.querySelector(part).childNodes);
}

// A card and bars that the server has written
function show({ faces, card, bars }) {
  if (faces) return box(faces);
  renew(find(".card"), card);
  renew(find(".chances"), bars);
  hear();
}

const sight = Object.assign(document.createElement("canvas"), { width: SIGHT[0], height: SIGHT[1] });
const glimpse = sight.getContext("2d", { willReadFrequently: true });
let seen = null;
function moved() {
  glimpse.drawImage(video, 0, 0, ...SIGHT);
  const now = glimpse.getImageData(0, 0, ...SIGHT).data;
  const change = seen ? now.reduce((sum, value, i) => sum + Math.abs(value - seen[i]), 0) / (0.75 * now.length) : Infinity;
  if (change > MOVED) seen = now;
  return change > MOVED;
}

async function look() {
  const { seconds, still } = find(".camera").dataset, [ask] = Object.keys(server).map((name) => server[name]);
  const mine = stream, end = performance.now() + 1000 * seconds, times = [];
  let last = performance.now();
  seen = null;
  while (stream === mine && mine) {
    if (performance.now() > end) return stop(`The camera is off: it runs for ${seconds} seconds at a time.`);
    if (moved()) last = performance.now();
    if (performance.now() > last + 1000 * still) return stop("The camera is off: nothing has moved before it for a while.");
    if (!element.offsetParent || document.hidden) return stop(); // another tab is looked at
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    canvas.getContext("2d").drawImage(video, 0, 0);
    let answer;
    try {
      const model = document.documentElement.dataset.model;
      answer = await ask({ frame: canvas.toDataURL("image/jpeg", QUALITY), model });
      if (!answer) throw new Error("refused");
    } catch {
      answer = { problem: "The page does not answer any more: reload it." };
    }
    if (stream !== mine) return;
    if (answer.problem) return stop(answer.problem, "trouble");
    if (answer.busy) {
      say("Others are in front of me: please wait.");
      await new Promise((later) => setTimeout(later, BUSY_MS));
      continue;
    }
    show(answer);
    if (times.length === 0) find(".card").scrollIntoView({ block: "nearest" });
    times.push(performance.now());
    if (times.length > RATE_FRAMES) times.shift();
    if (times.length > 1) {
      const rate = Math.round((1000 * (times.length - 1)) / (times.at(-1) - times[0]));
      tell(rate === 1 ? "1 look a second" : `${rate} looks a second`);
    }
    await new Promise(requestAnimationFrame);
  }
}

async function start() {
  if (!navigator.mediaDevices) return stop(window.cameraRefusal(), "trouble"); // of the page's own script
  say("Waiting for the camera …");
  button.disabled = true;
  try {
    const size = { width: { ideal: WIDTH }, height: { ideal: HEIGHT } };
    const asked = await navigator.mediaDevices.getUserMedia({ video: { ...size, facingMode: "user" }, audio: false });
    stream = asked;
    mirrored = asked.getVideoTracks()[0].getSettings().facingMode !== "environment";
    video.classList.toggle("mirrored", mirrored);
    video.srcObject = asked;
    await video.play();
    find(".stage").style.setProperty("--ratio", video.videoWidth / video.videoHeight);
  } catch (error) {
    return stop(window.cameraRefusal(error), "trouble");
  } finally {
    button.disabled = false;
  }
  find(".camera").classList.add("running");
  button.textContent = "Stop the camera";
  say("Let me look …");
  find(".card").scrollIntoView({ block: "nearest" });
  look();
}

button.addEventListener("click", () => (stream ? stop() : start()));
