// The networks: ONNX files on onnxruntime-web, fetched compressed, kept for the next visit and when there is no network.

/** @typedef {(loaded: number) => void} Progress told of bytes as they come */
/** @typedef {{run: (feeds: any, outputs: string[]) => Promise<any>}} Session */

/** @type {any} */
let runtime = null; // onnxruntime-web, once it is loaded

/**
 * The file at an address, decompressed where it is gzip. It is taken from `cache`, and put there when it came whole.
 * @param {string} url @param {string} cache its name @param {Progress} [progress]
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 */
export async function load(url, cache, progress = () => {}) {
  const kept = await globalThis.caches?.open(cache).catch(() => null); // a browser may keep nothing, as in some frames
  const known = await kept?.match(url).catch(() => undefined);
  const answer = known ?? await fetch(url);
  if (!answer.ok || !answer.body) throw new Error(`${url}: ${answer.status}`);
  const chunks = /** @type {Uint8Array<ArrayBuffer>[]} */ ([]);
  for (let reader = answer.body.getReader(); ;) {
    const { done, value } = await reader.read();
    if (done) break;
    chunks.push(value);
    progress(value.length);
  }
  const body = new Blob(chunks);
  const start = new Uint8Array(await body.slice(0, 2).arrayBuffer());
  const packed = start[0] === 0x1f && start[1] === 0x8b; // else the server has said so, and the browser has unpacked it
  const stream = packed ? body.stream().pipeThrough(new DecompressionStream("gzip")) : body.stream();
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  if (!known) await kept?.put(url, new Response(body)).catch(() => {}); // full, or not allowed
  return bytes;
}

/**
 * onnxruntime-web, from the files beside `base`.
 * @param {string} base @param {string} cache @param {Progress} progress
 */
export async function start(base, cache, progress) {
  if (runtime) return;
  const [ort, wasm] = await Promise.all([
    import(new URL("ort.wasm.min.js", base).href),
    load(new URL("ort-wasm-simd-threaded.wasm.gz", base).href, cache, progress),
  ]);
  ort.env.wasm.wasmBinary = wasm.buffer;
  ort.env.wasm.wasmPaths = { mjs: new URL("ort-wasm-simd-threaded.js", base).href };
  // Threads need memory that workers share, which a browser gives to pages with COOP and COEP headers alone
  ort.env.wasm.numThreads = globalThis.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency) : 1;
  runtime = ort;
}

/** @param {Uint8Array} model an ONNX file @returns {Promise<Session>} */
export const open = (model) => runtime.InferenceSession.create(model, { executionProviders: ["wasm"], logSeverityLevel: 3 });

/** @param {Float32Array} values @param {readonly number[]} shape */
export const tensor = (values, shape) => new runtime.Tensor("float32", values, shape);

/** A probability for each logit by itself. @param {ArrayLike<number>} logits */
export const sigmoid = (logits) => Array.from(logits, (logit) => 1 / (1 + Math.exp(-logit)));

/**
 * Probabilities of logits / temperature (Guo et al. 2017, arXiv 1706.04599).
 * @param {ArrayLike<number>} logits @param {number} temperature
 */
export function softmax(logits, temperature) {
  const scaled = Array.from(logits, (logit) => logit / temperature);
  const top = scaled.reduce((most, one) => Math.max(most, one), -Infinity); // of thousands of labels too
  const exponents = scaled.map((one) => Math.exp(one - top));
  const sum = exponents.reduce((all, one) => all + one, 0);
  return exponents.map((one) => one / sum);
}
