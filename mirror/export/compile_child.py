"""A learner pickle → a model folder, in the confined process that `inference/pickle_cache.py` starts.

    python -m mirror.export.compile_child '{"pickle": …, "out": …, "precision": …, "calibrate": …, "trust": false}'

Its exit status tells the reason of an error (`inference/learner_refusals.py`); the words on standard error are for the
pickle's owner.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from mirror.command_process import run_program
from mirror.errors import MirrorError, UsageError, lacks_memory
from mirror.inference.learner_refusals import status_of
from mirror.inference.sandbox import MISSING, confine
from mirror.terminal import warn


def main() -> int:
    confine()  # before anything of the pickle is looked at, and before torch starts its threads
    if MISSING in os.environ:
        print(f"This system keeps no process from the {os.environ[MISSING]}: the pickle is opened all the same.")
    request = json.loads(sys.argv[1])
    calibrate = Path(request["calibrate"]) if request["calibrate"] else None
    pickle, folder = Path(request["pickle"]), Path(request["out"])
    try:
        from mirror.export.audit_hook import watch
        from mirror.export.onnx_export import compile_to_folder

        if not request["trust"]:
            watch()
        compile_to_folder(pickle, folder, request["precision"], calibrate, trusted=bool(request["trust"]))
    except MirrorError as error:
        warn(error)
        reason = "few photos" if isinstance(error, UsageError) else getattr(error, "reason", "unknown")
        return status_of(reason)
    except Exception as error:
        if not lacks_memory(error):
            raise
        return status_of("memory")
    return 0


if __name__ == "__main__":
    run_program("mirror.export.compile_child", "The learner pickle's opening was stopped.")
