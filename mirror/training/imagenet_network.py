"""timm's EfficientNet-Lite0 with ImageNet weights → a model folder that knows 1,000 everyday things.

    python -m mirror.training.imagenet_network WEIGHTS FOLDER

`mirror/tasks/imagenet.py` runs it once, where the Hugging Face Hub cannot be reached. The labels are those of the Hub's
ImageNet models ("tabby, tabby cat"), as timm's `ImageNetInfo` has them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from mirror.errors import MirrorError, UnsupportedLearner
from mirror.export.graph import fold_shapes
from mirror.export.onnx_export import export_network, quiet, versions
from mirror.export.parity import LARGEST_DIFFERENCE, synthetic_photos
from mirror.inference.classifier import softmax
from mirror.inference.preprocess import preprocess
from mirror.inference.sandbox import confine
from mirror.inference.session import OnnxModel
from mirror.model_folder import ModelFolder, write_model_folder
from mirror.model_schema import ModelInfo, OnnxInfo, Parity, Preprocessing
from mirror.terminal import warn
from mirror.training.pretrained import find_architecture, load_into, load_weights

ARCH = "tf_efficientnet_lite0"
# timm's for this network (its PretrainedCfg): the short side to 256 px, bicubic, and of that the middle 224 (0.875)
PREPROCESSING = Preprocessing(
    resize="crop", size=(256, 256), resample="bicubic", crop=(224, 224), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)
)
CRANES = {517: "crane (machine)"}  # the one name that ImageNet gives twice; 134 is the bird


def compile_imagenet(weights: Path, folder: Path) -> ModelFolder:
    """Makes the model folder of a state dict in the network's order. Raises WeightsError, ModelFolderError."""
    import timm
    import torch

    network = timm.create_model(ARCH, pretrained=False).eval()
    state, _ = load_weights(find_architecture(ARCH), weights)
    load_into(network, state, str(weights))

    def build(building: Path) -> ModelInfo:
        onnx = building / "model.onnx"
        with quiet():
            outputs = export_network(network, PREPROCESSING.input_size, onnx)
            fold_shapes(onnx)
        pixels = np.stack([preprocess(photo, PREPROCESSING) for photo in synthetic_photos()])
        with torch.no_grad():
            theirs = network.eval()(torch.from_numpy(pixels)).numpy()  # exporting leaves it in training mode
        difference = float(np.abs(softmax(OnnxModel(onnx).run(pixels)[0]) - softmax(theirs)).max())
        if not difference <= LARGEST_DIFFERENCE:
            raise UnsupportedLearner(f"The compiled {ARCH} differs from timm's by {difference:.2g} in a probability.")
        return ModelInfo(
            name="imagenet",
            labels=labels(),
            preprocessing=PREPROCESSING,
            onnx=OnnxInfo(file=onnx.name, outputs=outputs),
            arch=ARCH,
            versions=versions(),
            parity=Parity("timm", len(pixels), difference),
        )

    return write_model_folder(folder, build)


def labels() -> tuple[str, ...]:
    """ImageNet's 1,000, in the order of the logits, each once."""
    from timm.data import ImageNetInfo

    names = ImageNetInfo()
    return tuple(CRANES.get(i) or names.index_to_description(i) for i in range(names.num_classes()))


def main(weights: str, folder: str) -> int:
    confine()
    try:
        compile_imagenet(Path(weights), Path(folder))
    except MirrorError as error:
        warn(error)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
