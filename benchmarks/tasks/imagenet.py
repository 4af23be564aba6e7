"""The packaged model of 1,000 things against its float32 network: how many photos keep their label, and its size.

    python -m benchmarks.tasks.imagenet PHOTOS        # a folder of photos; about 5 minutes for 660 on 2 cores

As scripts/imagenet_model makes it: 32 photos of one half of the folder measure what rounding costs, and the other half
judges.
The network was taught ImageNet's 1,000 classes; the photos of ants and bees in hymenoptera_data are of two of them.
"""

from __future__ import annotations

import argparse
import tempfile
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import numpy as np

from benchmarks import ROOT
from mirror.export.int8_gate import UNJUDGED, PreprocessedImages, compare, evenly_spaced, outputs_of
from mirror.export.quantize import Quantizer
from mirror.model_folder import read_model_folder
from mirror.tasks.imagenet import FOLDER


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("photos", type=Path, help="a folder of photos")
    made_by = script()
    kinds = (".jpg", ".jpeg", ".png")
    files = sorted(path for path in parser.parse_args().photos.rglob("*") if path.suffix.lower() in kinds)
    few = evenly_spaced(files[::2], made_by.MEASURED)
    measured, judged = (PreprocessedImages(some, made_by.PREPROCESSING) for some in (few, files[1::2]))
    shipped = read_model_folder(FOLDER)
    with tempfile.TemporaryDirectory() as scratch:
        full, activations = Path(scratch, "full.onnx"), Path(scratch, "activations.onnx")
        made_by.compiled(made_by.packaged_weights(made_by.PACKAGED), full)
        Quantizer(full, list(measured)).write(activations)
        before = outputs_of(full, judged)[0]
        print(f"| on {len(judged)} photos | size | of float32's labels |\n| --- | ---: | ---: |")
        print(f"| float32 | {full.stat().st_size / 1e6:.2f} MB | 100 % |")
        for name, file in (
            ("weights of 8 and 16 bits (shipped)", shipped.path / shipped.info.onnx.file),
            ("activations of 8 bits too", activations),
        ):
            result = compare(name, before, outputs_of(file, judged)[0], np.full(len(judged), UNJUDGED))
            print(f"| {name} | {file.stat().st_size / 1e6:.2f} MB | {100 * result.agreement:.1f} % |", flush=True)


def script():  # -> the module of scripts/imagenet_model
    loader = SourceFileLoader("imagenet_model", str(ROOT / "scripts" / "imagenet_model"))
    module = module_from_spec(spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
