"""Where the studio does not start, and what it is from its first moment: no torch, and files that are nobody else's."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mirror.errors import UsageError
from mirror.web.workshop.access import require_this_machine
from tests.support.limits import LIMIT
from tests.support.warm_processes import Warm
from tests.web.serving import REPOSITORY, environment
from tests.web.studio.folders import photo_folder


@pytest.mark.parametrize(
    ("host", "environ", "says"),
    [
        (None, {}, ""),
        ("127.0.0.1", {"GRADIO_SERVER_NAME": "localhost"}, ""),
        ("localhost", {"GRADIO_SHARE": "False"}, ""),
        ("[::1]", {}, ""),
        ("0.0.0.0", {}, "leave out --host 0.0.0.0"),
        ("192.168.1.5", {}, "leave out --host 192.168.1.5"),
        (None, {"GRADIO_SERVER_NAME": "0.0.0.0"}, "leave out GRADIO_SERVER_NAME 0.0.0.0"),
        (None, {"GRADIO_SHARE": "True"}, "unset GRADIO_SHARE"),
        (None, {"SYSTEM": "spaces"}, "does not run on a Space"),
        (None, {"SPACE_ID": "me/mirror"}, "does not run on a Space"),
    ],
)
def test_where_it_would_be_reachable_it_does_not_start(host: str | None, environ: dict[str, str], says: str) -> None:
    if not says:
        require_this_machine(host, environ)
        return
    with pytest.raises(UsageError, match=says):
        require_this_machine(host, environ)


@pytest.fixture(scope="module")
def warm_app() -> Iterator[Warm]:
    """app.py, with gradio imported as it imports it."""
    with Warm("app:main", ["mirror.web.workshop.workshop_page"], environment()) as program:
        yield program


def test_a_folder_that_is_none_is_told_before_gradio_is_imported(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from mirror.cli.serve import main\n"
        "print(main(['--studio', 'no/such'], Path('.')), 'gradio' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True, text=True, timeout=LIMIT,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "1 False" and "no/such does not exist" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "variables", "code", "says"),
    [
        (("--studio", "FOLDER"), {"SPACE_ID": "me/mirror"}, 2, "does not run on a Space"),
        (("--studio", "FOLDER", "--host", "0.0.0.0"), {}, 2, "for this machine only"),
        (("--studio", "FOLDER/nowhere"), {}, 1, "nowhere does not exist; give a photo folder that train.py made"),
        (("--studio", "FOLDER/metadata.csv"), {}, 1, "metadata.csv is not a folder"),
        (("--studio", "FOLDER/images"), {}, 1, "images holds no metadata.csv"),
        (("--studio", "TORN"), {}, 1, "line 2: action 'destroy' is none of relabel"),
        (("--studio", "FOLDER", "--models", "FOLDER/models"), {}, 2, "There is no folder of models at"),
    ],
)
def test_what_cannot_be_opened_is_one_sentence(
    warm_app: Warm, tmp_path: Path, arguments, variables, code, says
) -> None:
    photos = photo_folder(tmp_path / "birds", each=1)
    if "TORN" in arguments:
        row = f"now,{photos[0].file_name},destroy,"
        (tmp_path / "birds" / "decisions.csv").write_text(f"time,file_name,action,label\n{row}\n")
    folder = str(tmp_path / "birds")
    given = [text.replace("FOLDER", folder).replace("TORN", folder) for text in arguments]
    done = warm_app(*given, cwd=tmp_path, **variables)
    assert done.returncode == code, done.stderr
    assert says in done.stderr and len(done.stderr.strip().splitlines()) == 1


def test_what_the_studio_writes_is_nobody_elses_to_write(tmp_path: Path) -> None:
    photo_folder(tmp_path / "birds", each=1)
    code = (
        "import os; from pathlib import Path; os.umask(0); from mirror.web.workshop.workshop_page import open_studio;"
        "from mirror.web.workshop.projects import Projects;"
        "from mirror.collect.corrections import REMOVE; from tests.support.photo_folders import correct;"
        "from mirror.collect.photo_records import read_photos;"
        f"folder = Path({str(tmp_path / 'birds')!r}); open_studio(Projects(folder.parent, folder.parent, folder));"
        "correct(folder, [read_photos(folder / 'metadata.csv')[0].file_name], REMOVE)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, env=environment(), check=True, timeout=LIMIT)
    assert (tmp_path / "birds" / "decisions.csv").stat().st_mode & 0o022 == 0


def test_it_imports_neither_torch_nor_fastai(tmp_path: Path) -> None:
    photo_folder(tmp_path / "birds", each=1)
    code = (
        "import sys; from pathlib import Path; from mirror.web.workshop.workshop_page import open_studio;"
        f"from mirror.web.workshop.projects import Projects; home = Path({str(tmp_path)!r});"
        "open_studio(Projects(home, home, home / 'birds'));"
        "print([name for name in ('torch', 'fastai', 'transformers') if name in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, env=environment(), capture_output=True, text=True, timeout=LIMIT
    )
    assert (run.stdout.strip(), run.returncode) == ("[]", 0), run.stderr
