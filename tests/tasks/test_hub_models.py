"""Where a transformers model comes from: a folder, or a Hub that speaks the real one's protocol on this machine."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mirror.errors import ModelUnavailable, UsageError
from mirror.tasks.hub_errors import loading
from mirror.tasks.hub_models import hub_id, locate
from mirror.tasks.transformers_models import pretrained, require
from tests.support.hub_server import Hub
from tests.support.tiny_vit import tiny_vit

REPOSITORY = Path(__file__).resolve().parents[2]
LOCATE = """\
import json, sys, time
from mirror.errors import MirrorError
from mirror.tasks.hub_models import locate
for model in sys.argv[1:]:
    start = time.monotonic()
    try:
        found = locate("hf:" + model)
        row = {"identity": found.identity, "files": sorted(path.name for path in found.source.iterdir())}
    except MirrorError as error:
        row = {"error": str(error), "kind": type(error).__name__}
    print(json.dumps(row | {"seconds": time.monotonic() - start}))
"""
FILE = LOCATE.replace("tasks.hub_models import locate", "tasks.hub_client import fetch_file")
FILE = FILE.replace('locate("hf:" + model)', "fetch_file(model, 'config.json')")
FILE = FILE.replace("found.identity", "found[1]").replace(
    "sorted(path.name for path in found.source.iterdir())", "[found[0].name]"
)


@pytest.fixture(scope="module")
def vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_vit(tmp_path_factory.mktemp("tiny") / "vit")


def located(endpoint: str, home: Path, *models: str, code: str = LOCATE, **variables: str) -> list[dict[str, Any]]:
    """What `locate` finds in a process of its own, for the Hub's client reads its environment when it is imported."""
    settings = {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "PYTHONPATH": str(REPOSITORY), **variables}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    child = subprocess.run(
        [sys.executable, "-c", code, *models], env=kept | settings, capture_output=True, text=True, timeout=120
    )
    said = [line for line in child.stderr.splitlines() if " answers from now on; hf:" not in line]
    assert child.returncode == 0 and not said, child.stderr
    return [json.loads(line) for line in child.stdout.splitlines()]


def test_a_hub_model_is_fetched_once_and_then_opens_without_the_hub(vit: Path, tmp_path: Path):
    model = shutil.copytree(vit, tmp_path / "model")
    for name in ("pytorch_model.bin", "tf_model.h5", "modeling_vit.py", "README.md"):
        (model / name).write_bytes(b"not wanted")
    with Hub({"someone/vit": model}) as hub:
        commit = hub.commit("someone/vit")
        first, second = located(hub.url, tmp_path / "home", "someone/vit", "someone/vit")
        fetched = [path for path in hub.asked if "/resolve/" in path]
    (offline,) = located(hub.url, tmp_path / "home", "someone/vit")
    (forbidden,) = located(hub.url, tmp_path / "home", "someone/vit", HF_HUB_OFFLINE="1")
    assert first["identity"] == f"someone/vit@{commit}"
    assert first["files"] == ["config.json", "model.safetensors", "preprocessor_config.json"]
    assert second["identity"] == offline["identity"] == forbidden["identity"] == first["identity"]
    assert {path.rsplit("/", 1)[1] for path in fetched} == set(first["files"])
    assert len(fetched) == 2 * len(first["files"]), "asked for once, and got once"


def test_the_commit_that_was_fetched_first_answers_until_the_newest_is_asked_for(vit: Path, tmp_path: Path):
    model = shutil.copytree(vit, tmp_path / "model")
    with Hub({"someone/vit": model}) as hub:
        (first,) = located(hub.url, tmp_path / "home", "someone/vit")
        tiny_vit(model, seed=1)
        hub.asked.clear()
        now, newest, old = hub.commit("someone/vit"), "someone/vit@main", first["identity"].partition("@")[2]
        (kept,) = located(hub.url, tmp_path / "home", "someone/vit")
        assert kept["identity"] == first["identity"] and not hub.asked, "the Hub is not asked again"
        renewed, after, before = located(hub.url, tmp_path / "home", newest, "someone/vit", f"someone/vit@{old}")
        (lacking,) = located(hub.url, tmp_path / "home", f"someone/vit@{'0' * 40}")
    (offline,) = located("http://127.0.0.1:1", tmp_path / "home", newest)
    assert renewed["identity"] == after["identity"] == offline["identity"] == f"someone/vit@{now}"
    assert before["identity"] == first["identity"] != renewed["identity"]
    assert lacking["error"].startswith("someone/vit on the Hugging Face Hub has no such commit or branch: name another")


@pytest.mark.parametrize(
    "model, expected",
    [
        ("someone/nothing", "has no model someone/nothing that is open to you: check the name"),
        ("someone/gated", "someone/gated is open only to those who accept its terms"),
        ("someone/words", "someone/words on the Hub holds no model that answers here, neither in ONNX nor for torch"),
    ],
)
def test_what_the_hub_does_not_give(model: str, expected: str, vit: Path, tmp_path: Path):
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "README.md").write_text("no model")
    with Hub({"someone/gated": vit, "someone/words": tmp_path / "words"}, gated=["someone/gated"]) as hub:
        (row,) = located(hub.url, tmp_path / "home", model)
    assert row["kind"] == "ModelUnavailable" and expected in row["error"]


def test_a_hub_that_fails_is_one_sentence_and_its_models_in_the_cache_still_open(vit: Path, tmp_path: Path):
    with Hub({"someone/vit": vit}) as hub:
        located(hub.url, tmp_path / "home", "someone/vit")
        hub.broken = True
        cached, other = located(hub.url, tmp_path / "home", "someone/vit", "someone/other")
    assert "identity" in cached
    assert other["error"].startswith("The Hugging Face Hub answered 500 for someone/other: try again later")


def test_an_unreachable_hub_fails_fast_and_names_the_ways_out(tmp_path: Path):
    with socket.socket() as silent:  # takes connections and never answers
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        (hanging,) = located(f"http://127.0.0.1:{silent.getsockname()[1]}", tmp_path, "someone/vit")
    (refused,) = located("http://127.0.0.1:1", tmp_path, "someone/vit")
    (no_proxy,) = located("http://hub.invalid", tmp_path, "someone/vit", HTTP_PROXY="http://127.0.0.1:1")
    (forbidden,) = located("http://127.0.0.1:1", tmp_path, "someone/vit", HF_HUB_OFFLINE="1")
    for row in (hanging, refused, no_proxy):
        assert row["error"] == (
            "someone/vit is not on this machine, and the Hugging Face Hub cannot be reached: connect, or give a folder "
            "that holds the model."
        )
    assert "HF_HUB_OFFLINE forbids to fetch it" in forbidden["error"]
    assert hanging["seconds"] < 10 and refused["seconds"] < 5 and no_proxy["seconds"] < 5


def test_the_hub_is_asked_through_the_proxy(vit: Path, tmp_path: Path):
    with Hub({"someone/vit": vit}) as hub:  # asked for a whole URL, it answers as a proxy would
        (row,) = located("http://hub.invalid", tmp_path, "someone/vit", HTTP_PROXY=hub.url)
    assert row["identity"].startswith("someone/vit@")


def test_a_folder_is_known_by_all_its_files(vit: Path, tmp_path: Path):
    copy = shutil.copytree(vit, tmp_path / "copy")
    same, before = locate(str(vit)), locate(str(copy))
    assert before.local and before.identity.startswith("sha256:") and before.identity == same.identity
    words = json.loads((copy / "preprocessor_config.json").read_text())
    (copy / "preprocessor_config.json").write_text(json.dumps(words | {"do_normalize": False}))
    assert locate(str(copy)).identity != before.identity


@pytest.mark.parametrize(
    "files, error, expected",
    [
        ({}, ModelUnavailable, "holds no config.json: give a folder that transformers' save_pretrained made."),
        ({"config.json": "{"}, ModelUnavailable, "cannot be read"),
        ({"config.json": "[]"}, ModelUnavailable, "describes no model"),
    ],
)
def test_a_folder_that_is_no_model(files: dict[str, str], error: type, expected: str, tmp_path: Path):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(error, match=expected):
        locate(str(tmp_path))


def test_what_is_neither_a_folder_nor_a_hub_id_is_a_usage_error(tmp_path: Path):
    for model in ("nothing-here", "a/b/c", "/nothing/here", "../no/folder", "someone/", "-x/y"):
        with pytest.raises(UsageError, match=f"There is no {model}: give the folder of a model, or hf:OWNER/NAME"):
            locate(model)
    file = tmp_path / "file.txt"
    file.touch()
    with pytest.raises(UsageError, match="is no folder"):
        locate(str(file))


def test_only_what_is_plainly_meant_for_the_hub_is_asked_of_it(
    vit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hf:owner").mkdir()
    (tmp_path / "hf:owner" / "name").touch()
    known = "google/vit-base-patch16-224"
    assert (hub_id(known), hub_id("hf:google/other"), hub_id("hf:owner/name")) == (known, "google/other", None)
    for path in ("models/mirror", "runs/best", "model/vit", "hf:/x", "hf:a/b/c", "hf:mirror", str(tmp_path)):
        assert hub_id(path) is None
    code = LOCATE.replace('locate("hf:" + model)', "locate(model)")
    with Hub({"model/vit": vit}) as hub:
        (never,) = located(hub.url, tmp_path / "home", "model/vit", code=code)
        assert not hub.asked and "or hf:model/vit for one of the Hugging Face Hub" in never["error"]
        located(hub.url, tmp_path / "home", "model/vit")
        (cached,) = located(hub.url, tmp_path / "home", "model/vit", code=code)
    assert cached["identity"].startswith("model/vit@")


def test_a_model_of_another_task_is_refused_before_it_is_loaded(vit: Path):
    require(locate(str(vit)), "image-classification")
    for task in ("object-detection", "zero-shot-image-classification"):
        with pytest.raises(ModelUnavailable, match=f"is a ViTForImageClassification, which does no {task}: choose"):
            require(locate(str(vit)), task)


def test_weights_without_what_prepares_photos_are_one_sentence(vit: Path, tmp_path: Path):
    lacking = shutil.copytree(vit, tmp_path / "lacking")
    (lacking / "preprocessor_config.json").unlink()
    says = "lacking does not tell how its photos are prepared, for it has no preprocessor_config.json: choose another."
    with pytest.raises(ModelUnavailable, match=says):
        require(locate(str(lacking)), "image-classification")


def test_weights_that_are_missing_are_not_made_up(vit: Path, tmp_path: Path):
    from transformers import AutoModelForImageClassification, ViTModel

    body = tmp_path / "body"
    ViTModel.from_pretrained(vit).save_pretrained(body)
    config = json.loads((vit / "config.json").read_text())
    (body / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelUnavailable, match="lacks weights that a ViTForImageClassification needs"):
        pretrained(AutoModelForImageClassification, locate(str(body)))


def test_code_that_comes_with_a_model_does_not_run(vit: Path, tmp_path: Path):
    from transformers import AutoModelForImageClassification

    ran = tmp_path / "ran"
    own_code = shutil.copytree(vit, tmp_path / "own-code")
    config = json.loads((vit / "config.json").read_text()) | {"model_type": "own"}
    config["auto_map"] = {"AutoConfig": "own.Own", "AutoModelForImageClassification": "own.Own"}
    (own_code / "config.json").write_text(json.dumps(config))
    (own_code / "own.py").write_text(f"open({str(ran)!r}, 'w')\nclass Own: pass\n")
    with pytest.raises(ModelUnavailable, match="custom code"):
        pretrained(AutoModelForImageClassification, locate(str(own_code)))

    class Trap:
        def __reduce__(self):
            return open, (str(ran), "w")

    pickled = shutil.copytree(vit, tmp_path / "pickled")
    (pickled / "model.safetensors").unlink()
    (pickled / "pytorch_model.bin").write_bytes(pickle.dumps({"vit.embeddings.cls_token": Trap()}))
    with pytest.raises(ModelUnavailable, match="cannot be opened"):
        pretrained(AutoModelForImageClassification, locate(str(pickled)))
    assert not ran.exists()


def test_older_weights_of_torch_are_read(vit: Path, tmp_path: Path):
    import torch
    from safetensors.torch import load_file
    from transformers import AutoModelForImageClassification

    older = shutil.copytree(vit, tmp_path / "older")
    torch.save(load_file(older / "model.safetensors"), older / "pytorch_model.bin")
    (older / "model.safetensors").unlink()
    model = pretrained(AutoModelForImageClassification, locate(str(older)))
    expected = pretrained(AutoModelForImageClassification, locate(str(vit)))
    assert not model.training
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), expected.parameters(), strict=True))


@pytest.mark.parametrize(
    "raised, expected",
    [
        (ModuleNotFoundError("No module named 'timm'", name="timm"), "needs the package timm"),
        (OSError("it has no tokenizer\nand much more"), r"cannot be opened \(it has no tokenizer\): check its files"),
        (KeyError(), r"cannot be opened \(KeyError\)"),
        (TimeoutError("no answer"), "the Hugging Face Hub cannot be reached: connect, give a folder that holds the"),
    ],
)
def test_whatever_goes_wrong_is_one_sentence(raised: Exception, expected: str):
    with pytest.raises(ModelUnavailable, match=expected) as caught, loading("the/model", "use --model imagenet"):
        raise raised
    assert "\n" not in str(caught.value)


def test_one_file_of_a_model_is_fetched_and_remembered(vit: Path, tmp_path: Path):
    code = FILE.replace("'config.json'", "FILE").replace("[found[0].name]", "found[0].stat().st_size")
    with Hub({"someone/vit": vit}) as hub:
        (first,) = located(hub.url, tmp_path, "someone/vit", code=code.replace("FILE", "'config.json'"))
        (lacking,) = located(hub.url, tmp_path, "someone/vit", code=code.replace("FILE", "'face.onnx'"))
        commit = hub.commit("someone/vit")
    (again,) = located(hub.url, tmp_path, "someone/vit", code=code.replace("FILE", "'config.json'"))
    assert first["identity"] == again["identity"] == f"someone/vit@{commit}/config.json"
    assert first["files"] == (vit / "config.json").stat().st_size
    assert lacking["error"] == "someone/vit on the Hugging Face Hub lacks a file that is needed: choose another model."


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("code", [LOCATE, FILE], ids=["a model", "a file"])
def test_what_another_user_put_into_the_cache_is_not_opened(vit: Path, tmp_path: Path, code: str) -> None:
    """Whether the Hub answers or not: its client does not fetch again what lies there."""
    theirs = ["", "snapshots", "snapshots/*", "blobs", "blobs/*"]
    models = [f"someone/vit{number}" for number in range(len(theirs))]
    with Hub(dict.fromkeys(models, vit)) as server:
        before = located(server.url, tmp_path, *models, code=code)
        for model, whose in zip(models, theirs, strict=True):
            entry = tmp_path / "hub" / f"models--{model.replace('/', '--')}"
            for path in entry.glob(whose) if whose else [entry]:
                os.chown(path, 12345, 12345)
        online = located(server.url, tmp_path, *models, code=code)
    offline = located(server.url, tmp_path, *models, code=code, HF_HUB_OFFLINE="1")
    assert all("config.json" in row["files"] for row in before)
    for row, whose in zip([*online, *offline], theirs * 2, strict=True):
        assert row.get("kind") == "ModelUnavailable" and "belongs to another user" in row["error"], (whose, row)
        assert row["error"].endswith("Set HF_HOME to a folder of your own.")


def test_a_file_is_of_the_commit_that_was_fetched_first_until_the_newest_is_asked_for(vit: Path, tmp_path: Path):
    model = shutil.copytree(vit, tmp_path / "model")
    with Hub({"someone/vit": model}) as hub:
        (first,) = located(hub.url, tmp_path / "home", "someone/vit", code=FILE)
        (model / "config.json").write_text("{}")
        kept, renewed, after = located(
            hub.url, tmp_path / "home", "someone/vit", "someone/vit@main", "someone/vit", code=FILE
        )
    assert first["identity"] == kept["identity"] != renewed["identity"] == after["identity"]
