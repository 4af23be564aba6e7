// What gradio's page lacks, in every tab and in the studio; gradio runs it once. Photos are pasted and dropped anywhere,
// and judged by their content; the answer is brought into sight and announced; arrow keys move between tabs, and the Tab
// key stops at one of them.
() => {
  const ANSWERS = "#answer, .answer", LIVE = `${ANSWERS}, #why`, SHOWN = "#why figure";
  const REFUSED = {
    NotAllowedError: "The camera is refused: allow it for this page in your browser, and start again.",
    NotFoundError: "There is no camera on this device: show me a photo instead.",
    NotReadableError: "Another program is using the camera: close that, and start again.",
  };
  const FINGER = matchMedia("(hover: none) and (pointer: coarse)");
  const TAPPED = [["or click to choose one", "Tap to choose a photo"], ["Click to Access Webcam", "Tap to use the camera"]];
  const UNASKED_MS = 1000; // after which a photo's question is not on its way any more
  const WAIT_MS = 15000; // for the photo's frame, which comes late on a slow line, and has no input while it uploads

  // The tab that is open has the only frame of photos, and the only field for an address, with a size
  const open = (selector) => [...document.querySelectorAll(selector)].find((each) => each.offsetParent);

  const frame = () => new Promise(requestAnimationFrame);
  async function until(found) {
    for (const end = performance.now() + WAIT_MS; !found() && performance.now() < end;) await frame();
    return found();
  }

  // ---- the answer ----------------------------------------------------------------------------------------------------

  function reveal(element) {
    const block = element.getBoundingClientRect().height > innerHeight ? "start" : "nearest";
    const behavior = matchMedia("(prefers-reduced-motion: reduce)").matches ? "instant" : "smooth";
    element.scrollIntoView({ block, behavior });
  }

  // The same answer to another photo changes nothing but the picture, which comes with it as a data: address
  function changed({ target }) {
    const element = target.nodeType === Node.ELEMENT_NODE ? target : target.parentElement;
    if (element?.matches(".glass img[src^='data:']")) {
      const glass = element.closest(".glass");
      if (held.get(glass)?.isAsked) held.delete(glass);
      return open(ANSWERS);
    }
    return element?.closest(LIVE);
  }

  let next = null;
  function look(changes) {
    prepare();
    overhear();
    keepEmpty();
    giveAgain();
    const found = changes.map(changed).findLast((each) => each?.offsetParent);
    const told = found?.matches(ANSWERS) ? found.querySelector(".verdict:not(.waiting)") : found?.querySelector(SHOWN);
    if (!told) return;
    cancelAnimationFrame(next);
    next = requestAnimationFrame(() => { next = requestAnimationFrame(() => reveal(told)); });
  }

  // A live region must be there before its text changes, and a tab's parts come when it is first opened
  function prepare() {
    for (const each of document.querySelectorAll(LIVE)) each.setAttribute("aria-live", "polite");
    for (const tab of document.querySelectorAll('[role="tablist"] [role="tab"]')) {  // the Tab key stops at one of them
      const index = tab.getAttribute("aria-selected") === "true" ? 0 : -1;
      if (tab.tabIndex !== index) tab.tabIndex = index;
    }
    if (FINGER.matches) for (const [clicked, tapped] of TAPPED) {
      const words = document.evaluate(`//*[contains(@class, 'glass')]//text()[contains(., '${clicked}')]`, document, null, XPathResult.FIRST_ORDERED_NODE_TYPE).singleNodeValue;
      if (words) words.data = tapped;
    }
    for (const zone of document.querySelectorAll(".glass button.upload-container")) {
      const text = zone.querySelector("p")?.textContent.replace(/\s+/g, " ").trim();
      if (text && zone.getAttribute("aria-label") !== text) zone.setAttribute("aria-label", text);
    }
  }

  let given = 0; // of two photos that wait for the frame, it takes the last

  // ---- what is refused -----------------------------------------------------------------------------------------------

  function refuse(sentence) {
    open(ANSWERS)?.querySelector(".verdict")?.dispatchEvent(new CustomEvent("refused", { detail: sentence, bubbles: true }));
  }

  // A photo that is too large is not even sent; gradio would ask how far its upload is
  async function refusePhoto(sentence) {
    const mine = ++given, glass = open(".glass"), remove = glass.querySelector("[aria-label='Remove Image']");
    emptied = { glass, sentence };
    refuse(sentence);
    if (!remove) return;
    remove.click();
    await frame();
    await until(() => open(ANSWERS)?.querySelector(".waiting")); // which stands in its place now
    if (mine === given) refuse(sentence);
  }

  function isTooLarge(file) {
    if (file.size > MAX_UPLOAD_BYTES) refusePhoto(TOO_MANY_BYTES);
    return file.size > MAX_UPLOAD_BYTES;
  }

  // What gradio tells in a toast alone is the answer, but for a lost connection, which it looks for again and has no timer.
  // It takes a toast that is being closed for its next sentence too.
  const heard = new WeakMap(); // element → its sentence
  function overhear() {
    for (const toast of document.querySelectorAll(".toast-item:has(.error, .warning)")) {
      toast.hidden = Boolean(open(ANSWERS) && toast.querySelector(".timer"));
      if (toast.hidden) hear(toast);
    }
  }

  function hear(toast) {
    const isNew = (each) => heard.get(each) !== each.textContent;
    const sentences = [...toast.querySelectorAll(".toast-message-text")].filter(isNew).reverse(); // the newest is the first
    for (const each of sentences) heard.set(each, each.textContent);
    if (!sentences.length) return;
    toast.querySelector(".toast-close").click();
    const glass = open(".glass"), photo = held.get(glass), sentence = sentences.at(-1).textContent.replace(/^HTTP \d+: /, "");
    if (photo && !photo.isAsked) { // it may be of this photo's upload
      photo.isAgain = true;
      emptied = { glass, sentence };
    }
    refuse(sentence);
  }

  // ---- photos --------------------------------------------------------------------------------------------------------

  // gradio takes what the browser calls an image; browsers know nothing of .HEIC, .mpo and names without a suffix
  function parcel(file) {
    const data = new DataTransfer();
    data.items.add(file.type.startsWith("image/") ? file : new File([file], file.name, { type: "image/unknown" }));
    return data;
  }

  async function give(file) {
    const mine = ++given, glass = open(".glass"), find = () => glass.querySelector("input[type=file]");
    if (!glass) return;
    glass.querySelector(".source-selection button:first-child:not(.selected)")?.click(); // from the camera back to files
    await frame();
    await frame();
    const input = await until(find);
    if (!input || mine !== given) return;
    input.files = parcel(file).files;
    input.dispatchEvent(new Event("change"));
  }

  function askAddress(address) {
    const box = open(".address .address-box input, .address .address-box textarea");
    if (!box) return;
    box.value = address;
    box.dispatchEvent(new Event("input", { bubbles: true }));
    setTimeout(() => open(".address button")?.click());
  }

  const writes = (target) => target.closest?.("input:not([type=file], [readonly]), textarea, [contenteditable]");
  // Of a picture that is a link in another page the picture's own; a list of addresses may begin with remarks (RFC 2483)
  function addressIn(data) {
    const html = new DOMParser().parseFromString(data.getData("text/html"), "text/html"); // it loads nothing
    const lines = (data.getData("text/uri-list") || data.getData("text/plain")).split(/[\r\n]+/);
    const picture = html.querySelector("img")?.getAttribute("src");
    return [picture, ...lines].map((line) => line?.trim()).find((line) => /^(https?:|data:image)/i.test(line));
  }

  function take(event, data) {
    const file = data?.files[0], address = data && addressIn(data), text = address || data?.getData("text/plain").trim();
    if (!open(".glass") || (!file && !address) || (writes(event.target) && (text || !file))) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    forget(open(".glass"));
    if (!file) askAddress(address);
    else if (!isTooLarge(file)) give(file);
  }

  const ours = new WeakSet(); // drops that carry a file which gradio takes
  function drop(event) {
    const file = event.dataTransfer?.files[0], zone = event.target.closest?.(".glass button.upload-container");
    if (ours.has(event)) return;
    if (!file || !zone) return take(event, event.dataTransfer);
    event.preventDefault();
    event.stopImmediatePropagation();
    forget(zone.closest(".glass"));
    if (isTooLarge(file)) return;
    hold(zone.closest(".glass"), file);
    const again = new DragEvent("drop", { dataTransfer: parcel(file), bubbles: true, cancelable: true });
    ours.add(again);
    event.target.dispatchEvent(again);
  }

  function choose(event) {
    const { target, isTrusted } = event, glass = target.closest?.(".glass");
    if (isTrusted && glass) forget(glass);
    if (!glass || !target.matches("input[type=file]") || !target.files[0]) return;
    if (isTooLarge(target.files[0])) {
      target.value = ""; // the same one may be chosen again
      return event.stopImmediatePropagation();
    }
    target.files = parcel(target.files[0]).files;
    hold(glass, target.files[0]);
  }

  // An answer that was on its way when its photo was taken away, or when another was refused, goes too; it may bring its
  // photo back
  let emptied = null; // the frame that has been emptied, and why, until anything else is done: { glass, sentence }
  function empty({ type, target, isTrusted }) {
    if (type === "click" && !isTrusted) return;
    const glass = type === "click" && target.closest?.("[aria-label='Remove Image']")?.closest(".glass");
    emptied = glass ? { glass, sentence: "" } : null;
  }

  async function keepEmpty() {
    const mine = emptied, answer = open(ANSWERS);
    const isLate = () => mine.glass.querySelector("img[src^='data:']") || answer?.querySelector(".verdict:is(.known, .stranger)");
    if (!mine || !isLate()) return;
    await frame();
    await frame(); // all of the answer is there
    if (emptied !== mine || !isLate()) return;
    if (mine.sentence) return refusePhoto(mine.sentence);
    const remove = mine.glass.querySelector("[aria-label='Remove Image']");
    if (remove) remove.click();
    else answer?.querySelector(".verdict")?.dispatchEvent(new CustomEvent("emptied", { bubbles: true }));
  }

  // The file that a photo's frame was given, until the picture of it is there: frame → { file, isSent, isAsked, isAgain }
  const held = new WeakMap();
  const hold = (glass, file) => held.set(glass, { file, isSent: false, isAsked: false, isAgain: false });

  // The question goes to the server now (photo_fields.py)
  function ask({ detail }) {
    for (const glass of document.querySelectorAll(".glass")) {
      const photo = held.get(glass);
      if (photo?.file.name !== detail) continue;
      photo.isAsked = true;
      if (emptied?.glass === glass) emptied = null;
    }
  }

  // It never does where the picture of an earlier answer takes the photo's place just then: the photo is given once more
  async function giveAgain() {
    const glass = open(".glass"), photo = glass && held.get(glass);
    if (!photo || photo.isAsked || photo.isAgain) return;
    const isUploading = () => !glass.querySelector("input[type=file]");
    photo.isSent ||= isUploading();
    if (!photo.isSent || isUploading() || !glass.querySelector("img[src^='data:']")) return;
    photo.isAgain = true;
    await new Promise((resolve) => setTimeout(resolve, UNASKED_MS));
    if (photo.isAsked || held.get(glass) !== photo || open(".glass") !== glass || emptied) return;
    await give(photo.file);
    if (held.get(glass)?.file.name === photo.file.name) held.get(glass).isAgain = true; // the visitor may have done more
  }

  // The photo of the tab that is left goes along into the one that is opened, unless that shows it already; one that is
  // still on its way too
  let last = null, photos = 0;
  const shown = new WeakMap(); // a photo's frame → which photo it holds, and the picture of it, once that is known
  function forget(glass) {
    shown.delete(glass);
    held.delete(glass);
  }

  async function carry(event) {
    const tab = event.target.closest?.('[role="tab"]'), left = open(".glass");
    if (!tab && event.isTrusted && left?.closest("#looking, .looking")?.contains(event.target)) held.delete(left);
    if (!tab || tab.getAttribute("aria-selected") === "true") return;
    if (left) {
      const src = left.querySelector("img[src^='data:']")?.src, known = shown.get(left), file = held.get(left)?.file;
      if (src && known && known.src === undefined) known.src = src;
      else if (src ? known?.src !== src : file && !known) shown.set(left, { photo: ++photos, src });
      last = src || file ? { photo: shown.get(left).photo, src, file } : null;
    }
    for (const end = performance.now() + WAIT_MS; last && performance.now() < end;) {
      await frame();
      const glass = open(".glass");
      if (!glass || glass === left) continue;
      if (shown.get(glass)?.photo === last.photo) return;
      shown.set(glass, { photo: last.photo });
      const { src, file } = last, blob = src ? await (await fetch(src)).blob() : file;
      glass.querySelector("[aria-label='Remove Image']")?.click();
      return give(src ? new File([blob], "photo.jpg", { type: blob.type }) : file);
    }
  }

  // ---- the camera -----------------------------------------------------------------------------------------------------

  // Why there is no camera, in a sentence; for camera.js too
  window.cameraRefusal = (error) => navigator.mediaDevices
    ? REFUSED[error?.name] ?? "The camera cannot be opened: show me a photo instead."
    : "Browsers give a camera only to pages that come by https.";

  // gradio's camera says nothing where it gets none
  function refused(event) {
    const place = open(".glass")?.querySelector("[title='grant webcam access'] .wrap");
    if (!place || (navigator.mediaDevices && !REFUSED[event.reason?.name])) return;
    event.preventDefault();
    place.setAttribute("role", "alert");
    place.lastChild.data = window.cameraRefusal(event.reason);
  }

  // ---- keys ----------------------------------------------------------------------------------------------------------

  function move(event) {
    // gradio's list of choices opens again after the Tab that leaves it
    if (event.key === "Tab" && event.target.matches?.('[role="combobox"]')) return event.stopImmediatePropagation();
    const tab = event.target.closest?.('[role="tab"]');
    if (!tab || event.altKey || event.ctrlKey || event.metaKey) return;
    const tabs = [...tab.closest('[role="tablist"]').querySelectorAll('[role="tab"]:not(:disabled)')], at = tabs.indexOf(tab);
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: -1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const other = tabs.at(to % tabs.length);
    other.focus();
    other.click();
  }

  // … and stays closed at a click, after Escape
  function reopen({ target }) {
    if (target === document.activeElement && target.matches('[role="combobox"][aria-expanded="false"]')) target.blur();
  }

  for (const done of ["click", "pointerdown", "keydown", "paste", "drop", "change"]) addEventListener(done, empty, true);
  addEventListener("mousedown", reopen, true);
  addEventListener("paste", (event) => take(event, event.clipboardData), true);
  addEventListener("drop", drop, true);
  addEventListener("dragover", (event) => { if (open(".glass") && !writes(event.target)) event.preventDefault(); });
  addEventListener("change", choose, true);
  document.addEventListener("asked", ask);
  addEventListener("click", carry, true);
  addEventListener("keydown", move, true);
  addEventListener("unhandledrejection", refused);
  prepare();
  const watched = { childList: true, characterData: true, subtree: true, attributeFilter: ["class", "src"] };
  new MutationObserver(look).observe(document.body, watched);
}
