// The camera: frame after frame to the server, and boxes over the picture. gradio runs this once, with `element`, `server`.
// A frame is taken when the answer to the last one is there, so that none ever waits in a queue.
const WIDTH = 640, HEIGHT = 480, QUALITY = 0.8, BUSY_MS = 100, RATE_FRAMES = 20;
const find = (selector) => element.querySelector(selector);
const [video, boxes, button] = ["video", ".boxes", "button"].map(find);
const limit = Number(find(".camera").dataset.seconds);
const canvas = document.createElement("canvas");
const REFUSED = {
  NotAllowedError: "The camera is refused: allow it for this page in your browser, and start again.",
  NotFoundError: "There is no camera on this device: show me a photo instead.",
  NotReadableError: "Another program is using the camera: close that, and start again.",
};
let stream = null; // while the camera runs
let mirrored = true;

function say(sentence, kind = "waiting") {
  if (find(".says").textContent !== sentence) find(".says").textContent = sentence;
  find(".verdict").className = "verdict " + kind;
}

function tell(text) { find(".rate").textContent = text; }

function stop(sentence = "The camera is off.", kind = "waiting") {
  stream?.getTracks().forEach((track) => track.stop());
  stream = null;
  video.srcObject = null;
  boxes.replaceChildren();
  find(".camera").classList.remove("running");
  button.textContent = "Start the camera";
  say(sentence, kind);
  tell("");
}

// Faces in shares of the frame; a selfie is shown as in a mirror
function show(faces) {
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

async function look() {
  const mine = stream, end = performance.now() + 1000 * limit, times = [];
  while (stream === mine && mine) {
    if (performance.now() > end) return stop(`The camera is off: it runs for ${limit} seconds at a time.`);
    if (!element.offsetParent || document.hidden) return stop(); // another tab is looked at
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    canvas.getContext("2d").drawImage(video, 0, 0);
    let answer;
    try {
      answer = await server.faces(canvas.toDataURL("image/jpeg", QUALITY));
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
    show(answer.faces);
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
  if (!navigator.mediaDevices) return stop("Browsers give a camera only to pages that come by https.", "trouble");
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
    return stop(REFUSED[error.name] ?? "The camera cannot be opened: show me a photo instead.", "trouble");
  } finally {
    button.disabled = false;
  }
  find(".camera").classList.add("running");
  button.textContent = "Stop the camera";
  say("Let me look …");
  look();
}

button.addEventListener("click", () => (stream ? stop() : start()));
