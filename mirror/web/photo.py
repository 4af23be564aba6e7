"""How a visitor hands over a photo, the same in every tab: dropped, picked, pasted, taken or by its address."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from mirror.web.guard import Photo

NO_ADDRESS = "Please paste the address of a photo first: it begins with https://."
NO_PHOTO = "There is no photo: send one as a file or by its http(s) address."
# The camera fires nothing but `change`, which also follows each of our own answers: those come to nothing here
UPLOADS_ONLY = "(photo, ...others) => [photo?.url?.startsWith('data:') ? null : photo, ...others]"
FETCH = {"concurrency_id": "fetch", "concurrency_limit": 8}  # of every event that waits for somebody's server
# Of every event that takes no time: it waits for nobody. Not `queue=False`, which would need gradio's way around the
# queue (/run), and with it a way for visitors around every limit
QUICKLY = {"concurrency_id": "quick", "concurrency_limit": None}


@dataclass(frozen=True)
class Asking:
    """The components a photo comes through."""

    photo: Photo
    address: gr.Textbox
    go: gr.Button


def lay_out_photo(name: str = "") -> Asking:
    """In the current column. name: what the photo's element id begins with, where a page has several."""
    photo = Photo(
        label="Your photo", sources=["upload", "webcam", "clipboard"], height="min(400px, 42vh)",
        elem_id=f"{name}-photo" if name else "photo", elem_classes="glass", buttons=["fullscreen"],
        placeholder="Drop a photo here\nor click to choose one", alt_text="The photo you showed",
    )  # fmt: skip
    with gr.Row(elem_classes="address"):
        address = gr.Textbox(
            label="Or the address of a photo", placeholder="https://…", max_lines=1, scale=5, min_width=180,
            elem_classes="address-box",
        )  # fmt: skip
        go = gr.Button("Look", variant="primary", scale=1, min_width=88)
    return Asking(photo, address, go)
