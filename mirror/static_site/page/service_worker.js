// Keeps the page for when there is no network. Every publish has a build of its own, whose files replace the last one's.

const BUILD = "BUILD"; // the builder writes both
const FILES = ["FILES"];

const scope = /** @type {any} */ (self);
const PREFIX = `mirror:${new URL("./", scope.location.href).pathname}#`;
const CACHE = PREFIX + BUILD;

/** A file as it was kept by this build or an earlier one, for addresses tell versions apart. @param {string} url */
async function keep(url) {
  const cache = await caches.open(CACHE);
  if (await cache.match(url)) return;
  const page = url === new URL("./", scope.location.href).href;
  const answer = (page ? undefined : await caches.match(url)) ?? await fetch(url, page ? { cache: "no-cache" } : {});
  if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
  await cache.put(url, answer);
}

scope.addEventListener("install", (/** @type {any} */ event) => {
  event.waitUntil((async () => {
    for (const file of FILES) await keep(new URL(file, scope.location.href).href); // one after the other: the line may be slow
    await scope.skipWaiting();
  })());
});

scope.addEventListener("activate", (/** @type {any} */ event) => {
  event.waitUntil((async () => {
    for (const name of await caches.keys()) if (name.startsWith(PREFIX) && name !== CACHE) await caches.delete(name);
    await scope.clients.claim();
  })());
});

scope.addEventListener("fetch", (/** @type {any} */ event) => {
  const { request } = event;
  if (request.method !== "GET" || new URL(request.url).origin !== scope.location.origin) return;
  event.respondWith(request.mode === "navigate" ? page(request) : file(request));
});

/** The page as its host has it now, whatever the browser kept, for it says which build is the newest; else as it was. @param {Request} request */
async function page(request) {
  try {
    return await fetch(request, { cache: "no-cache" });
  } catch {
    return (await caches.match(new URL("./", scope.location.href).href)) ?? Response.error();
  }
}

/** A file as it was kept; one whose address tells its version is kept once it was fetched. @param {Request} request */
async function file(request) {
  const kept = await caches.match(request.url);
  if (kept) return kept;
  const answer = await fetch(request);
  if (answer.ok && new URL(request.url).searchParams.has("v")) {
    const copy = answer.clone();
    caches.open(CACHE).then((cache) => cache.put(request.url, copy)).catch(() => {}); // full, or not allowed
  }
  return answer;
}
