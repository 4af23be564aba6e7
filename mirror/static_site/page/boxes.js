// Faces as the page shows them: boxes over the photo, and how many there are.

const SVG = "http://www.w3.org/2000/svg", LINE = 1 / 160; // of the picture's long side

/** @param {any} model @param {import("./faces.js").Faces} found */
export function faceCount(model, { faces }) {
  const { none, one, many } = model.says;
  return faces.length === 0 ? none : faces.length === 1 ? one : many.replace("{count}", String(faces.length));
}

/** @param {SVGSVGElement} over the picture, and of its size @param {import("./faces.js").Faces} found */
export function drawBoxes(over, { faces, width, height }) {
  over.setAttribute("viewBox", `0 0 ${width} ${height}`);
  over.replaceChildren(...faces.map(({ box }) => {
    const drawn = document.createElementNS(SVG, "rect");
    const sides = { x: box.xmin, y: box.ymin, width: box.xmax - box.xmin, height: box.ymax - box.ymin };
    for (const [name, value] of Object.entries(sides)) drawn.setAttribute(name, String(value));
    return drawn;
  }));
}

/** The picture with what is drawn over it, to be saved. @param {HTMLImageElement} picture @param {SVGSVGElement} over */
export function withBoxes(picture, over) {
  const canvas = Object.assign(document.createElement("canvas"), { width: picture.naturalWidth, height: picture.naturalHeight });
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.drawImage(picture, 0, 0);
  context.strokeStyle = getComputedStyle(over).stroke;
  context.lineWidth = LINE * Math.max(canvas.width, canvas.height);
  for (const drawn of over.querySelectorAll("rect")) {
    const [x, y, width, height] = ["x", "y", "width", "height"].map((name) => Number(drawn.getAttribute(name)));
    context.strokeRect(x, y, width, height);
  }
  return canvas;
}
