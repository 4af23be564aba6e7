// An answer as a picture to keep or to send: the photo, what the mirror says of it, and where it looked if that was asked.

const WIDTH = 1080, EDGE = 48, MOST = 1080; // px; MOST: of a picture's height
const FONT = "system-ui, sans-serif", SERIF = "Georgia, 'Times New Roman', serif";

/**
 * @param {string} title the question @param {string} says the answer @param {string} sure
 * @param {(HTMLImageElement | HTMLCanvasElement)[]} pictures below each other
 */
export function answerPicture(title, says, sure, pictures) {
  const canvas = document.createElement("canvas"), context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const colours = getComputedStyle(document.querySelector(".gradio-container") ?? document.documentElement), colour = (/** @type {string} */ name) => colours.getPropertyValue(`--mirror-${name}`);
  const texts = [[title, `34px ${FONT}`, 46, "quiet"], [says, `500 56px ${SERIF}`, 70, "ink"], [sure, `36px ${FONT}`, 50, "quiet"]]
    .map(([text, font, height, ink]) => ({ lines: wrapped(context, String(text), String(font)), font: String(font), height: Number(height), ink: String(ink) }));
  const shown = pictures.map((picture) => {
    const width = picture instanceof HTMLImageElement ? picture.naturalWidth : picture.width;
    const height = picture instanceof HTMLImageElement ? picture.naturalHeight : picture.height;
    const scale = Math.min((WIDTH - 2 * EDGE) / width, MOST / height);
    return { picture, width: width * scale, height: height * scale };
  }).filter(({ width }) => width > 0 && Number.isFinite(width));
  canvas.width = WIDTH;
  canvas.height = EDGE + shown.reduce((sum, one) => sum + one.height + EDGE / 2, 0)
    + texts.reduce((sum, one) => sum + one.lines.length * one.height + 10, 0) + EDGE;
  context.fillStyle = colour("page");
  context.fillRect(0, 0, canvas.width, canvas.height);
  let y = EDGE;
  for (const { picture, width, height } of shown) {
    context.drawImage(picture, (WIDTH - width) / 2, y, width, height);
    y += height + EDGE / 2;
  }
  for (const { lines, font, height, ink } of [texts[1], texts[2], texts[0]]) {
    context.font = font;
    context.fillStyle = colour(ink);
    for (const line of lines) context.fillText(line, EDGE, (y += height));
    y += 10;
  }
  return canvas;
}

/** Lines that fit; a word that is longer than one is broken. @param {CanvasRenderingContext2D} context @param {string} text @param {string} font */
function wrapped(context, text, font) {
  context.font = font;
  const lines = [""], fits = (/** @type {string} */ line) => context.measureText(line).width <= WIDTH - 2 * EDGE;
  for (const word of text.split(/(?<=\s)/)) {
    if (fits(lines[lines.length - 1] + word)) lines[lines.length - 1] += word;
    else if (fits(word)) lines.push(word);
    else for (const letter of word) lines[lines.length - 1] = fits(lines[lines.length - 1] + letter) ? lines[lines.length - 1] + letter : (lines.push(letter), letter);
  }
  return lines.filter(Boolean);
}

/** @param {HTMLCanvasElement} canvas @param {string} name of the file */
export async function save(canvas, name) {
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
