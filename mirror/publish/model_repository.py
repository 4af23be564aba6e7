"""The model repository: the model folder, and what other programs look for in one.

    learner.pkl                    `huggingface_hub.from_pretrained_fastai` opens it as model.pkl, with pyproject.toml
    model.onnx, heat.onnx          `mirror predict --model FOLDER`
    config.json, preprocessor_config.json, onnx/model.onnx, onnx/model_quantized.onnx
                                   transformers.js: `pipeline("image-classification", "OWNER/NAME")`

transformers.js asks for model.onnx or model_quantized.onnx, by the device; here both are the network that serves, whose
input is called `pixel_values` there.
"""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np

from mirror.errors import require_installed
from mirror.model_folder import ModelFolder
from mirror.model_schema import ModelInfo, Preprocessing
from mirror.publish.published_files import MARK, MARK_TEXT
from mirror.publish.published_model import model_files
from mirror.tasks.hub_layout import CONFIG, NETWORK, QUANTIZED

PICKLE_OF_HUB = "model.pkl"  # the name that from_pretrained_fastai opens
INPUT = "pixel_values"
# What transformers.js takes to be a network of one input and `logits`; the network itself is in the file
FAMILIES = {"resnet": "resnet", "tf_efficientnet": "efficientnet", "efficientnet": "efficientnet"}
OTHER_FAMILY = "resnet"
FASTAI = """\
With fastai (`pip install "huggingface_hub[fastai]"`):

```python
from huggingface_hub import from_pretrained_fastai

learner = from_pretrained_fastai("OWNER/NAME")
```"""
TRANSFORMERS = """\
In the browser, with transformers.js, whose own resize makes its probabilities differ a little, and which never answers
with none of the labels:

```js
import { pipeline } from "@huggingface/transformers";

const classify = await pipeline("image-classification", "OWNER/NAME");
```"""
RESAMPLE = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4, "hamming": 5}  # PIL's numbers


def model_repository(
    model: ModelFolder, *, repository: str | None = None, photos_may_go: bool = False
) -> dict[str, bytes]:
    """Path → content. repository: OWNER/NAME, where it is known; photos_may_go: the report may show photos. Raises
    NotInstalled without the package onnx, ModelFolderError for a file that is not what model.json records."""
    info, in_browsers = model.info, is_expressible(model.info.preprocessing)

    def finish_card(card: str) -> str:
        return _finished(card, info, repository or "OWNER/NAME", in_browsers)

    files = model_files(model, serving=False, photos_may_go=photos_may_go, finish_card=finish_card)
    files[MARK] = MARK_TEXT
    if in_browsers:
        network = for_transformers(model.read(info.onnx.file), info.temperature)
        files |= {
            CONFIG: _json(config(info)),
            "preprocessor_config.json": _json(preprocessor_config(info.preprocessing)),
            NETWORK: network,
            QUANTIZED: network,
        }
    if info.pickle in files:
        files |= {PICKLE_OF_HUB: files[info.pickle], "pyproject.toml": _pyproject(info)}
    return files


def for_transformers(network: bytes, temperature: float) -> bytes:
    """The ONNX network as transformers.js asks it: its one input is called `pixel_values`, and its logits are divided
    by the temperature, for which there is no setting there."""
    require_installed("The model repository", "onnx")
    import onnx

    proto = onnx.load_from_string(network)
    graph, before = proto.graph, proto.graph.input[0].name
    graph.input[0].name = INPUT
    for node in graph.node:
        node.input[:] = [INPUT if name == before else name for name in node.input]
    if temperature != 1:
        for node in graph.node:
            node.output[:] = ["network_logits" if name == "logits" else name for name in node.output]
            node.input[:] = ["network_logits" if name == "logits" else name for name in node.input]
        graph.initializer.append(onnx.numpy_helper.from_array(np.float32(temperature).reshape(1), "temperature"))
        graph.node.append(onnx.helper.make_node("Div", ["network_logits", "temperature"], ["logits"]))
    return proto.SerializeToString(deterministic=True)


def is_expressible(preprocessing: Preprocessing) -> bool:
    """Whether transformers.js can do nearly what is done to a photo here: it neither pads by reflection nor opens
    a photo in grey, nor finds a garment on its background."""
    plain = preprocessing.prepare == "none" and not preprocessing.batch_resizes
    return plain and preprocessing.resize in ("squish", "crop") and preprocessing.crop is None


def config(info: ModelInfo) -> dict[str, Any]:
    """config.json, as transformers writes it for an image classifier."""
    arch = info.arch or ""
    return {
        "model_type": next((family for prefix, family in FAMILIES.items() if arch.startswith(prefix)), OTHER_FAMILY),
        "id2label": {str(number): label for number, label in enumerate(info.labels)},
        "label2id": {label: number for number, label in enumerate(info.labels)},
        "num_labels": len(info.labels),
    }


def preprocessor_config(preprocessing: Preprocessing) -> dict[str, Any]:
    """preprocessor_config.json. Where the middle is cut out, transformers resizes first and cuts then, and not the
    other way round as here: answers differ by a little."""
    height, width = preprocessing.size
    middle = preprocessing.resize == "crop"
    return {
        "image_processor_type": "CLIPImageProcessor" if middle else "ViTImageProcessor",
        "do_convert_rgb": True,
        "do_resize": True,
        "size": {"shortest_edge": max(height, width)} if middle else {"height": height, "width": width},
        "resample": RESAMPLE[preprocessing.resample],
        "do_center_crop": middle,
        "crop_size": {"height": height, "width": width},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(preprocessing.mean),
        "image_std": list(preprocessing.std),
    }


def _json(value: dict[str, Any]) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def _pyproject(info: ModelInfo) -> bytes:
    """The versions that from_pretrained_fastai compares; it reads what follows the first `=`."""
    versions = {name: info.versions.get(name, "") for name in ("fastai", "fastcore")}
    wanted = [f'"{name}={version}"' for name, version in versions.items() if re.fullmatch(r"[\w.+!-]+", version)]
    return f"[build-system]\nrequires = [{', '.join(wanted)}]\n".encode()


def _finished(card: str, info: ModelInfo, repository: str, in_browsers: bool) -> str:
    """The card with the ways to open the model from the Hub."""
    from huggingface_hub import ModelCard

    made = ModelCard(card)
    made.data["tags"] = [*made.data["tags"], *(["transformers.js"] if in_browsers else [])]
    ways = [FASTAI] * bool(info.pickle) + [TRANSFORMERS] * in_browsers
    told = ["## From the Hub", *(way.replace("OWNER/NAME", repository) for way in ways)] if ways else []
    return "\n\n".join([str(made).rstrip(), *told]) + "\n"
