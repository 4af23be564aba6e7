"""The files of the page without a server: what is in them, and that they are the same each time."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from mirror.answer_sentences import certainty, colours_sentence, nearest, not_found, regions_sentence, verdict
from mirror.describe import WORST_PHOTOS
from mirror.inference.classifier import Prediction
from mirror.model_folder import ModelFolder, read_model_folder
from mirror.static_site.model_page import model_page, sentences
from mirror.static_site.site_files import PREVIEW, RUNTIME, site_files
from mirror.wording import percent, plain, with_article

ROOT = Path(__file__).resolve().parents[2]
BUDGET = 7_000_000  # bytes that a visitor of the shipped mirror loads
PINNED = {  # sha256 of what npm's onnxruntime-web 1.30.0 holds, unpacked
    "ort.wasm.min.js": "219e6a1fc8a9938268d18efca3c91d310bd2f4a59bbd13744df5b2b7fc6cee3b",
    "ort-wasm-simd-threaded.js": "e13f7f94fc51b4ca72b12faeb1ee95f4ace6dfbc8939bc718aabdc0a27c4299b",
    "ort-wasm-simd-threaded.wasm.gz": "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
}


def site(files: dict[str, bytes]) -> dict[str, Any]:
    """What index.html tells its scripts."""
    found = re.search(rb'id="site">(.*?)</script>', files["index.html"])
    assert found
    return json.loads(found[1])


def test_the_same_models_make_the_same_bytes(files: dict[str, bytes]) -> None:
    mirror = read_model_folder(ROOT / "models" / "mirror")
    assert site_files([mirror]) == site_files([mirror])


def test_another_model_makes_another_build_and_other_addresses(files: dict[str, bytes]) -> None:
    alone = site_files([read_model_folder(ROOT / "models" / "mirror")])
    assert site(alone)["build"] != site(files)["build"]
    assert site(alone)["models"][0]["network"] == site(files)["models"][0]["network"]


def test_what_a_visitor_of_the_shipped_mirror_loads_is_within_the_budget(files: dict[str, bytes]) -> None:
    first = site(files)["models"][0]
    loaded = [name for name in files if name.startswith((RUNTIME, "app-")) or name.count("/") == 0]
    loaded += [first[key].split("?")[0] for key in ("network", "heat")]
    loaded += [one["icon"].split("?")[0] for one in first["examples"]]
    loaded = [name for name in loaded if not name.endswith(("LICENSE", PREVIEW))]  # the preview is for who shows a link
    assert sum(len(files[name]) for name in loaded) <= BUDGET


@pytest.mark.parametrize(("name", "sha256"), PINNED.items())
def test_the_runtime_is_what_npm_has(name: str, sha256: str) -> None:
    body = (ROOT / "mirror" / "static_site" / "ort" / name).read_bytes()
    assert hashlib.sha256(gzip.decompress(body) if name.endswith(".gz") else body).hexdigest() == sha256


def test_every_address_of_the_page_is_a_file_of_the_site(files: dict[str, bytes]) -> None:
    page = files["index.html"].decode()
    named = re.findall(r'(?:src|href)="([^"]+)"', page)
    for model in site(files)["models"]:
        named += [model["network"], model["heat"], model["note"]]
        named += [one[key] for one in model["examples"] for key in ("icon", "picture")]
    kept = re.search(rb"FILES = (\[.*?\]);", files["service-worker.js"])
    assert kept
    named += [name for name in json.loads(kept[1]) if name != "."]
    assert [name for name in named if name.split("?")[0] not in files] == []
    app = next(name for name in files if name.endswith("page.js")).rpartition("/")[0]
    scripts = {name: body.decode() for name, body in files.items() if name.startswith(app)}
    imported = [one for text in scripts.values() for one in re.findall(r'^import .* from "\./(.+)";', text, re.M)]
    assert {f"{app}/{name}" for name in imported} <= scripts.keys()


def test_labels_are_data_whatever_they_are_called(files: dict[str, bytes], tmp_path: Path) -> None:
    mirror = read_model_folder(ROOT / "models" / "mirror")
    info = dataclasses.replace(mirror.info, labels=("</script><script>alert(1)</script>", "<b>&amp;"))
    page = site_files([ModelFolder(mirror.path, info)])["index.html"].decode()
    assert "<script>alert" not in page and "<b>" not in page.split("</script>", 2)[2]
    assert json.loads(page.split('id="site">')[1].split("</script>")[0])["models"][0]["labels"] == list(info.labels)


def test_photos_that_are_not_ours_stay_out(files: dict[str, bytes]) -> None:
    mirror = read_model_folder(ROOT / "models" / "fashion")
    if WORST_PHOTOS not in mirror.info.files:
        pytest.skip("the shipped model's report shows no photos")
    without, with_photos = (site_files([mirror], photos_may_go=go)["models/fashion/about.html"] for go in (False, True))
    assert b"was most wrong about" in with_photos and len(without) < len(with_photos)


@pytest.mark.parametrize(
    "labels",
    [
        ("cygnet", "duckling"),
        ("ants", "bees", "SUV"),
        ("8-ball", "hour_glass"),
        ("Küken", "Bienen & Wespen"),
        ("Küken", "Bienen & Wespen"),
    ],
)
@pytest.mark.parametrize("share", [0.99, 0.75, 0.4])
def test_sentences_for_any_label_are_those_of_the_page(labels: tuple[str, ...], share: float) -> None:
    says = sentences(labels, "I see no garment.")
    for label in labels:
        it = with_article(label)
        rest = {other: (1 - share) / (len(labels) - 1) * 0.99 for other in labels if other != label}
        prediction = Prediction({label: share, **rest})
        if prediction.label != label:
            continue
        index = labels.index(label)
        likely = says["likely"][1] if share >= says["likely"][0] else says["perhaps"]
        said = says["sure"][1] if share >= says["sure"][0] else likely
        assert said[index] == verdict(prediction)
        assert says["certain"].replace("{percent}", percent(share)) == certainty(prediction)
        assert says["heat"].replace("{it}", it) == colours_sentence(label, cut=False)
        places = ["upper left", "middle"]
        where = "the upper left and the middle"
        assert says["looked"].replace("{where}", where) == regions_sentence(places, label)
        assert says["would"].replace("{where}", where).replace("{it}", it) == regions_sentence(
            places, label, known=False
        )
        assert says["looked_nowhere"].replace("{it}", it) == regions_sentence([], label)
        assert says["nearest"].replace("{label}", plain(label)) == nearest(label)
    assert says["unframed"] == not_found(labels, "I see no garment.")


def test_what_the_network_is_asked_with_is_what_model_json_says() -> None:
    info = read_model_folder(ROOT / "models" / "fashion").info
    page = model_page(info)
    assert page["preprocessing"]["prepare"] == "garment" and page["at_least"] == 320
    assert page["threshold"] == (info.novelty.threshold if info.novelty else None)
