"""Serving, ours against fastai and the article's app: the table of README, every row a ratio measured in one run.

    python -m benchmarks.serving                         # all rows, about seven minutes on 2 cores
    python -m benchmarks.serving --rows files,limit      # some of them: files, limit, many, start, visitor, crowd
    python -m benchmarks.serving --keep kept             # keeps learner, models and photos for the next time

The learner is a ResNet-18 of 256 px exported by plain fastai (benchmarks/serving/material.py); ours is compiled from
that very pickle, in int8. Ours and theirs take turns, so that a machine that slows down slows both, and each runs in a
process of its own. A time is the median of its rounds.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks import ROOT
from benchmarks.serving.material import Material, gather
from benchmarks.serving.pages import crowd, page, plain_visitor, visitor
from benchmarks.serving.sides import Side

ROWS = ("files", "limit", "many", "start", "visitor", "crowd")
MIRROR = ROOT / "models" / "mirror"
BOUND = 0.01  # of the mean change in a probability that scaled decoding may make
VISITORS, CROWD_SECONDS = 50, 30.0


@dataclass(frozen=True)
class Row:
    """what, ours and theirs as text; ratio against target: at least it where `more`, else at most."""

    what: str
    theirs: str
    ours: str
    ratio: float
    target: float
    more: bool = True
    note: str = ""

    def __str__(self) -> str:
        met = self.ratio >= self.target if self.more else self.ratio <= self.target
        ratio, target = (f"{self.ratio:.1f} x", f">= {self.target:g} x") if self.more else (
            f"{self.ratio:.2f}", f"<= {self.target:g}"
        )  # fmt: skip
        verdict = ("met" if met else "not met") + (f"; {self.note}" if self.note else "")
        return f"| {self.what} | {self.theirs} | {self.ours} | {ratio} | {target} | {verdict} |"


def files(made: Material, rounds: int, limits: bool) -> Iterator[Row]:
    """One file at a time: path → probabilities; and what we add to the time that nothing can be saved of."""
    with Side("theirs", made.pickle) as theirs, Side("ours", made.folder(made.precision)) as ours:
        targets = {"640 px": 5.0, "1600 x 1200": 5.0, "12 megapixels": 4.5}
        found = []
        for size, photos in made.photos.items():
            a, b = [], []
            for i in range(rounds + 2):
                photo = photos[i % len(photos)]
                a.append(theirs.predict(photo)[0])
                b.append(ours.predict(photo)[0])
            a, b = (1e3 * statistics.median(times[2:]) for times in (a, b))
            yield Row(f"JPEG of {size} → probabilities, p50", f"{a:.1f} ms", f"{b:.1f} ms", a / b, targets[size])
            found.append((size, np.median([ours.limit(photo, rounds) for photo in photos], axis=(0, 1))))
        for size, (whole, least) in found if limits else ():
            what = f"{size}: ours beyond scaled decoding and the bare session"
            yield Row(what, f"{1e3 * least:.1f} ms", f"{1e3 * whole:.1f} ms", whole / least - 1, 0.25, more=False)


def scaled(made: Material, what: str, pickle: Path, folder: Path) -> Iterator[str]:
    """What scaled decoding does to a model's probabilities, and what int8 does."""
    with Side("theirs", pickle) as theirs, Side("ours", folder) as ours:
        for size, photos in made.photos.items():
            small, full, fastai = (
                np.array([f(p) for p in photos])
                for f in (lambda p: ours.predict(p)[1], ours.full, lambda p: theirs.predict(p)[1])
            )
            change, away = np.abs(small - full), np.abs(full - fastai)
            met = "met" if change.mean() <= BOUND else "not met"
            yield (
                f"- {what}, {size}: scaled decoding changes a probability by {change.mean():.4f} on average "
                f"(bound {BOUND:g}: {met}), {change.max():.4f} at most; the network is {away.max():.1e} from fastai's"
            )


def many(made: Material, parts: int) -> Iterator[Row]:
    """All files once, in parts by turns."""
    with Side("theirs", made.pickle) as theirs, Side("ours", made.folder(made.precision)) as ours:
        theirs.many(made.many[:8]), ours.many(made.many[:8])
        shares = [made.many[i::parts] for i in range(parts)]
        times = [(theirs.many(share), ours.many(share)) for share in shares]
    a, b = (len(made.many) / sum(seconds) for seconds in zip(*times, strict=True))
    what = f"{len(made.many)} photos of 640 px from disk, photos per second"
    yield Row(what, f"{a:.1f}", f"{b:.1f}", b / a, 4.0)


def start(made: Material, rounds: int) -> Iterator[Row]:
    """From the start of the process to the first answer, and the memory after 50."""
    seconds, memory = {"theirs": [], "ours": []}, {"theirs": [], "ours": []}
    for _ in range(rounds):
        for name, model in _pages(made).items():
            with page(name, model) as served:
                ask = visitor(served.url, verify=False)
                ask(made.photos["640 px"][0])
                seconds[name].append(time.perf_counter() - served.started)
                for i in range(49):
                    ask(made.many[i])
                memory[name].append(served.resident())
    a, b = statistics.median(seconds["theirs"]), statistics.median(seconds["ours"])
    yield Row("start of the process → first answered /predict", f"{a:.1f} s", f"{b:.1f} s", b / a, 0.45, more=False)
    a, b = statistics.median(memory["theirs"]), statistics.median(memory["ours"])
    yield Row("resident memory after 50 predictions", f"{a:.0f} MB", f"{b:.0f} MB", b / a, 0.35, more=False)


def one_visitor(made: Material, rounds: int) -> Iterator[Row]:
    with ExitStack() as stack:
        models = _pages(made) | {"nothing": Path()}
        pages = {name: stack.enter_context(page(name, model)) for name, model in models.items()}
        ways = {
            "gradio_client": visitor,
            "gradio_client, ssl_verify=False": partial(visitor, verify=False),
            "plain HTTP": plain_visitor,
        }
        for how, way in ways.items():
            asks = {name: way(served.url) for name, served in pages.items()}
            times = {name: [] for name in asks}
            for i in range(rounds + 3):
                for name, ask in asks.items():
                    begin = time.perf_counter()
                    ask(made.many[i])
                    times[name].append(time.perf_counter() - begin)
            a, b, least = (1e3 * statistics.median(times[name][3:]) for name in ("theirs", "ours", "nothing"))
            note = f"a page that does nothing: {least:.0f} ms"
            yield Row(f"/predict through {how}, one visitor, p50", f"{a:.0f} ms", f"{b:.0f} ms", a / b, 4.0, note=note)


def fifty_visitors(made: Material, seconds: float) -> Iterator[Row]:
    found = {}
    for name, model in _pages(made).items():
        with page(name, model) as served:
            visitor(served.url, verify=False)(made.photos["640 px"][0])
            before = served.processor_seconds()
            found[name] = crowd(served.url, made.photos["640 px"][0], VISITORS, seconds)
            found[name]["processor"] = (served.processor_seconds() - before) / max(1, found[name]["rate"] * seconds)
    a, b = found["theirs"], found["ours"]
    told = [f"{each['rate']:.1f}/s, {each['errors']} errors" for each in (a, b)]
    note = f"processor time of the page for an answer {1e3 * a['processor']:.0f} and {1e3 * b['processor']:.0f} ms"
    what = f"{VISITORS} visitors at once for {seconds:g} s, answers per second"
    yield Row(what, *told, b["rate"] / a["rate"] if not b["errors"] else 0.0, 4.0, note=note)
    for name, each in found.items():
        if each["error"]:
            print(f"{name}: {each['error']}", file=sys.stderr)


def _pages(made: Material) -> dict[str, Path]:
    return {"theirs": made.pickle, "ours": made.models / made.precision}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default=",".join(ROWS), help="comma-separated: %(default)s")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="where the material is kept (default: not at all)")
    parser.add_argument("--precision", choices=("int8", "fp32"), default="int8", help="of ours (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=21, help="for the times of a file (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=CROWD_SECONDS, help="of the crowd (default: %(default)s)")
    options = parser.parse_args()
    rows = options.rows.split(",")
    if unknown := set(rows) - set(ROWS):
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as scratch:
        made = gather(options.keep or Path(scratch), options.precision)
        print("| what | theirs | ours | ratio | target | |\n| --- | ---: | ---: | ---: | --- | --- |")
        parts = {
            "files": lambda: files(made, options.rounds, "limit" in rows),
            "many": lambda: many(made, 4),
            "start": lambda: start(made, 3),
            "visitor": lambda: one_visitor(made, options.rounds),
            "crowd": lambda: fifty_visitors(made, options.seconds),
        }
        for name, part in parts.items():
            if name in rows or name == "files" and "limit" in rows:
                for row in part():
                    print(row, flush=True)
        if "limit" in rows:
            print()
            models = [(f"this ResNet-18, {each}", made.pickle, made.folder(each)) for each in ("fp32", "int8")]
            for model in [*models, ("the shipped mirror, int8", MIRROR / "learner.pkl", MIRROR)]:
                print(*scaled(made, *model), sep="\n", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
