"""`python -m mirror compile`: a fastai learner pickle → a model folder that answers fast.

With --task a model of the Hub for torch → a folder of the Hub's layout for ONNX, which answers without torch.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mirror.cli.options import Use, require_used
from mirror.errors import UsageError
from mirror.folders import require_room
from mirror.image_sources import find_sources
from mirror.progress import working
from mirror.tasks.request import HUB_TASKS
from mirror.terminal import path_text, printable

MODEL_BYTES = 100 << 20  # room for a ResNet-18's network while it is made
HUB_MODEL_BYTES = 1 << 30  # CLIP's network has 606 MB
PRECISIONS = ("auto", "fp32", "int8", "fp16")
FEWEST_PHOTOS = 20  # that a precision of a model of the Hub is judged by
COMPILING = "Compiling"
TEXT = """\
Compiles a fastai learner pickle to ONNX and checks it against the learner's own answers. Pickles in models/ are
compiled by themselves when first used. A pickle is a program: it is read first, and opened only where all that it names
belongs to the libraries that a learner needs. With --task a model of the Hugging Face Hub is compiled instead, and
checked against transformers' own pipeline: the folder answers without torch, given as --model or --task-model.
"""
USES = {
    "--calibrate": Use(
        "int8, and --precision says fp32", lambda options: options.precision != "fp32" or options.task is not None
    ),
    "--trust": Use("learner pickles, and --task is for models of the Hub", lambda options: options.task is None),
}


def add(commands: argparse._SubParsersAction) -> None:
    compile_ = commands.add_parser(
        "compile",
        help="make a fastai learner pickle, or with --task a model of the Hub, ready for fast serving",
        description=TEXT,
    )
    compile_.set_defaults(run=run)
    compile_.add_argument(
        "pickle", type=path_text, metavar="PICKLE|MODEL", help="with --task: hf:OWNER/NAME, or a transformers folder"
    )
    compile_.add_argument(
        "--task", choices=HUB_TASKS, metavar="TASK", help=f"what a model of the Hub does: {', '.join(HUB_TASKS)}"
    )
    compile_.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="the model folder to make (default: where `predict` and app.py look; with --task: NAME-onnx)",
    )
    compile_.add_argument(
        "--trust", action="store_true", help="open the pickle whatever it names, and run its code: only for your own"
    )
    compile_.add_argument(
        "--calibrate",
        type=Path,
        metavar="DIR",
        help="photos like those it was trained on, best in a folder a label: int8 is fitted to half of them and judged "
        "by the others (default: none, and so float32)",
    )
    compile_.add_argument(
        "--precision",
        default="auto",
        choices=PRECISIONS,
        help="of the network: auto is int8 where it answers as float32 does, else fp32 (default: %(default)s)",
    )


def run(options: argparse.Namespace) -> int:
    require_used(options, USES)
    sources = find_sources([str(options.calibrate)]) if options.calibrate else ()
    photos = [source.location for source in sources if isinstance(source.location, Path)]
    judged = options.precision if options.task and options.precision != "auto" else "fp32"
    if len(photos) < FEWEST_PHOTOS and (judged != "fp32" or options.calibrate):
        few = f", and {options.calibrate} holds {len(photos)}" if options.calibrate else ""
        raise UsageError(
            f"--precision {options.precision} is judged by photos like yours{few}: name a folder of at least "
            f"{FEWEST_PHOTOS} by --calibrate."
        )
    return _compile_model(options, judged, photos) if options.task else _compile_pickle(options)


def _compile_model(options: argparse.Namespace, precision: str, photos: list[Path]) -> int:
    from mirror.export.hub_export import compile_hub_model

    out = options.out or Path(f"{Path(options.pickle).name}-onnx")
    require_room(out, HUB_MODEL_BYTES, " by --out")
    with working(f"Compiling {printable(options.pickle)}", log=None):
        described = compile_hub_model(options.pickle, options.task, out, precision=precision, photos=photos)
    where = printable(str(out))
    print(f"{where}: {printable(described['model'])}, {described['sentence']}")
    if precision != "fp32":
        print(described["precision_sentence"])
    print(f"Ask it with `python -m mirror predict PHOTO --task {options.task} --model {where}`.")
    return 0


def _compile_pickle(options: argparse.Namespace) -> int:
    if options.precision == "fp16":
        raise UsageError("--precision fp16 is for models of the Hub (--task): choose int8 or fp32.")
    from mirror.inference.pickle_cache import compile_in_child, keeping_place, open_model
    from mirror.inference.pickle_scan import check_pickle
    from mirror.model_folder import find_model, read_model_folder, sha256_of

    options.pickle = Path(options.pickle)
    entry, out = find_model(options.pickle), options.out
    if not entry.needs_compiling and options.given:
        given = " and ".join(sorted(options.given))
        raise UsageError(
            f"{options.pickle} is a compiled model already: give its learner pickle, or leave out {given}."
        )
    if out is not None:
        require_room(out, MODEL_BYTES, " by --out")
    is_customized = options.calibrate is not None or options.precision != "auto" or options.trust
    if is_customized and out is None and entry.pickle is not None:
        out = keeping_place(entry, sha256_of(entry.pickle))  # where it is looked for
    if out is None:
        if entry.pickle is not None:
            check_pickle(entry.pickle)  # whose error names what is wrong with the file: its owner asks
        with working(COMPILING, log=None) as log:
            folder = open_model(entry, log=log)
    else:
        pickle = entry.pickle or options.pickle
        with working(COMPILING, log=None) as log:
            compile_in_child(
                pickle, out, precision=options.precision, calibrate=options.calibrate, trust=options.trust, log=log
            )
        folder = read_model_folder(out.absolute())
    info = folder.info
    height, width = info.preprocessing.input_size
    checked = f", within {info.parity.largest_difference:.0e} of the learner" if info.parity else ""
    arch = f"{info.arch}, " if info.arch else ""
    where, arch = printable(str(folder.path)), printable(arch)
    print(f"{where}: {arch}{len(info.labels)} labels, {width}x{height} px, {info.onnx.precision}{checked}")
    return 0
