"""For this machine only: what the studio refuses to be, whom it answers, and which files it gives away."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from mirror.errors import UsageError
from mirror.web.studio.door import require_this_machine
from tests.web.serving import REPOSITORY, Served, environment, run_app, serve
from tests.web.studio.folders import photo_folder


@pytest.mark.parametrize(
    ("host", "environ", "says"),
    [
        (None, {}, ""),
        ("127.0.0.1", {"GRADIO_SERVER_NAME": "localhost"}, ""),
        ("localhost", {"GRADIO_SHARE": "False"}, ""),
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
def test_what_cannot_be_opened_is_one_sentence(tmp_path: Path, arguments, variables, code, says) -> None:
    photos = photo_folder(tmp_path / "birds", each=1)
    if "TORN" in arguments:
        row = f"now,{photos[0].file_name},destroy,"
        (tmp_path / "birds" / "decisions.csv").write_text(f"time,file_name,action,label\n{row}\n")
    folder = str(tmp_path / "birds")
    done = run_app(*(text.replace("FOLDER", folder).replace("TORN", folder) for text in arguments), **variables)
    assert done.returncode == code, done.stderr
    assert says in done.stderr and len(done.stderr.strip().splitlines()) == 1


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, Path]]:
    place = tmp_path_factory.mktemp("door")
    photo_folder(place / "data" / "birds", each=2)
    (place / "models").mkdir()
    (place / "data" / "birds" / "images" / "secret.jpg").write_bytes(b"not a photo of metadata.csv")
    with serve("--studio", str(place / "data" / "birds"), "--models", str(place / "models")) as page:
        yield page, place / "data" / "birds"


def test_photos_are_served_by_their_names_and_nothing_else_is(studio: tuple[Served, Path]) -> None:
    page, folder = studio
    photo = next(folder.glob("images/*/*.jpg"))
    name = photo.relative_to(folder).as_posix()
    assert httpx.get(f"{page.url}/studio/photos/{name}").content == photo.read_bytes()
    thumbnail = httpx.get(f"{page.url}/studio/thumbnails/{name}")
    assert thumbnail.headers["content-type"] == "image/jpeg"
    assert thumbnail.headers["x-content-type-options"] == "nosniff"
    others = ("images/secret.jpg", "metadata.csv", "images/..%2Fmetadata.csv", "..%2F..%2Fx", "%2Fetc%2Fpasswd", "")
    for kind in ("photos", "thumbnails"):
        for other in others:
            assert httpx.get(f"{page.url}/studio/{kind}/{other}").status_code == 404, other
    for inside in (photo, folder / "metadata.csv", REPOSITORY / "app.py"):
        assert httpx.get(f"{page.url}/gradio_api/file={inside}").status_code in (403, 404), inside


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:PORT"}, 200),
        ({"Origin": "http://127.0.0.1:PORT"}, 200),
        ({"Host": "evil.example:PORT"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "evil.example", "Origin": "http://evil.example"}, 403),
    ],
)
def test_only_this_machine_is_answered(studio: tuple[Served, Path], headers: dict[str, str], status: int) -> None:
    page, _ = studio
    sent = {name: value.replace("PORT", str(page.port)) for name, value in headers.items()}
    assert httpx.get(f"{page.url}/config", headers=sent).status_code == status


def test_no_endpoint_is_offered_to_programs(studio: tuple[Served, Path]) -> None:
    page, _ = studio
    told = httpx.get(f"{page.url}/gradio_api/info").json()
    assert told == {"named_endpoints": {}, "unnamed_endpoints": {}}


def test_it_imports_neither_torch_nor_fastai(tmp_path: Path) -> None:
    photo_folder(tmp_path / "birds", each=1)
    code = (
        "import sys; from pathlib import Path; from mirror.web.studio.page import open_studio;"
        f"open_studio(Path({str(tmp_path / 'birds')!r}), Path({str(tmp_path)!r}));"
        "print([name for name in ('torch', 'fastai', 'transformers') if name in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, env=environment(), capture_output=True, text=True
    )  # fmt: skip
    assert (run.stdout.strip(), run.returncode) == ("[]", 0), run.stderr
