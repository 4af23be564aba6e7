// How a visitor hands over a photo: dropped, chosen, or pasted.

const ADDRESS = "I look at no addresses elsewhere: this page may ask no other site for anything. Save the photo and drop it here, or copy the picture itself and paste it.";
export const NOTHING_PASTED = "There is no picture to paste: copy one first.";

/**
 * @param {HTMLInputElement} input
 * @param {{photo: (file: Blob) => void, trouble: (sentence: string) => void}} page photo: given each photo
 */
export function takePhotos(input, page) {
  input.addEventListener("change", () => {
    const file = input.files?.[0];
    if (file) page.photo(file);
    input.value = ""; // the same photo again is a change too
  });
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dragging");
  });
  for (const end of ["dragleave", "drop"]) document.addEventListener(end, () => document.body.classList.remove("dragging"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    received(event.dataTransfer, page);
  });
  document.addEventListener("paste", (event) => {
    if (event.target instanceof HTMLInputElement && event.target !== input) return;
    event.preventDefault();
    received(event.clipboardData, page);
  });
}

/** @param {DataTransfer | null} data @param {{photo: (file: Blob) => void, trouble: (sentence: string) => void}} page */
function received(data, page) {
  const file = data?.files[0];
  if (file) page.photo(file);
  else read(data?.getData("text/uri-list") || data?.getData("text/plain") || "", page);
}

/**
 * An address: a photo that it holds itself (data:), or one of this very site.
 * @param {string} text @param {{photo: (file: Blob) => void, trouble: (sentence: string) => void}} page
 */
async function read(text, page) {
  const address = text.trim();
  try {
    const held = /^data:image\/[\w.+-]+((?:;[^,;]+)*),/i.exec(address);
    if (held) {
      const body = decodeURIComponent(address.slice(held[0].length)).replace(/\s/g, "");
      const bytes = /;base64/i.test(held[1]) ? atob(body.replace(/-/g, "+").replace(/_/g, "/")) : body;
      return page.photo(new Blob([Uint8Array.from(bytes, (letter) => letter.charCodeAt(0))]));
    }
    if (/^https?:/i.test(address) && new URL(address).origin === location.origin) {
      const answer = await fetch(address);
      if (answer.ok) return page.photo(await answer.blob());
    }
  } catch { /* no such address, or nothing there */ }
  page.trouble(/^https?:/i.test(address) ? ADDRESS : NOTHING_PASTED);
}

/** What the button "Paste" takes; browsers ask first. @param {{photo: (file: Blob) => void, trouble: (sentence: string) => void}} page */
export async function pasted(page) {
  try {
    for (const item of await navigator.clipboard.read()) {
      const type = item.types.find((one) => one.startsWith("image/"));
      if (type) return page.photo(await item.getType(type));
      if (item.types.includes("text/plain")) return read(await (await item.getType("text/plain")).text(), page);
    }
    page.trouble(NOTHING_PASTED);
  } catch {
    page.trouble("This browser gives the clipboard by its keys alone: press Ctrl+V, or ⌘V.");
  }
}
