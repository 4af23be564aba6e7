"""A model folder that is quickly written, and what its description says."""

from __future__ import annotations

from pathlib import Path

from mirror.model_folder import write_model_folder
from mirror.model_schema import BatchResize, ModelInfo, Preprocessing

PIXELS = Preprocessing("crop", (64, 48), (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), batch_resizes=(BatchResize((32, 32)),))


INFO = ModelInfo("mirror", ("cygnet", "duckling"), PIXELS)


def write(path: Path, info: ModelInfo = INFO, network: bytes = b"network") -> Path:
    def build(folder: Path) -> ModelInfo:
        (folder / "model.onnx").write_bytes(network)
        (folder / "report").mkdir()
        (folder / "report" / "confusion.png").write_bytes(b"picture")
        return info

    return write_model_folder(path, build).path
