"""What a Space of the shipped mirror takes, against the checkout pushed as it is: files, bytes, packages, requests; and
the page without a server (static_page.py).

    python -m benchmarks.publish               # 8 minutes; installs a Space's packages into a temporary environment
    python -m benchmarks.publish --no-install  # all but that
    python -m benchmarks.publish --no-browser  # all but static_page.py

The checkout is what `upload_folder` sends of the files that git knows, to a Hub on this machine (tests/world/hub.py).
The packages that training needs are counted where they are installed, in the environment that this runs in. Sizes are
those of files, without pip; the bytecode is what pip makes of what it installs, as a Space's builder lets it. The
networks are the shipped ones; nothing is trained or judged.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from huggingface_hub import HfApi, constants
from huggingface_hub.utils import disable_progress_bars

from benchmarks import ROOT
from benchmarks.publish import static_page
from mirror.errors import PublishError
from mirror.model_folder import ModelFolder, read_model_folder
from mirror.publish import space_trial
from mirror.publish.publication import Publication
from mirror.publish.published_files import total_size
from mirror.publish.space_gradio import BUILDER, REQUIREMENTS, space_gradio
from tests.world.hub import Hub

os.environ["PIP_NO_INDEX"] = "1"  # whether a builder can install it is not what is counted here


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--no-install", action="store_true", help="leave out the Space's packages")
    parser.add_argument("--no-browser", action="store_true", help="leave out the page without a server")
    options = parser.parse_args()
    disable_progress_bars()
    space_trial.POLL_SECONDS = 0
    constants.HF_HUB_DISABLE_XET = True  # the local Hub keeps nothing of what comes by Xet
    model = read_model_folder(ROOT / "models" / "mirror")
    ours = space_gradio(model)
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    theirs = {name: ROOT / name for name in listed if name and (ROOT / name).is_file()}
    print("| | the checkout as it is | ours | ratio |\n| --- | ---: | ---: | ---: |")
    row("files of the Space", len(theirs), len(ours))
    row("MB of the Space", total_size(theirs) / 1e6, total_size(ours) / 1e6)
    if not options.no_install:
        theirs_packages, ours_packages = packages_of(ROOT / "requirements-train.txt"), packages_of_space()
        row("MB of packages, without bytecode", theirs_packages[0], ours_packages[0])
        row("… with it, as a builder leaves them", theirs_packages[1], ours_packages[1])
    first, again = requests_of_ours(model), requests_of_theirs(theirs)
    row("requests, Space alone, first time", again[0], first[0])
    row("… the second time", again[1], first[1])
    row("commands from a trained model to its page, model and data set", 6, 1)
    print("(6: `hf repos create` and `hf upload` for each of three repositories, once their files are made.)")
    if not options.no_browser:
        print()
        static_page.main()


def row(what: str, theirs: float, ours: float) -> None:
    shown = [f"{value:,}" if isinstance(value, int) else f"{value:,.1f}" for value in (theirs, ours)]
    print(f"| {what} | {shown[0]} | {shown[1]} | {ours / theirs:.2f} |", flush=True)


def requests_of_ours(model: ModelFolder) -> tuple[int, int]:
    with Hub(plan="pro", stages=()) as hub:
        counts = []
        for _ in range(2):
            before = len(hub.requests)
            try:
                Publication(model, "gradio", ("space",)).publish(
                    HfApi(endpoint=hub.url, token=hub.token), None, lambda _: None, lambda: True
                )
            except PublishError as error:  # it is up in name alone, and cannot be asked
                assert "does not answer" in str(error), error
            counts.append(sum(not asked.path.startswith("/lfs/") for asked in hub.requests[before:]))
    return counts[0], counts[1]


def requests_of_theirs(files: dict[str, Path]) -> tuple[int, int]:
    with Hub(plan="pro") as hub, tempfile.TemporaryDirectory() as scratch:
        for name, path in files.items():
            Path(scratch, name).parent.mkdir(parents=True, exist_ok=True)
            Path(scratch, name).write_bytes(path.read_bytes())
        api, counts = HfApi(endpoint=hub.url, token=hub.token), []
        api.create_repo("ana/checkout", repo_type="space", space_sdk="gradio")
        for _ in range(2):
            before = len(hub.requests)
            api.upload_folder(repo_id="ana/checkout", repo_type="space", folder_path=scratch)
            counts.append(sum(not asked.path.startswith("/lfs/") for asked in hub.requests[before:]))
    return 1 + counts[0], counts[1]


def packages_of_space() -> tuple[float, float]:
    """MB of what a Space's builder installs, without bytecode and with it."""
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run([sys.executable, "-m", "venv", scratch], check=True)
        Path(scratch, "requirements.txt").write_text(REQUIREMENTS)
        command = [f"{scratch}/bin/pip", "install", "-q", "-r", f"{scratch}/requirements.txt", *BUILDER]
        environment = {name: value for name, value in os.environ.items() if name != "PIP_NO_INDEX"}
        subprocess.run(command, check=True, env=environment)
        found = Path(scratch, "lib").rglob("*")
        return sizes(path for path in found if path.is_file() and "pip" not in path.parts)


def sizes(files: Iterable[Path]) -> tuple[float, float]:
    """MB of the files, without bytecode and with it."""
    every = [(path, path.stat().st_size) for path in files]
    plain = sum(size for path, size in every if path.suffix != ".pyc")
    return plain / 1e6, sum(size for _, size in every) / 1e6


def packages_of(requirements: Path) -> tuple[float, float]:
    """MB of the packages that a requirements file brings, as they are installed here, without bytecode and with it."""
    ahead, found = [requirement(line) for line in lines_of(requirements)], {}
    while ahead:
        name = ahead.pop()
        if name and name not in found:
            try:
                found[name] = distribution(name)
            except PackageNotFoundError:
                continue
            wanted = [line for line in found[name].requires or () if "extra ==" not in line]
            ahead += [requirement(line) for line in wanted]
    files = [Path(str(file.locate())) for one in found.values() for file in one.files or ()]
    return sizes(path for path in files if path.is_file())


def lines_of(requirements: Path) -> list[str]:
    lines = []
    for line in requirements.read_text(encoding="utf-8").splitlines():
        lines += lines_of(requirements.parent / line[3:]) if line.startswith("-r ") else [line.split("#")[0]]
    return lines


def requirement(line: str) -> str:
    """The normal name of the package that a line requires."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\s<>=!~;\[(]", line.strip())[0]).lower()


if __name__ == "__main__":
    main()
