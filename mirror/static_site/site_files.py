"""Models → the page without a server, as files for any static host: the visitor's browser answers.

    site_files([read_model_folder("models/mirror")])

Nothing of it asks another origin for anything, which its Content-Security-Policy holds it to. Addresses of what changes
hold a hash of its bytes, so that an old file is never taken for a new one.
"""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from mirror import answer_sentences, model_note
from mirror.describe import SHOWING_PHOTOS, WORST_PHOTOS
from mirror.images import load_image, small_jpeg
from mirror.model_folder import MODEL_JSON, ModelFolder, published_name
from mirror.page_pictures import icon, link_preview
from mirror.palette import DARK, LIGHT, SERIF, variables
from mirror.static_site.browser_onnx import for_browsers
from mirror.static_site.model_page import model_page
from mirror.static_site.site_tabs import FACES, LICENSES, TITLES, NetworkTab, faces_tab, tab_page
from mirror.templates import FOLDER, render
from mirror.typed_json import encode, without_extra
from mirror.wording import plain

HERE = Path(__file__).parent
RUNTIME = "ort-1.30.0"  # onnxruntime-web's version, and the folder of its files on the site
WASM = "ort-wasm-simd-threaded.wasm.gz"
THUMBNAIL_PIXELS = 192  # twice what a tile shows, for screens that are twice as fine
PREVIEW = "preview.jpg"
NETWORK = "network.onnx.gz"  # of a tab, in its folder
ICON_PIXELS = (192, 512)  # what Android asks for, and iOS takes

Examples = Mapping[str, bytes]  # file name → picture


def site_files(
    models: Sequence[ModelFolder],
    *,
    tabs: Mapping[str, ModelFolder | NetworkTab | None] = MappingProxyType({}),
    examples: Callable[[ModelFolder], Examples] = lambda model: {},
    photos_may_go: bool = False,
    address: str = "",
) -> dict[str, bytes]:
    """Path → content of the site, the same bytes each time. The first of `models` is shown first.

    tabs: further ones (site_tabs.py), by their names, each with what answers in it; None for faces.
    examples: pictures to click for a model, by their names. photos_may_go: the pictures of a model's report may show
    photos that it was judged by. address: where the files are to lie, with a / at its end, for the preview of a link;
    "" where that is not known. Raises ModelFolderError for a file that is not what its model.json records, ImageError
    for an example that is no picture.
    """
    parts = sorted([*(HERE / "page").iterdir(), FOLDER / "share.js"], key=lambda path: path.name)
    app = {path.name: path.read_bytes() for path in parts if path.is_file()}
    if FACES not in tabs:
        del app["faces.js"]
    app["page.css"] = _stylesheet(app["page.css"])
    worker = app.pop("service_worker.js")
    folder = f"app-{_digest(*app.values())}"
    files = {f"{folder}/{name}": body for name, body in app.items()}
    files |= {f"{RUNTIME}/{path.name}": path.read_bytes() for path in sorted((HERE / "ort").iterdir())}
    kept = [".", "manifest.webmanifest", "icon.svg", *(name for name in files if not name.endswith("LICENSE"))]
    files |= {f"icon-{pixels}.png": icon(pixels) for pixels in ICON_PIXELS}
    files["icon.svg"] = (FOLDER / "favicon.svg").read_bytes()
    files["manifest.webmanifest"] = _manifest(answer_sentences.title(models[0].info.labels))
    pages = []
    pictures = [examples(model) for model in models]
    for model, clickable in zip(models, pictures, strict=True):
        name = published_name(model.info)
        shown = publishable(model, photos_may_go)
        page, own, first = _model_files(shown, clickable, f"models/{name}", f"examples/{name}")
        pages.append(page)
        files |= own
        kept += first if model is models[0] else []
    further = []
    for tab, folder_of_tab in tabs.items():
        entry, own = _tab_files(tab, folder_of_tab, examples, pages[0], photos_may_go)
        further.append(entry)
        files |= own
    files[PREVIEW] = link_preview(pictures[0].values())
    preview = f"{address}{PREVIEW}"
    plain_index = _index(folder, pages, further, "", preview)
    build = _digest(*(f"{name}\n".encode() + body for name, body in files.items()), plain_index, worker)
    files["index.html"] = _index(folder, pages, further, build, preview)
    files["service-worker.js"] = worker.replace(b'"BUILD"', _json(build)).replace(b'["FILES"]', _json(kept))
    return dict(sorted(files.items()))


def _index(app: str, pages: list[dict[str, Any]], tabs: list[dict[str, str]], build: str, preview: str) -> bytes:
    loads = (HERE / "ort" / WASM).stat().st_size  # bytes
    site = {"build": build, "runtime": f"{RUNTIME}/", "runtime_bytes": loads, "models": pages, "tabs": tabs}
    call, rest = pages[0]["question"]
    return render(
        "static_page.html",
        app=app,
        site=Markup(_json(site).decode().replace("<", "\\u003c")),
        pages=pages,
        tabs=[(tab["name"], TITLES[tab["name"]]) for tab in tabs],
        title=f"{call} {rest}".strip(),
        preview=preview,
        crest=Markup((FOLDER / "favicon.svg").read_text("utf-8")),
        light=LIGHT,
        dark=DARK,
    ).encode()


@lru_cache(maxsize=8)
def _packed(network: bytes) -> bytes:
    """It takes a second, and a publication builds the page for its plan, its trial and the Hub."""
    return gzip.compress(for_browsers(network), 9, mtime=0)


def _model_files(
    model: ModelFolder, examples: Examples, folder: str, place: str
) -> tuple[dict[str, Any], dict[str, bytes], list[str]]:
    """What the page knows of a model, the model's files, and the addresses of those that are kept for when there is no
    network. folder: of its files; place: of the pictures to click."""
    info = model.info
    told = encode(without_extra(info))
    about = model_note.note(info) + model_note.pictures(model)
    files = {
        f"{folder}/{MODEL_JSON}": (json.dumps(told, indent=1, ensure_ascii=False) + "\n").encode(),
        f"{folder}/about.html": about.encode(),
    }
    networks = {}
    for key, name in (("network", info.onnx.file), ("heat", info.onnx.heat)):
        networks[key] = f"{folder}/{key}.onnx.gz" if name else None
        if name:
            files[f"{folder}/{key}.onnx.gz"] = _packed(model.read(name))
    tiles = []
    for name, body in examples.items():
        path = Path(name)
        files[f"{place}/{path.name}"] = body
        files[f"{place}/small/{path.name}.jpg"] = small_jpeg(load_image(body), THUMBNAIL_PIXELS, 85)
        tiles.append(
            {
                "name": plain(path.stem).replace("-", " "),
                "picture": f"{place}/{path.name}",
                "icon": f"{place}/small/{path.name}.jpg",
            }
        )

    def addressed(name: str | None) -> str | None:
        return _addressed(name, files[name]) if name else None

    page = model_page(info)
    page["loads"] = len(files[networks["network"] or ""])  # bytes
    page |= {key: addressed(name) for key, name in networks.items()}
    page["note"] = addressed(f"{folder}/about.html")
    page["examples"] = [
        {"name": tile["name"], "picture": addressed(tile["picture"]), "icon": addressed(tile["icon"])} for tile in tiles
    ]
    kept = [page["network"], page["heat"], page["note"]]
    kept += [tile["icon"] for tile in page["examples"]]  # the pictures themselves once they were clicked
    return page, files, [name for name in kept if name]


def _tab_files(
    tab: str, model: ModelFolder | NetworkTab | None, examples: Callable[[ModelFolder], Examples],
    first: dict[str, Any], photos_may_go: bool,
) -> tuple[dict[str, str], dict[str, bytes]]:  # fmt: skip
    """What the page knows of a further tab before it is opened, and its files. first: the page of the first model,
    whose pictures to click serve a tab that has none."""
    folder = f"tabs/{tab}"
    if not isinstance(model, ModelFolder):
        made = model or faces_tab()
        network, note = f"{folder}/{NETWORK}", f"{folder}/about.html"
        files = {network: _packed(made.network), note: made.note.encode()}
        page = {"examples": first["examples"]} | made.page | {"loads": len(files[network])}
        page |= {"network": _addressed(network, files[network]), "note": _addressed(note, files[note])}
    else:
        page, files, _ = _model_files(publishable(model, photos_may_go), examples(model), folder, f"examples/{folder}")
        own = tab_page(tab, model.info)
        page |= own | {"says": page["says"] | own.get("says", {}), "examples": page["examples"] or first["examples"]}
    if tab in LICENSES:
        files[f"{folder}/{LICENSES[tab].name}"] = LICENSES[tab].read_bytes()
    files[f"{folder}/page.json"] = _json(page)
    return {"name": tab, "page": _addressed(f"{folder}/page.json", files[f"{folder}/page.json"])}, files


def publishable(model: ModelFolder, photos_may_go: bool) -> ModelFolder:
    """The model without what of its report shows photos, unless that may go."""
    if photos_may_go or WORST_PHOTOS not in model.info.files:
        return model
    kept = {name: recorded for name, recorded in model.info.files.items() if name not in SHOWING_PHOTOS}
    return ModelFolder(model.path, dataclasses.replace(model.info, files=kept))


def _stylesheet(own: bytes) -> bytes:
    """Both palettes as variables, what all pages share, then the page's own."""
    night = f"@media (prefers-color-scheme: dark) {{ :root {{ {variables(DARK)} }} }}"
    colours = f":root {{ {variables(LIGHT)} --mirror-serif: {SERIF}; }}\n{night}\n"
    return colours.encode() + (FOLDER / "shared.css").read_bytes() + own


def _manifest(title: str) -> bytes:
    """What a browser needs to install the page (https://www.w3.org/TR/appmanifest/)."""
    icons = [{"src": f"icon-{side}.png", "sizes": f"{side}x{side}", "type": "image/png"} for side in ICON_PIXELS]
    return _json(
        {
            "name": title,
            "short_name": "Mirror",
            "start_url": ".",
            "scope": ".",
            "display": "standalone",
            "background_color": LIGHT.page,
            "theme_color": LIGHT.page,
            "icons": [*icons, {"src": "icon.svg", "sizes": "any", "type": "image/svg+xml"}],
        }
    )


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _addressed(name: str, content: bytes) -> str:
    return f"{quote(name)}?v={_digest(content)}"


def _digest(*contents: bytes) -> str:
    return hashlib.sha256(b"".join(contents)).hexdigest()[:10]
