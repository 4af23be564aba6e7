"""A learner pickle → a model folder, in the confined process that `inference/pickle_cache.py` starts.

    python -m mirror.export.compile_child '{"pickle": …, "out": …, "precision": …, "calibrate": …, "trust": false}'

An error is the last line of standard error, after "mirror: ".
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from mirror.errors import MirrorError
from mirror.inference.sandbox import MISSING, confine


def main() -> int:
    confine()  # before anything of the pickle is looked at, and before torch starts its threads
    if MISSING in os.environ:
        print(f"This system keeps no process from the {os.environ[MISSING]}: the pickle is opened all the same.")
    request = json.loads(sys.argv[1])
    from mirror.export.onnx_export import compile_to_folder

    calibrate = Path(request["calibrate"]) if request["calibrate"] else None
    try:
        pickle, folder = Path(request["pickle"]), Path(request["out"])
        compile_to_folder(pickle, folder, request["precision"], calibrate, trusted=bool(request["trust"]))
    except MirrorError as error:
        print(f"mirror: {' '.join(str(error).split())}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
