"""`python -m mirror publish`: a model folder → a Space, a model repository and a data set repository."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from mirror.cli.options import Use, require_used
from mirror.errors import UsageError
from mirror.folders import require_room
from mirror.progress import working
from mirror.tasks.request import BARE_LABEL, ZERO_SHOT, TaskRequest
from mirror.terminal import path_text, say

WAYS = ("auto", "static", "gradio", "zero", "container")
PARTS = ("space", "model", "dataset")
OUT_BYTES = 100 << 20  # room for what is built of a ResNet-18
TEXT = """\
A model is published on the Hugging Face Hub in one command: a page that everyone can ask (a Space), the model with its
card, and the list of photos that it was made of. First everything is built and checked, then the account is asked, the
plan is shown, and you are asked once. Each repository gets one commit. The same command again changes nothing that is
there already, and goes on where it was stopped.

Log in first with `hf auth login`, or give a token that may write in HF_TOKEN. HF_ENDPOINT names another Hub.
"""
EXAMPLES = """\
examples:
  python -m mirror publish models/fruit --dry-run          what would go where, without anything being made
  python -m mirror publish models/fruit                    as YOU/fruit, of the kind that your account may host
  python -m mirror publish models/fruit --to club/fruit    of an organisation
  python -m mirror publish models/fruit --as zero          the page with a server, on a free account
  python -m mirror publish models/fruit --own-photos       with the photos, which are yours
  python -m mirror publish models/fruit models/nuts        one page for both, without a server
  python -m mirror publish models/fruit --tabs things,faces --as static     with tabs for 1,000 things and for faces
  python -m mirror publish models/fruit --tabs words --labels "a duck,a goose"     which of your own words fits a photo
  python -m mirror publish models/fruit --out build        no account: build/space/, build/model/, build/dataset/
  python -m mirror publish models/fruit --as container --out build     and then docker build build/space
"""


def add(commands: argparse._SubParsersAction) -> None:
    command = commands.add_parser(
        "publish",
        help="publish a model as a Space, with its model and data set repositories",
        description=TEXT,
        epilog=EXAMPLES,
    )
    command.set_defaults(run=run)
    command.add_argument(
        "models", type=Path, metavar="MODEL", nargs="+",
        help="a model folder, as models/fruit; more of them are shown on the same static page, with a picker",
    )  # fmt: skip
    command.add_argument("--to", metavar="OWNER/NAME", help="of the repositories (default: your account and the model)")
    command.add_argument(
        "--as", dest="way", choices=WAYS, default="auto",
        help="the Space: static, without a server and free for everyone; gradio, on a server, for PRO and "
        "organisations with a plan; zero, the same on ZeroGPU, two for a free account; container, with a Dockerfile "
        "(default: what the account may host, static or gradio)",
    )  # fmt: skip
    command.add_argument(
        "--what", metavar="PARTS", type=parts, default=PARTS,
        help="which of space, model and dataset, with commas between them (default: all)",
    )  # fmt: skip
    command.add_argument(
        "--tabs", metavar="TABS", type=tabs, default=(),
        help="further tabs of a static page: things (1,000 of them), garments, faces, words (of your own), with commas "
        "between them, or all, which is the first three (default: the model alone)",
    )  # fmt: skip
    command.add_argument(
        "--labels", metavar="A,B,C|FILE", help="for the tab words: the labels, or a file with a label a line"
    )
    command.add_argument(
        "--template", default=BARE_LABEL, metavar="TEXT",
        help="for the tab words: what is made of a label, as 'a photo of {}' (default: the bare label)",
    )  # fmt: skip
    command.add_argument(
        "--words-model",
        type=path_text,
        metavar="MODEL",
        help="for the tab words: hf:OWNER/NAME or a folder of CLIP, SigLIP or their kin, best one that `mirror compile "
        "--task zero-shot-image-classification --precision int8` made (default: openai/clip-vit-base-patch32)",
    )
    command.add_argument("--private", action="store_true", help="only for you and those you let in")
    command.add_argument("--data", type=Path, metavar="DIR", help="the model's photo folder (default: data/<its name>)")
    command.add_argument(
        "--license",
        metavar="ID",
        type=license_id,
        help="the photos may be published under this licence, as cc-by-4.0; else they stay here",
    )
    command.add_argument("--own-photos", action="store_true", help="the photos are yours, and may be published")
    command.add_argument(
        "--again",
        action="store_true",
        help="build a Space on a server anew though it has all files: it sleeps, or hangs",
    )
    command.add_argument("--yes", action="store_true", help="do not ask")
    command.add_argument("--dry-run", action="store_true", help="say what would be published, and stop")
    command.add_argument("--out", type=Path, metavar="DIR", help="build the folders there instead, without an account")


def parts(text: str) -> tuple[str, ...]:
    """`space,model` → ("space", "model")."""
    given = tuple(part.strip() for part in text.split(","))
    if not set(given) <= set(PARTS):
        raise argparse.ArgumentTypeError(f"{text!r} is not made of {', '.join(PARTS)}, with commas between them")
    return given


def tabs(text: str) -> tuple[str, ...]:
    """`things,faces` → ("things", "faces"), in the page's order."""
    from mirror.static_site.site_tabs import READY, TABS

    given = {part.strip() for part in text.split(",")}
    if not given <= {*TABS, "all"}:
        raise argparse.ArgumentTypeError(f"{text!r} is not made of {', '.join(TABS)}, with commas between them, or all")
    return tuple(tab for tab in TABS if tab in given or ("all" in given and tab in READY))


def license_id(text: str) -> str:
    """A licence as the Hub names it: `cc-by-4.0`."""
    if not re.fullmatch(r"[a-z0-9]+([.-][a-z0-9]+)*", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no licence as the Hub names them: give one as cc-by-4.0")
    return text


def _is_of_a_server(options: argparse.Namespace) -> bool:
    static = options.way == "static" or options.tabs or options.models[1:]
    return "space" in options.what and not static and not options.out


TO_THE_HUB = Use("publishing on the Hub, and --out builds the folders here", lambda options: not options.out)
WORDS = Use("the tab words", lambda options: "words" in options.tabs, "or add --tabs words")
USES = {
    "--as": Use("the Space, which --what leaves out", lambda options: "space" in options.what),
    "--data": Use("the data set, which --what leaves out", lambda options: "dataset" in options.what),
    "--tabs": Use("a static page", lambda options: "space" in options.what and options.way in ("auto", "static")),
    **dict.fromkeys(("--labels", "--template", "--words-model"), WORDS),
    "--again": Use("a Space on a server", _is_of_a_server),
    "--private": TO_THE_HUB,
    "--dry-run": TO_THE_HUB,
}


def run(options: argparse.Namespace) -> int:
    require_used(options, USES)
    with working("Starting", log=None):
        from mirror.model_folder import published_name, read_model_folder
        from mirror.publish.publication import Publication
        from mirror.publish.repository_name import require_name
        from mirror.tasks.label_input import labels_in

    if options.to is not None:
        require_name(options.to)
    if options.out is not None:
        require_room(options.out, OUT_BYTES, " by --out")
    model, *others = map(read_model_folder, options.models)
    data = options.data or Path("data", published_name(model.info))
    if options.data is not None and not data.is_dir():
        raise UsageError(f"There is no photo folder at {data}: give the model's with --data.")
    publication = Publication(
        model, options.way, options.what, options.private, data if data.is_dir() else None, options.license,
        options.own_photos, tuple(others), options.again, options.tabs,
        TaskRequest(ZERO_SHOT, options.words_model, labels_in(options.labels or ""), options.template),
    )  # fmt: skip
    if options.out is not None:
        publication.write(options.out, options.to, say)
        return 0
    if not (options.yes or options.dry_run or sys.stdin.isatty()):
        raise UsageError("Nobody is there to be asked: add --yes to publish, or --dry-run to see what would be.")
    from huggingface_hub import HfApi
    from huggingface_hub.utils import disable_progress_bars

    if not sys.stderr.isatty():
        disable_progress_bars()
    publication.publish(HfApi(), options.to, say, lambda: options.yes or _confirmed(), options.dry_run)
    return 0


def _confirmed() -> bool:
    try:
        return input("Publish? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False
