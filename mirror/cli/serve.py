"""`python app.py` and `python -m mirror serve`: opens models/, builds the page or the studio, and serves it.

    python app.py                            http://127.0.0.1:7860
    python app.py --models /path/to/models --port 8000
    python app.py --studio                   the workshop: from words or photos to a model of your own, in the browser
    python app.py --studio data/mirror       one project of it: look through its photos, clean them, train again
    mirror serve                             the same where the package is installed, with models/ in this folder

It imports neither torch nor fastai: models answer through onnxruntime.
"""

from __future__ import annotations

import argparse
import atexit
import errno
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mirror.cli.exit_codes import ended
from mirror.cli.options import Use, require_used
from mirror.errors import MirrorError, UsageError
from mirror.progress import working
from mirror.terminal import Parser

if TYPE_CHECKING:
    import gradio as gr

EVERYDAY = "pineapple.jpg"  # of the examples, the one that ImageNet has a label for
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
  GRADIO_MCP_SERVER=True            the same as --mcp
  GRADIO_SHARE=True                 also opens a temporary public address through gradio.live
  HTTPS_PROXY, HTTP_PROXY, NO_PROXY used for photo addresses
  SYSTEM=spaces, SPACE_ID           set by a Hugging Face Space, where --studio does not run

A model is a folder that train.py made, or a fastai learner pickle dropped into the folder of models.
No photo that a visitor shows is kept: uploads are deleted within a minute.
"""
EVERY_PROJECT = Path()  # --studio without a folder
OF_THE_PAGE = Use("the page, and --studio opens the studio", lambda options: not options.studio)
USES = dict.fromkeys(("--default", "--task-model", "--mcp", "--allow-private-hosts"), OF_THE_PAGE)
ABOUT: dict[str, Any] = {"description": "Serves the page where a photo meets the mirror.", "epilog": HELP}


def add(commands: argparse._SubParsersAction) -> None:
    """`python -m mirror serve`."""
    command = commands.add_parser("serve", help="serve the page, or the studio", **ABOUT)
    add_options(command)
    command.set_defaults(run=lambda options: run(options, Path.cwd()))


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--models", type=Path, metavar="DIR", help="the folder of models (default: models/ beside app.py, or here)"
    )
    parser.add_argument(
        "--default", metavar="NAME", help="the model to begin with (default: the one that you trained last)"
    )
    parser.add_argument(
        "--studio", type=Path, metavar="DIR", nargs="?", const=EVERY_PROJECT,
        help="instead of the page, for you alone, at the address that it prints: begin with words or photos, look at "
        "what is found, collect, train, try, clean, in data/ beside the folder of models; with DIR only that photo "
        "folder of train.py",
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
        "--mcp", action="store_true", help="offer what the page does as tools of the Model Context Protocol too"
    )
    parser.add_argument(
        "--allow-private-hosts",
        action="store_true",
        help="let a photo's address point into this machine or its network; never where strangers can reach the page",
    )


def wants_mcp() -> bool:
    return os.environ.get("GRADIO_MCP_SERVER", "").lower() in ("true", "1")


def check(options: argparse.Namespace) -> None:
    """Raises UsageError for a port that cannot be one, for tools without their package, and for what does nothing."""
    require_used(options, USES)
    if (options.mcp or wants_mcp()) and not options.studio and not find_spec("mcp"):
        raise UsageError('The page\'s tools for other programs (MCP) need a package: pip install "gradio[mcp]".')
    if options.port is not None and not 0 < options.port < 65536:
        raise UsageError(f"--port must lie between 1 and 65535, not {options.port}: see `python app.py --help`.")
    given = os.environ.get("GRADIO_SERVER_PORT", "7860")
    if not given.isdecimal():  # gradio would end in a traceback when imported
        raise UsageError(f"GRADIO_SERVER_PORT must be a port's number, not {given!r}: see `python app.py --help`.")
    port = options.port or int(os.environ.get("GRADIO_SERVER_PORT", "0"))
    require_listening(options.host or os.environ.get("GRADIO_SERVER_NAME") or "127.0.0.1", port)


def require_listening(host: str, port: int) -> None:
    """Raises MirrorError where nobody can listen there, which gradio would say once it is imported. port: 0 for any."""
    try:
        _listen_once(socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM))
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        where = f"{host}:{port}" if port else host
        raise MirrorError(
            f"The page cannot be served at {where} ({reason}): choose another --port or --host."
        ) from None


def _listen_once(addresses: Sequence[tuple[Any, ...]]) -> None:
    """At the first of a host's addresses that this machine has: localhost may name one of IPv6 where there is none."""
    last = addresses[-1][4]
    for family, kind, protocol, _, address in addresses:
        try:
            with socket.socket(family, kind, protocol) as tried:
                tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
                tried.bind(address)
            return
        except OSError as error:
            if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT) or address == last:
                raise


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


def models_folder(given: Path | None, home: Path) -> Path:
    """--models, else MIRROR_MODELS, else models/ in `home`. UsageError where a named one is not there."""
    named = given or (Path(os.environ["MIRROR_MODELS"]) if os.environ.get("MIRROR_MODELS") else None)
    if named is not None and not named.is_dir():
        raise UsageError(f"There is no folder of models at {named}: make it, or give another with --models.")
    return named or home / "models"


def build(
    home: Path, models: Path | None = None, tasks: Sequence[tuple[str, str]] = (), *,
    first: str | None = None, allow_private_hosts: bool = False, host: str | None = None, mcp: bool = False,
) -> tuple[gr.Blocks, dict[str, Any]]:  # fmt: skip
    """The page, and what to launch it with. The default model is opened in the background meanwhile.

    home: the folder of models/ and examples/. models: another folder of models. tasks: the models of the other tabs,
    where they are not the default. first: the model to begin with. host: the address to listen on, if it was given.
    mcp: its endpoints are tools for other programs. Raises UsageError.
    """
    models, named = models_folder(models, home), task_models(tasks)
    _prepare()
    from mirror.web.gradio_patches import import_gradio
    from mirror.web.served_models import ModelRegistry

    registry = ModelRegistry(models, first=first)
    registry.warm()  # while gradio is imported
    import_gradio()
    from mirror.net.fetch import NetworkSettings
    from mirror.web.examples import Examples
    from mirror.web.page import build as build_page
    from mirror.web.page import launch_settings
    from mirror.web.tabs.task_models import TaskModels

    network = NetworkSettings(allow_private_hosts=allow_private_hosts, total_timeout=FETCH_SECONDS)
    examples, everyday = home / "examples", home / "examples" / EVERYDAY
    offered = TaskModels(named, everyday if everyday.is_file() else None)
    page = build_page(registry, network=network, examples=Examples(examples), task_models=offered)
    return page, launch_settings(registry, home, host, mcp=mcp or wants_mcp())


def build_studio(
    photos: Path | None, models: Path, host: str | None
) -> tuple[gr.Blocks, dict[str, Any], Callable[[], None]]:
    """The studio, what to launch it with, and what says where it is. photos: the one photo folder that it is for, None
    for every project of data/, which lies beside the folder of models. UsageError where others could reach it."""
    from mirror.web.workshop.projects import Projects

    projects = Projects(models.absolute().parent, models, photos)  # before gradio is imported, which takes seconds
    from mirror.web.workshop.access import require_this_machine

    require_this_machine(host)
    os.environ.pop("GRADIO_DEBUG", None)  # with it `launch` never returns, and nobody would learn the address
    _prepare()
    from mirror.web.gradio_patches import import_gradio

    import_gradio()
    from mirror.web.workshop.workshop_page import open_studio

    return open_studio(projects)


def main(arguments: Sequence[str] | None, home: Path) -> int:
    """`python app.py`, whose folder is `home`. Errors are one sentence on standard error."""
    parser = Parser(prog="python app.py", **ABOUT)
    add_options(parser)
    return ended(lambda: run(parser.parse_args(arguments), home), stopped="Stopped.")


def run(options: argparse.Namespace, home: Path) -> int:
    """Serves until it is stopped, and returns the exit code. Raises UsageError for what cannot be meant."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a stopped container takes its uploads with it
    check(options)
    models = models_folder(options.models, home)
    with working(f"Starting the {'studio' if options.studio else 'page'}"):  # gradio takes seconds to import
        if options.studio:
            photos = None if options.studio is EVERY_PROJECT else options.studio
            page, settings, announce = build_studio(photos, models, options.host)
        else:
            private = options.allow_private_hosts or os.environ.get("MIRROR_ALLOW_PRIVATE_HOSTS") == "1"
            page, settings = build(
                home, options.models, options.task_model, first=options.default, allow_private_hosts=private,
                host=options.host, mcp=options.mcp,
            )  # fmt: skip
    vars(sys.modules["__main__"])["demo"] = page  # where `gradio app.py` looks for what it reloads
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
