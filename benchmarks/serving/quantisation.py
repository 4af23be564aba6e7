"""What 8-bit integers gain and cost: one network run by every engine that is installed, side by side.

    python -m benchmarks.serving.quantisation LEARNER.pkl PHOTOS      # PHOTOS: a folder a label, as for --calibrate
    pip install openvino nncf                                 # for their rows; they are left out where not installed

Every second photo calibrates, the others (at most --photos) are what the answers are compared on. Each row: the median
time of one photo, the ratio to fp32 in onnxruntime, and what changes in the answers. The engines take turns, photo by
photo, so that a machine that slows down slows all. Preprocessing is left out.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from mirror.export.int8_gate import CALIBRATION_PHOTOS, PreprocessedImages, evenly_spaced
from mirror.export.learner_opening import open_learner
from mirror.export.onnx_export import compile_learner
from mirror.export.quantize import Quantizer
from mirror.inference.classifier import softmax
from mirror.inference.session import OnnxModel, available_cpus

Run = Callable[[np.ndarray], np.ndarray]  # pixels [1, 3, h, w] → logits [1, L]


def onnx_engine(path: Path) -> Run:
    engine = OnnxModel(path)
    return lambda pixels: engine.run(pixels)[0]


def plain_int8(network: Path, photos: list[np.ndarray], prepared: bool, signed: bool) -> Path:
    """onnxruntime's own static quantisation, as its documentation has it: MinMax, per channel."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Photos(CalibrationDataReader):
        def __init__(self) -> None:
            self.left = iter(photos)

        def get_next(self) -> dict[str, np.ndarray] | None:
            photo = next(self.left, None)
            return None if photo is None else {"pixels": photo[None]}

    target = network.with_name(f"plain-{prepared}-{signed}.onnx")
    if prepared:
        quant_pre_process(str(network), str(source := network.with_name("prepared.onnx")))
    else:
        source = network
    kind = QuantType.QInt8 if signed else QuantType.QUInt8
    quantize_static(
        str(source), str(target), Photos(), quant_format=QuantFormat.QDQ, per_channel=True,
        activation_type=kind, weight_type=QuantType.QInt8,
    )  # fmt: skip
    return target


def ours(quantizer: Quantizer, network: Path, first: int) -> Path:
    target = network.with_name(f"ours-{first}.onnx")
    quantizer.write(target, first)
    return target


def torch_eager(model, channels_last: bool = False) -> Run:
    import copy

    import torch

    torch.set_num_threads(available_cpus())
    layout = torch.channels_last if channels_last else torch.contiguous_format
    model = copy.deepcopy(model).eval().to(memory_format=layout)

    def run(pixels: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return model(torch.from_numpy(pixels).contiguous(memory_format=layout)).numpy()

    return run


def torch_frozen(model, example: np.ndarray) -> Run:
    """torch's own export for inference: traced, its BatchNorms folded, channels last."""
    import torch

    with torch.inference_mode():
        example = torch.from_numpy(example).contiguous(memory_format=torch.channels_last)
        model = model.eval().to(memory_format=torch.channels_last)
        frozen = torch.jit.freeze(torch.jit.trace(model, example, check_trace=False))

    def run(pixels: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return frozen(torch.from_numpy(pixels).contiguous(memory_format=torch.channels_last)).numpy()

    return run


def openvino(network: Path, photos: list[np.ndarray] | None = None) -> Run:
    """fp32, or with photos int8 by NNCF. float32 sums are asked for where it would take bfloat16."""
    import openvino as ov

    core = ov.Core()
    model = core.read_model(network)
    if photos:
        import nncf

        model = nncf.quantize(model, nncf.Dataset([photo[None] for photo in photos]), subset_size=len(photos))
    options = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": available_cpus(),
    }
    compiled = core.compile_model(model, "CPU", options)
    logits = compiled.output("logits")
    return lambda pixels: compiled(pixels)[logits]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("learner", type=Path, metavar="LEARNER.pkl")
    parser.add_argument("folder", type=Path, metavar="PHOTOS")
    parser.add_argument("--photos", type=int, default=100, help="to compare answers on (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=60, help="timed runs of each engine (default: %(default)s)")
    options = parser.parse_args()
    files = sorted(path for path in options.folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    if len(files) < 20:
        print(f"quantisation.py: {options.folder} holds too few photos.", file=sys.stderr)
        return 1
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as place:
        network = Path(place) / "model.onnx"
        compiled = compile_learner(options.learner, network)
        calibration = list(PreprocessedImages(evenly_spaced(files[::2], CALIBRATION_PHOTOS), compiled.preprocessing))
        judged = list(PreprocessedImages(evenly_spaced(files[1::2], options.photos), compiled.preprocessing))
        model = open_learner(options.learner).model
        start = time.perf_counter()
        quantizer = Quantizer(network, calibration)
        measured = time.perf_counter() - start
        rows: dict[str, Callable[[], Run]] = {
            "onnxruntime fp32": lambda: onnx_engine(network),
            "onnxruntime int8, ours": lambda: onnx_engine(ours(quantizer, network, 0)),
            "… the first three layers in fp32": lambda: onnx_engine(ours(quantizer, network, 3)),
            "… the first layer in fp32": lambda: onnx_engine(ours(quantizer, network, 1)),
            "onnxruntime int8, MinMax, uint8 activations": lambda: onnx_engine(
                plain_int8(network, calibration, prepared=True, signed=False)
            ),
            "… without quant_pre_process": lambda: onnx_engine(
                plain_int8(network, calibration, prepared=False, signed=False)
            ),
            "… with int8 activations": lambda: onnx_engine(
                plain_int8(network, calibration, prepared=True, signed=True)
            ),
            "OpenVINO fp32": lambda: openvino(network),
            "OpenVINO int8 (NNCF)": lambda: openvino(network, calibration),
            "torch eager": lambda: torch_eager(model),
            "torch eager, channels last": lambda: torch_eager(model, channels_last=True),
            "torch traced and frozen, channels last": lambda: torch_frozen(model, judged[0][None]),
        }
        engines: dict[str, Run] = {}
        for name, make in rows.items():
            try:
                engines[name] = make()
            except ImportError as error:
                print(f"{name}: left out, for {error.name} is not installed.")
        table(engines, judged, options.rounds)
    print(f"\nmeasuring the network for ours: {measured:.1f} s on {len(calibration)} photos, {available_cpus()} CPUs")
    return 0


def table(engines: dict[str, Run], photos: list[np.ndarray], rounds: int) -> None:
    logits = {name: np.concatenate([run(photo[None]) for photo in photos]) for name, run in engines.items()}
    times: dict[str, list[float]] = {name: [] for name in engines}
    for turn in range(rounds):
        pixels = photos[turn % len(photos)][None]
        for name, run in engines.items():
            start = time.perf_counter()
            run(pixels)
            times[name].append(time.perf_counter() - start)
    base, *_ = engines
    before = softmax(logits[base])
    height, width = photos[0].shape[1:]
    columns = f"ms | times as fast | mean change in a probability | same label of {len(photos)}"
    print(f"\n| {before.shape[1]} labels, {width}x{height} px | {columns} |\n| --- | ---: | ---: | ---: | ---: |")
    for name in engines:
        after, took = softmax(logits[name]), 1000 * statistics.median(times[name])
        ratio = 1000 * statistics.median(times[base]) / took
        same = int((after.argmax(axis=1) == before.argmax(axis=1)).sum())
        print(f"| {name} | {took:.1f} | {ratio:.2f} | {np.abs(after - before).mean():.4f} | {same} |")


if __name__ == "__main__":
    raise SystemExit(main())
