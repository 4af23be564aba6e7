// How a visitor hands over a photo: dropped, chosen, or pasted.

const ADDRESS = "I look at no addresses: this page may ask no other site for anything. Save the photo and drop it here, or copy the picture itself and paste it.";
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
  else page.trouble(/https?:/.test(data?.getData("text/uri-list") || data?.getData("text/plain") || "") ? ADDRESS : NOTHING_PASTED);
}

/** What the button "Paste" takes; browsers ask first. @param {{photo: (file: Blob) => void, trouble: (sentence: string) => void}} page */
export async function pasted(page) {
  try {
    for (const item of await navigator.clipboard.read()) {
      const type = item.types.find((one) => one.startsWith("image/"));
      if (type) return page.photo(await item.getType(type));
    }
    page.trouble(NOTHING_PASTED);
  } catch {
    page.trouble("This browser gives the clipboard by its keys alone: press Ctrl+V, or ⌘V.");
  }
}
