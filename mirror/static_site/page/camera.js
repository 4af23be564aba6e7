// The camera: frame after frame to the worker, and its answer beside the picture; or one picture, kept as the photo.
//
// A frame is taken when the answer to the last one is there, so that none ever waits.

const SIZE = { width: { ideal: 640 }, height: { ideal: 480 } }, RATE_FRAMES = 20;
const SECONDS = 120; // at a time: who has left does not keep the phone busy
const JPEG_QUALITY = 0.95;
/** @type {Record<string, string>} */
const REFUSED = {
  NotAllowedError: "The camera is refused: allow it for this page in your browser, and start again.",
  NotFoundError: "There is no camera on this device: show me a photo instead.",
  NotReadableError: "Another program is using the camera: close that, and start again.",
};

export class Camera {
  /**
   * @param {HTMLVideoElement} video
   * @param {{look: (frame: ImageBitmap) => Promise<void>, stopped: (sentence: string, kind: string) => void, rate: (text: string) => void}} page
   *   look: shows what the mirror says of a frame; stopped: told why; rate: told how many looks a second
   */
  constructor(video, page) {
    this.video = video;
    this.page = page;
    /** @type {MediaStream | null} */
    this.stream = null; // while it runs
    this.facing = "user";
  }

  get running() {
    return this.stream !== null;
  }

  async start() {
    if (!navigator.mediaDevices?.getUserMedia) {
      return this.stop("Browsers give a camera only to pages that come by https, and to frames that are allowed one: open the page by itself.", "trouble");
    }
    try {
      const video = { ...SIZE, facingMode: this.facing };
      const stream = await navigator.mediaDevices.getUserMedia({ video, audio: false });
      this.stream = stream;
      this.video.srcObject = stream;
      this.video.classList.toggle("mirrored", stream.getVideoTracks()[0].getSettings().facingMode !== "environment");
      stream.getVideoTracks()[0].addEventListener("ended", () => this.stop("The camera is gone.", "trouble"));
      await this.video.play();
    } catch (error) {
      const name = error instanceof Error ? error.name : "";
      return this.stop(REFUSED[name] ?? "The camera cannot be opened: show me a photo instead.", "trouble");
    }
    this.loop();
  }

  /** Turns to the camera at the other side. */
  turn() {
    this.facing = this.facing === "user" ? "environment" : "user";
    this.stream?.getTracks().forEach((track) => track.stop());
    return this.start();
  }

  /** @param {string} [sentence] @param {string} [kind] */
  stop(sentence = "The camera is off.", kind = "waiting") {
    this.stream?.getTracks().forEach((track) => track.stop());
    this.stream = null;
    this.video.srcObject = null;
    this.page.rate("");
    this.page.stopped(sentence, kind);
  }

  async loop() {
    const mine = this.stream, end = performance.now() + 1000 * SECONDS, times = /** @type {number[]} */ ([]);
    while (mine && this.stream === mine) {
      if (performance.now() > end) return this.stop(`The camera is off: it runs for ${SECONDS} seconds at a time.`);
      if (document.hidden) return this.stop(); // another page is looked at
      const drawn = new Promise(requestAnimationFrame); // not after the answer: the mirror would wait for the screen
      try {
        await this.page.look(await createImageBitmap(this.video));
      } catch {
        return this.stream === mine ? this.stop("The mirror does not answer any more: reload the page.", "trouble") : undefined;
      }
      times.push(performance.now());
      if (times.length > RATE_FRAMES) times.shift();
      if (times.length > 1 && this.stream === mine) {
        const rate = Math.round((1000 * (times.length - 1)) / (times[times.length - 1] - times[0]));
        this.page.rate(rate === 1 ? "1 look a second" : `${rate} looks a second`);
      }
      await drawn;
    }
  }

  /** What it sees now, as a file. @returns {Promise<Blob>} */
  async picture() {
    const { videoWidth: width, videoHeight: height } = this.video;
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    canvas.getContext("2d")?.drawImage(this.video, 0, 0);
    return new Promise((resolve, reject) => {
      canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("no picture"))), "image/jpeg", JPEG_QUALITY);
    });
  }
}
