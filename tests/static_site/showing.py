"""How a photo is handed to the page without a server."""

from __future__ import annotations

import base64

from tests.static_site.conftest import Visit
from tests.static_site.formats import EXAMPLES

DUCKLING, CYGNET = EXAMPLES / "duckling.jpg", EXAMPLES / "cygnet.jpg"
SHOW = """async ([how, coded, type]) => {
  const data = new DataTransfer();
  if (coded !== null) data.items.add(new File([Uint8Array.from(atob(coded), c => c.charCodeAt(0))], "photo", {type}));
  else data.setData("text/plain", type);
  const event = how === "paste" ? new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true})
    : new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true});
  document.body.dispatchEvent(event);
}"""


def show(visit: Visit, how: str, body: bytes | None, kind: str = "image/jpeg") -> None:
    """A photo that is dropped or pasted; without one, the text `kind`."""
    visit.page.evaluate(SHOW, [how, None if body is None else base64.b64encode(body).decode(), kind])
