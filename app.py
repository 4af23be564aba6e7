"""The page, and the Space: opens models/, builds the page and serves it.

    python app.py                            http://127.0.0.1:7860
    python app.py --models /path/to/models --port 8000
    python app.py --studio data/mirror       the photos of a model: look through them, clean them, train again

It imports neither torch nor fastai: models answer through onnxruntime.
"""

from __future__ import annotations

import argparse
import atexit
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mirror.errors import MirrorError, UsageError
from mirror.terminal import Parser, guarded, sentence

if TYPE_CHECKING:
    import gradio as gr

REPOSITORY = Path(__file__).resolve().parent
FETCH_SECONDS = 20  # for a photo's address, from the click to the last byte: a visitor is waiting

HELP = """\
environment:
  MIRROR_MODELS                     the folder of models, where --models is not given
  MIRROR_TASK_MODELS                TASK=MODEL with commas between them, where --task-model does not name the task's
  MIRROR_ALLOW_PRIVATE_HOSTS=1      the same as --allow-private-hosts
  MIRROR_ALLOWED_HOSTS              names with commas between them that a proxy on this machine passes on, where the
                                    page listens on this machine only; * for any
  FORWARDED_ALLOW_IPS               addresses of proxies whose X-Forwarded-For says who asks (default: none)
  GRADIO_TEMP_DIR                   where uploads lie for less than a minute, in a folder of the page's own
  GRADIO_SERVER_NAME, GRADIO_SERVER_PORT   where to listen, where --host and --port are not given
  GRADIO_SHARE=True                 also opens a temporary public address through gradio.live
  HTTPS_PROXY, HTTP_PROXY, NO_PROXY used for photo addresses
  SYSTEM=spaces, SPACE_ID           set by a Hugging Face Space, where --studio does not run

A model is a folder that train.py made, or a fastai learner pickle dropped into the folder of models.
No photo that a visitor shows is kept: uploads are deleted within a minute.
"""


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog="python app.py", description="Serves the page where a photo meets the mirror.", epilog=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument(
        "--models", type=Path, metavar="DIR", help="the folder of models (default: models/ beside app.py)"
    )
    parser.add_argument(
        "--studio", type=Path, metavar="DIR",
        help="instead of the page, for you alone, at the address that it prints: browse and clean a photo folder of "
        "train.py, and train again",
    )  # fmt: skip
    parser.add_argument(
        "--host", metavar="NAME", help="the address to listen on; 0.0.0.0 for every one (default: 127.0.0.1)"
    )
    parser.add_argument(
        "--port", type=int, metavar="N", help="the port to listen on (default: the first free one from 7860)"
    )
    parser.add_argument(
        "--task-model", action="append", default=[], metavar="TASK=MODEL", type=task_model,
        help="the model of another tab, as object-detection=facebook/detr-resnet-50 or a folder; repeat it",
    )  # fmt: skip
    parser.add_argument(
        "--allow-private-hosts", action="store_true",
        help="let a photo's address point into this machine or its network; never where strangers can reach the page",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    if options.port is not None and not 0 < options.port < 65536:
        parser.error(f"--port must lie between 1 and 65535, not {options.port}.")
    if not os.environ.get("GRADIO_SERVER_PORT", "7860").isdecimal():  # gradio would end in a traceback when imported
        parser.error(f"GRADIO_SERVER_PORT must be a port's number, not {os.environ['GRADIO_SERVER_PORT']!r}.")
    return options


def task_model(text: str) -> tuple[str, str]:
    """`object-detection=folder` → ("object-detection", "folder")."""
    from mirror.tasks.request import TASKS

    task, _, model = text.partition("=")
    if task not in TASKS or not model:
        raise argparse.ArgumentTypeError(f"{text!r} is not TASK=MODEL with a task of {', '.join(TASKS)}")
    return task, model


def task_models(given: Sequence[tuple[str, str]] = ()) -> dict[str, str]:
    """The tasks' models: of --task-model, else of MIRROR_TASK_MODELS. UsageError where that cannot be meant."""
    named = os.environ.get("MIRROR_TASK_MODELS", "").split(",")
    try:
        return dict([task_model(one.strip()) for one in named if one.strip()] + list(given))
    except argparse.ArgumentTypeError as error:
        raise UsageError(f"MIRROR_TASK_MODELS: {error}.") from None


def models_folder(given: Path | None) -> Path:
    """--models, else MIRROR_MODELS, else models/ beside this file. UsageError where a named one is not there."""
    named = given or (Path(os.environ["MIRROR_MODELS"]) if os.environ.get("MIRROR_MODELS") else None)
    if named is not None and not named.is_dir():
        raise UsageError(f"There is no folder of models at {named}: make it, or give another with --models.")
    return named or REPOSITORY / "models"


def build(
    models: Path, tasks: dict[str, str], *, allow_private_hosts: bool = False, host: str | None = None
) -> tuple[gr.Blocks, dict[str, Any]]:
    """The page, and what to launch it with. The default model is opened in the background meanwhile. tasks: the models
    of the other tabs, where they are not the default. host: the address to listen on, if it was given."""
    _prepare()
    from mirror.web.gradio_patches import import_gradio
    from mirror.web.models import ModelRegistry

    shelf = ModelRegistry(models)
    shelf.warm()  # while gradio is imported
    import_gradio()
    from mirror.net.fetch import NetworkSettings
    from mirror.web.mirror_tab import examples_in
    from mirror.web.page import build as build_page
    from mirror.web.page import launch_settings
    from mirror.web.tabs.task_models import TaskModels

    network = NetworkSettings(allow_private_hosts=allow_private_hosts, total_timeout=FETCH_SECONDS)
    examples, opened = examples_in(REPOSITORY / "examples"), TaskModels(tasks)
    page = build_page(shelf, network=network, examples=examples, opened=opened)
    return page, launch_settings(shelf, REPOSITORY, host)


def build_studio(photos: Path, models: Path, host: str | None) -> tuple[gr.Blocks, dict[str, Any], Callable[[], None]]:
    """The studio of a photo folder, what to launch it with, and what says where it is. UsageError where others could
    reach it."""
    from mirror.web.studio.access import require_this_machine

    require_this_machine(host)
    os.environ.pop("GRADIO_DEBUG", None)  # with it `launch` never returns, and nobody would learn the address
    _prepare()
    from mirror.web.gradio_patches import import_gradio

    import_gradio()
    from mirror.web.studio.studio_page import open_studio

    return open_studio(photos, models)


def main(arguments: Sequence[str] | None = None) -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a stopped container takes its uploads with it
    try:
        options = parse(arguments)
        private = options.allow_private_hosts or os.environ.get("MIRROR_ALLOW_PRIVATE_HOSTS") == "1"
        models = models_folder(options.models)
        if options.studio:
            page, settings, announce = build_studio(options.studio, models, options.host)
        else:
            tasks = task_models(options.task_model)
            page, settings = build(models, tasks, allow_private_hosts=private, host=options.host)
    except MirrorError as error:
        print(sentence(error), file=sys.stderr)
        return error.exit_code
    globals()["demo"] = page  # where gradio looks for what it has launched
    try:
        bare = options.host and options.host.count(":") > 1 and not options.host.startswith("[")  # ::1, which a URL
        named = f"[{options.host}]" if bare else options.host  # has in brackets
        page.launch(server_name=named, server_port=options.port, **settings)
        if options.studio:
            announce()
            page.block_thread()
    except (OSError, ValueError) as error:  # gradio's, for a port that is taken or refused
        print(f"The page cannot be served: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    return 0


def _prepare() -> None:
    """Uploads lie in a folder of this process alone, which goes when it ends."""
    for name in ("NO_PROXY", "no_proxy"):  # gradio asks the page itself whether it is up, and a proxy cannot know
        os.environ[name] = ",".join(filter(None, [os.environ.get(name), "127.0.0.1", "localhost"]))
    os.environ.pop("GRADIO_VIBE_MODE", None)  # it lets visitors rewrite the program
    from mirror.net.guard import check_environment
    from mirror.web import retention

    check_environment()
    retention.limit_arenas()
    uploads = retention.open_folder(os.environ.get("GRADIO_TEMP_DIR"))
    os.environ["GRADIO_TEMP_DIR"] = str(uploads)
    atexit.register(retention.close_folder, uploads)


def __getattr__(name: str) -> gr.Blocks:
    """`demo`, where Spaces and `gradio app.py` look for it; built when asked for, so that importing stays light."""
    if name != "demo":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()["demo"] = build(models_folder(None), task_models())[0]
    return globals()["demo"]


if __name__ == "__main__":
    with guarded():
        sys.exit(main())
