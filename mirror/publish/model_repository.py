"""The model repository: the model folder, and what other programs look for in one.

    learner.pkl                    `huggingface_hub.from_pretrained_fastai` opens it as model.pkl, with pyproject.toml
    model.onnx, heat.onnx          `mirror predict --model FOLDER`
    config.json, preprocessor_config.json, onnx/model.onnx, onnx/model_quantized.onnx
                                   transformers.js: `pipeline("image-classification", "OWNER/NAME")`

transformers.js asks for model.onnx or model_quantized.onnx, by the device; here both are the network that serves. Its
input is called `pixel_values` there, which is all that differs from model.onnx.
"""

from __future__ import annotations

import json
from typing import Any

from mirror.errors import require_installed
from mirror.model_folder import ModelFolder
from mirror.model_schema import ModelInfo, Preprocessing
from mirror.publish.published_files import MARK, MARK_TEXT
from mirror.publish.published_model import CARD, model_files

PICKLE_OF_HUB = "model.pkl"  # the name that from_pretrained_fastai opens
INPUT = "pixel_values"
# What transformers.js takes to be a network of one input and `logits`; the network itself is in the file
FAMILIES = {"resnet": "resnet", "tf_efficientnet": "efficientnet", "efficientnet": "efficientnet"}
OTHER_FAMILY = "resnet"
RESAMPLE = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4, "hamming": 5}  # PIL's numbers


def model_repository(
    model: ModelFolder, *, license: str | None = None, photos_may_go: bool = False
) -> dict[str, bytes]:
    """Path → content. license: of the model, for the card; photos_may_go: the report may show photos. Raises
    NotInstalled without the package onnx, ModelFolderError for a file that is not what model.json records."""
    files = model_files(model, serving=False, photos_may_go=photos_may_go)
    info = model.info
    network = with_input_named(model.read(info.onnx.file), INPUT)
    files |= {
        MARK: MARK_TEXT,
        "config.json": _json(config(info)),
        "preprocessor_config.json": _json(preprocessor_config(info.preprocessing)),
        "onnx/model.onnx": network,
        "onnx/model_quantized.onnx": network,
    }
    if info.pickle in files:
        files |= {PICKLE_OF_HUB: files[info.pickle], "pyproject.toml": _pyproject(info)}
    files[CARD] = _usage(files[CARD].decode(), info, license).encode()
    return files


def with_input_named(network: bytes, name: str) -> bytes:
    """The ONNX network with its one input called `name`."""
    require_installed("The model repository", "onnx")
    import onnx

    proto = onnx.load_from_string(network)
    before = proto.graph.input[0].name
    proto.graph.input[0].name = name
    for node in proto.graph.node:
        for number, given in enumerate(node.input):
            if given == before:
                node.input[number] = name
    return proto.SerializeToString(deterministic=True)


def config(info: ModelInfo) -> dict[str, Any]:
    """config.json, as transformers writes it for an image classifier."""
    names = dict(enumerate(info.labels))
    arch = info.arch or ""
    family = next((family for prefix, family in FAMILIES.items() if arch.startswith(prefix)), OTHER_FAMILY)
    return {
        "model_type": family,
        "id2label": {str(number): label for number, label in names.items()},
        "label2id": {label: number for number, label in names.items()},
        "num_labels": len(names),
    }


def preprocessor_config(preprocessing: Preprocessing) -> dict[str, Any]:
    """preprocessor_config.json: the resize as far as transformers.js knows it. It resizes the short side and cuts out
    the middle where this program cuts first, and cannot pad by reflection, so that its answers differ by a little."""
    height, width = preprocessing.size
    squish = preprocessing.resize == "squish"
    settings: dict[str, Any] = {
        "image_processor_type": "ViTImageProcessor",
        "do_resize": preprocessing.resize != "none",
        "size": {"height": height, "width": width} if squish else {"shortest_edge": min(height, width)},
        "resample": RESAMPLE[preprocessing.resample],
        "do_center_crop": not squish,
        "crop_size": {"height": height, "width": width},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(preprocessing.mean),
        "image_std": list(preprocessing.std),
    }
    if preprocessing.crop is not None:
        crop_height, crop_width = preprocessing.crop
        settings |= {"do_center_crop": True, "crop_size": {"height": crop_height, "width": crop_width}}
    return settings


def _json(value: dict[str, Any]) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def _pyproject(info: ModelInfo) -> bytes:
    """The versions that from_pretrained_fastai compares; it reads what follows the first `=`."""
    wanted = [f'"{name}={info.versions[name]}"' for name in ("fastai", "fastcore") if name in info.versions]
    return f"[build-system]\nrequires = [{', '.join(wanted)}]\n".encode()


def _usage(card: str, info: ModelInfo, license: str | None) -> str:
    """The card with the licence, and with the ways to open the model from the Hub."""
    from huggingface_hub import ModelCard

    made = ModelCard(card)
    made.data["license"] = license
    made.data["tags"] = [*made.data["tags"], "transformers.js"]
    text = str(made).rstrip()
    ways = 'from huggingface_hub import from_pretrained_fastai\n\nlearner = from_pretrained_fastai("OWNER/NAME")\n'
    python = f"\n\nFrom the Hub, with fastai:\n\n```python\n{ways}```" if info.pickle else ""
    script = 'import { pipeline } from "@huggingface/transformers";\n\n' + (
        'const classify = await pipeline("image-classification", "OWNER/NAME");\n'
    )
    return (
        f"{text}{python}\n\nIn the browser, with transformers.js (its own resize, so its probabilities differ a "
        f"little; it never answers with none of the labels):\n\n```js\n{script}```\n"
    )
