"""What must hold before anything is published: no secret, no path that leads elsewhere, no photo that must stay."""

from __future__ import annotations

import gzip
import io
import pickle
import random
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import onnx
import pytest

from mirror.errors import PublishError
from mirror.publish import content_checks
from mirror.publish.content_checks import ALLOWED, PIECE, check_files
from mirror.publish.published_files import write_folder

SECRETS = {
    "a token of Hugging Face": b"token = 'hf_" + b"aBcDeFgHiJ" * 4 + b"'",
    "a token of GitHub": b"ghp_" + b"a1B2" * 9,
    "a key of Google": b"AIza" + b"x" * 35,
    "a key of Amazon": b"AKIA" + b"Q" * 16,
    "a private key": b"-----BEGIN RSA " + b"PRIVATE KEY-----\nabc",
    "a key of OpenAI or Anthropic": b"sk-proj-" + b"a1B_" * 10,
    "a password in an address": b"https://ana:" + b"secret@photos.example/1.jpg",
    "a token of Slack": b"xoxb-" + b"1234567890-abc",
}


OF_THE_SAME_KIND = {
    "a token of Hugging Face": b"hf_" + b"a1B2" * 9,
    "a key of Amazon": b"aws_secret_access_key=" + b"a1B2" * 10,
    "a key of OpenAI or Anthropic": b"sk-svcacct-" + b"a1B2" * 9,
    "a password in an address": b"socks5://ana:" + b"secret@proxy",
}


@pytest.mark.parametrize("kind", ["gradio", "container", "model", "dataset"])
@pytest.mark.parametrize("what", SECRETS)
def test_no_secret_goes_in_any_file_of_any_kind(kind: str, what: str) -> None:
    for pattern in ALLOWED[kind]:
        name = pattern.replace("*", "x")
        with pytest.raises(PublishError, match=what):
            check_files(kind, {name: b"before " + SECRETS[what] + b" after"}, photos_may_go=True)


def in_pickle(text: str, **settings: Any) -> bytes:
    return pickle.dumps({"vocab": [text]}, **settings)


def in_archive(text: str, compression: int) -> bytes:
    with zipfile.ZipFile(written := io.BytesIO(), "w", compression) as archive:
        archive.writestr("learner/data.pkl", in_pickle(text))
    return written.getvalue()


def in_network(text: str, **where: str) -> bytes:
    network = onnx.ModelProto(graph=onnx.GraphProto(name="graph", doc_string=text if "doc" in where else ""))
    if "doc" not in where:
        network.metadata_props.add(key="names", value=text)
    return network.SerializeToString()


HIDDEN = {  # where the words of a binary file may lie
    "a pickle of protocol 5": ("learner.pkl", in_pickle),
    "a pickle of protocol 0": ("learner.pkl", partial(in_pickle, protocol=0)),
    "torch's archive": ("learner.pkl", partial(in_archive, compression=zipfile.ZIP_STORED)),
    "a compressed archive": ("learner.pkl", partial(in_archive, compression=zipfile.ZIP_DEFLATED)),
    "a network's metadata": ("model.onnx", in_network),
    "a network's note": ("model.onnx", partial(in_network, doc="yes")),
    "a compressed file": ("network.gz", lambda text: gzip.compress(in_network(text))),
}


@pytest.mark.parametrize("where", HIDDEN)
@pytest.mark.parametrize("what", SECRETS)
def test_a_secret_is_found_among_numbers(what: str, where: str, tmp_path: Path) -> None:
    """Whatever its length is, which may stand before it as a letter."""
    name, hidden = HIDDEN[where]
    for padding in (0, 20, 60):
        secret = SECRETS[what].decode() + ("" if "password" in what or "Amazon" in what else "A" * padding)
        (tmp_path / name).write_bytes(hidden(secret))
        for content in (hidden(secret), tmp_path / name):
            kind = "static" if name.endswith(".gz") else "model"
            if what != "a key of Google" or not padding:  # its length is fixed
                with pytest.raises(PublishError, match=what):
                    check_files(kind, {name: content}, photos_may_go=True)


def test_numbers_are_no_secrets() -> None:
    """What bytes spell by chance, as a network's weights do, is taken for none."""
    numbers = b"\x00\x93://\xff\xfe\x93:\x80\x81\x82@" + random.Random(0).randbytes(4 << 20)
    check_files("model", {"model.onnx": numbers, "learner.pkl": numbers}, photos_may_go=True)


@pytest.mark.parametrize(
    "content",
    [b"no archive", gzip.compress(b"x" * 100)[:-20], gzip.compress(b"x" * 2_000)],
    ids=["no archive", "cut short", "too large"],
)
def test_what_cannot_be_unpacked_is_not_published(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content_checks, "MAX_UNPACKED", 1_000)
    with pytest.raises(PublishError, match=r"network.gz is damaged, so it cannot be looked through for secrets"):
        check_files("static", {"network.gz": content}, photos_may_go=True)


@pytest.mark.parametrize("what", OF_THE_SAME_KIND)
def test_a_secret_is_found_in_whatever_form_and_wherever_it_lies(what: str, tmp_path: Path) -> None:
    table = tmp_path / "photos.csv"
    for before in (0, PIECE - 20, 3 * PIECE):
        content = b"a" * before + b" " + OF_THE_SAME_KIND[what] + b" " + b"a" * PIECE
        table.write_bytes(content)
        for file in (content, table):
            with pytest.raises(PublishError, match=what):
                check_files("dataset", {"photos.csv": file}, photos_may_go=True)


@pytest.mark.parametrize("path", ["../x", "/x", "a/../b", "a//b", "a\\b", "c:x", "a\nb", ".", ""])
def test_a_path_that_leads_elsewhere_is_never_written(path: str, tmp_path: Path) -> None:
    with pytest.raises(PublishError, match="is no path inside a repository"):
        write_folder(tmp_path / "out" / "space", {".mirror": b"", path: b"x"})
    assert not list(tmp_path.iterdir())


PICTURES = {
    "jpeg": b"\xff\xd8\xff\xe0", "png": b"\x89PNG\r\n\x1a\n", "webp": b"RIFF1234WEBPVP8 ", "gif": b"GIF89a",
    "heic": b"\0\0\0\x20ftypheic", "mif1": b"\0\0\0\x20ftypmif1", "tiff": b"II*\0\x08\0\0\0", "bmp": b"BM1234",
}  # fmt: skip


@pytest.mark.parametrize("start", PICTURES.values(), ids=PICTURES)
@pytest.mark.parametrize(
    "name", ["report/top_losses.png", "report/more.csv", "photos.csv", "report/confusion-photo.png"]
)
def test_no_photo_goes_that_is_not_meant_to_whatever_it_is_called(start: bytes, name: str) -> None:
    with pytest.raises(PublishError, match="a picture, and perhaps not yours"):
        check_files("model", {name: start + b"photo"}, photos_may_go=False)
    check_files("model", {name: start + b"photo"}, photos_may_go=True)


@pytest.mark.parametrize(
    "text",
    [
        b"https://photos.example/sk-hynix-memory-factory-tour-2020-a-photo-of-it.jpg",
        b"https://photos.example:8080/1.jpg?by=ana@mail.example",
        b"hf_hub_download and hf_xet",
        b"sha256 " + b"0a" * 32,
    ],
)
def test_what_only_looks_a_little_like_a_secret_may_go(text: bytes) -> None:
    check_files("dataset", {"photos.csv": text}, photos_may_go=False)


@pytest.mark.parametrize("name", ["id_rsa", "data/photo.jpg", ".env", ".git/config", "mirror/__pycache__/a.pyc"])
def test_what_belongs_nowhere_is_not_published(name: str) -> None:
    for kind in ("gradio", "model"):
        with pytest.raises(PublishError, match="does not belong"):
            check_files(kind, {name: b"x"}, photos_may_go=True)
