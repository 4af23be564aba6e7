"""The two sides of the serving benchmark, each in a process of its own: neither's threads disturb the other's.

    Side("ours", model_folder), Side("theirs", pickle):  .predict(path) → seconds, probabilities  .many(files) → seconds

A side reads one JSON line a question from its standard input and answers with one. `theirs` is fastai's learner with
`no_bar`, as quick as it gets. `limit` (ours only) is the time that nothing can be saved of: decoding the JPEG at the
scale that we decode it at, and the bare onnxruntime session on pixels that are there already.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

MANY_BATCH = 64  # fastai's default batch size


class Side:
    """A running side. Use as a context manager."""

    def __init__(self, name: str, model: Path):
        command = [sys.executable, "-W", "ignore", "-m", "benchmarks.serving.sides", name, str(model)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._ask({"do": "ready"})

    def __enter__(self) -> Side:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        self._process.wait()

    def predict(self, path: Path) -> tuple[float, list[float]]:
        """Seconds, and the probabilities in label order."""
        answer = self._ask({"do": "predict", "files": [str(path)]})
        return answer["seconds"], answer["probabilities"]

    def limit(self, path: Path, rounds: int) -> list[tuple[float, float]]:
        """Ours: seconds to predict, and the least there is to do; in turns, both with the file and the caches warm."""
        return self._ask({"do": "limit", "files": [str(path)] * rounds})["seconds"]

    def many(self, files: list[Path]) -> float:
        return self._ask({"do": "many", "files": [str(path) for path in files]})["seconds"]

    def full(self, path: Path) -> list[float]:
        """Ours: the probabilities without scaled decoding."""
        return self._ask({"do": "full", "files": [str(path)]})["probabilities"]

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("A side of the benchmark ended; its error is above.")
        return json.loads(line)


def ours(model: Path) -> dict[str, Callable]:
    from PIL import Image

    from mirror.images import load_image
    from mirror.inference.classifier import Classifier
    from mirror.inference.preprocess import decode_at_least, preprocess

    classifier = Classifier.load(model)
    classifier.warm_up()
    how = classifier.info.preprocessing
    least = decode_at_least(how)

    def predict(files: list[str]) -> dict[str, Any]:
        start = time.perf_counter()
        prediction = classifier.predict(files[0])
        return {"seconds": time.perf_counter() - start, "probabilities": list(prediction.probabilities.values())}

    def bare(file: str, pixels: Any) -> float:
        start = time.perf_counter()
        with Image.open(file) as image:
            image.draft(None, (least, least))
            image.load()
        classifier.engine.run(pixels)
        return time.perf_counter() - start

    def limit(files: list[str]) -> dict[str, Any]:
        pixels = preprocess(load_image(files[0], at_least=least), how)[None]
        return {"seconds": [(predict([file])["seconds"], bare(file, pixels)) for file in files]}

    def many(files: list[str]) -> dict[str, Any]:
        start = time.perf_counter()
        count = sum(1 for _ in classifier.predict_many(files))
        assert count == len(files)
        return {"seconds": time.perf_counter() - start}

    def full(files: list[str]) -> dict[str, Any]:
        return {"probabilities": list(classifier.predict(load_image(files[0])).probabilities.values())}

    return {"predict": predict, "limit": limit, "many": many, "full": full}


def theirs(pickle: Path) -> dict[str, Callable]:
    from fastai.learner import load_learner

    learner = load_learner(pickle)

    def predict(files: list[str]) -> dict[str, Any]:
        start = time.perf_counter()
        with learner.no_bar():
            probabilities = learner.predict(files[0])[2]
        return {"seconds": time.perf_counter() - start, "probabilities": probabilities.tolist()}

    def many(files: list[str]) -> dict[str, Any]:
        start = time.perf_counter()
        with learner.no_bar():
            answers = learner.get_preds(dl=learner.dls.test_dl(files, bs=MANY_BATCH))[0]
        assert len(answers) == len(files)
        return {"seconds": time.perf_counter() - start}

    return {"predict": predict, "many": many}


def main() -> None:
    warnings.simplefilter("ignore")
    answers, sys.stdout = sys.stdout, sys.stderr  # what a library prints must not be taken for an answer
    side = {"ours": ours, "theirs": theirs}[sys.argv[1]](Path(sys.argv[2])) | {"ready": lambda files: {}}
    for line in sys.stdin:
        question = json.loads(line)
        print(json.dumps(side[question["do"]](question.get("files", []))), file=answers, flush=True)


if __name__ == "__main__":
    main()
