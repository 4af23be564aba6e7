// A tab of a built site answers in node, by the page's own modules and the onnxruntime-web that comes with it:
// node ask.mjs FOLDER FILE, where FILE tells the tab and the photos; a line of JSON for each.

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

import { verdict } from "../../../mirror/static_site/page/answer.js";
import { Classifier } from "../../../mirror/static_site/page/classifier.js";
import { start } from "../../../mirror/static_site/page/onnx_session.js";

const base = pathToFileURL(`${process.argv[2]}/`).href, asked = JSON.parse(readFileSync(process.argv[3], "utf8"));
globalThis.fetch = async (url) => new Response(readFileSync(new URL(String(url).split("?")[0]))); // of files, as a host gives them

const page = await (await fetch(new URL(asked.page, base))).json();
const tab = await Classifier.load(page, base, "", () => {}, start(new URL(asked.runtime, base).href, "", () => {}));
await tab.warmUp();
for (const { width, height, rgb } of asked.photos) {
  const levels = Buffer.from(rgb, "base64"), rgba = new Uint8Array(4 * width * height);
  for (let i = 0; i < rgba.length; i++) rgba[i] = i % 4 < 3 ? levels[3 * (i >> 2) + (i % 4)] : 255;
  const { prediction } = await tab.look({ width, height, *bands() { yield { rgba, top: 0, bottom: height }; } });
  console.log(JSON.stringify({ ...prediction, says: verdict(page, { prediction, found: true, made: null }) }));
}
