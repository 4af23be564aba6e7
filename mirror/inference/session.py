"""The network: an ONNX file on onnxruntime's CPU, pixels in, logits and friends out."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mirror.errors import ModelFolderError

if TYPE_CHECKING:
    import numpy as np

# The outputs of a network, by name
LOGITS = "logits"  # [N, labels]
FEATURES = "features"  # [N, D]: the input of the last layer; where it is linear
SIMILARITY = "similarity"  # [N]: higher is more like the training photos, whatever the method
ONNX_ERRORS_ONLY = 3  # onnxruntime's severity: it warns at start about graphics devices that nobody asked for
# Waiting threads sleep, and take work in small parts: a ResNet-18 in int8 that shares two CPUs with a busy process
# takes 19 ms instead of 34, and an answer of the page 29 ms of processor time instead of 65.
THREADING = {"session.intra_op.allow_spinning": "0", "session.dynamic_block_base": "4"}
# onnxruntime's names of the types of numbers that pixels and words come as → numpy's
_NUMBERS = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
}
WEIGHTS = "session.model_external_initializers_file_folder_path"
PINNING = "session.intra_op_thread_affinities"


class OnnxModel:
    """An onnxruntime session. `run` may be called from several threads at once.

    inputs: the types that the graph takes, by name; outputs: the names it gives, in its order; widths: the numbers an
    image gets from those of shape [N, width].
    """

    def __init__(
        self, model: bytes | Path, threads: int | None = None, *, several: bool = False, weights: Path | None = None
    ):
        """`model`: the file, or its bytes. `threads`: for one run; default: the CPUs this process may use. `several`:
        it may take more than one image. `weights`: the folder of what the bytes keep in other files.

        Raises ModelFolderError when onnxruntime cannot load it.
        """
        import onnxruntime

        onnxruntime.set_default_logger_severity(ONNX_ERRORS_ONLY)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = ONNX_ERRORS_ONLY
        options.intra_op_num_threads = threads or available_cpus()
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.load_model_format", "ONNX")  # not whatever the bytes look like
        for name, value in (THREADING | pinning(options.intra_op_num_threads)).items():
            options.add_session_config_entry(name, value)
        if weights is not None:
            options.add_session_config_entry(WEIGHTS, str(weights))
        try:
            source = model if isinstance(model, bytes) else str(model)
            self._session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's errors share no base class below Exception
            name = "The network" if isinstance(model, bytes) else str(model)
            reason = " ".join(str(error).split())[:200]
            raise ModelFolderError(
                f"{name} cannot be loaded by onnxruntime ({reason}): make the model again."
            ) from error
        self.inputs = {each.name: _NUMBERS.get(each.type, each.type) for each in self._session.get_inputs()}
        if len(self.inputs) != 1 and not several:
            raise ModelFolderError(f"The network takes {len(self.inputs)} inputs instead of one image.")
        self._only_asked = onnxruntime.RunOptions()
        self._only_asked.only_execute_path_to_fetches = True
        outputs = self._session.get_outputs()
        self.outputs = tuple(output.name for output in outputs)
        self.widths = {o.name: o.shape[-1] for o in outputs if len(o.shape) == 2 and isinstance(o.shape[-1], int)}

    def run(self, batch: np.ndarray | Mapping[str, np.ndarray], outputs: Sequence[str] = (LOGITS,)) -> list[np.ndarray]:
        """float32 pixels [N, 3, h, w] (or all inputs by name) → the named outputs, in that order: LOGITS, and where the
        graph has them FEATURES and SIMILARITY. Of a graph with several inputs only what leads to these outputs is
        worked out. Raises ModelFolderError where the network fails on them."""
        named = batch if isinstance(batch, Mapping) else dict.fromkeys(self.inputs, batch)
        try:
            return self._session.run(list(outputs), dict(named), self._only_asked if len(named) > 1 else None)
        except Exception as error:  # onnxruntime's errors share no base class below Exception
            reason = " ".join(str(error).split())[:200]
            size = " and ".join("x".join(map(str, each.shape)) for each in named.values())
            raise ModelFolderError(f"The network fails on input of {size} ({reason}): make the model again.") from error


def require_finite(name: str, *outputs: Any) -> None:
    """Raises ModelFolderError where what the network of the model `name` gave for a photo (arrays, or tensors of
    float32) holds a nan or an infinity, which JSON cannot say and nobody can compare."""
    import numpy as np

    if not all(np.isfinite(np.asarray(output)).all() for output in outputs):
        raise ModelFolderError(
            f"The model {name} gives no numbers for this photo, for its network is damaged: train, copy or fetch it "
            "again."
        )


def pinning(threads: int) -> dict[str, str]:
    """The setting that keeps each worker thread on a CPU of its own; {} where not all CPUs of the machine are ours.

    Some virtual machines wake a sleeping thread on the CPU that its waker is using, and two threads then take turns: a
    ResNet-18 in int8 took 13.2 ms instead of 8.0 on two idle CPUs, and 13.1 instead of 10.0 beside a busy process.
    """
    allowed = _affinity()
    if threads < 2 or not threads == len(allowed) == os.cpu_count() or not hasattr(os, "sched_setaffinity"):
        return {}
    return {PINNING: ";".join(str(cpu + 1) for cpu in allowed[1:])}  # onnxruntime counts CPUs from 1


def available_cpus() -> int:
    """The CPUs this process may use: its affinity, cut down to a container's quota (cgroup v2 cpu.max), at least 1."""
    affinity = len(_affinity())
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, min(affinity, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError):
        return affinity


def _affinity() -> list[int]:
    """The CPUs that the process may run on, by number."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))
