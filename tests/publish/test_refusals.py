"""Whatever the Hub refuses, and whatever is wrong with the account, is one sentence that says what to do."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from huggingface_hub import HfApi
from PIL import Image

from mirror.cli import main
from mirror.collect.photo_records import read_photos
from mirror.errors import MirrorError, PublishError, UsageError
from mirror.images import encode_jpeg
from mirror.model_folder import ModelFolder
from mirror.publish import repository_commit
from mirror.publish.account import read_account
from mirror.publish.publication import Publication
from tests.publish.conftest import SHIPPED, Run
from tests.world.hub import Hub


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repository_commit, "PAUSE_SECONDS", 0)
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)


def refused(hub: Hub, model: ModelFolder, to: str | None = None, **settings: object) -> str:
    """The sentence of a publication that fails, of the data set unless settings say otherwise."""
    publication = Publication(model, **{"parts": ("dataset",), **settings})
    with pytest.raises(MirrorError) as error:
        publication.publish(HfApi(endpoint=hub.url, token=hub.token), to, lambda _: None, lambda: True)
    sentence = str(error.value)
    assert "\n" not in sentence and sentence.endswith((".", ")")) and "Traceback" not in sentence
    return sentence


@pytest.mark.parametrize("path", ["/whoami-v2", "/repos/create", "/preupload/", "/commit/", "/tree/"])
@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "is not one that the Hub knows"),
        (402, "--as static is free for everyone"),
        (403, "may not write to"),
        (429, "was asked too often"),
        (500, "trouble of its own"),
        (503, "trouble of its own"),
        (418, "HTTP 418"),
    ],
)
def test_every_refusal_at_every_step_is_a_sentence(
    hub: Hub, model: ModelFolder, path: str, status: int, words: str
) -> None:
    if path == "/tree/":
        Publication(model, parts=("dataset",)).publish(
            HfApi(endpoint=hub.url, token=hub.token), None, lambda _: None, lambda: True
        )
    for method in ("GET", "POST"):
        hub.fail(method, path, status, error="why it was refused")
    sentence = refused(hub, model)
    assert words in sentence or (status == 401 and "is not there" in sentence), sentence


@pytest.mark.parametrize("path", ["/whoami-v2", "/repos/create", "/validate-yaml", "/preupload/", "/commit/"])
@pytest.mark.parametrize("status", [200, 404, 502])
def test_an_answer_that_is_none_is_a_sentence_too(hub: Hub, model: ModelFolder, path: str, status: int) -> None:
    """A proxy that wants a password answers with a page of its own."""
    for method in ("GET", "POST"):
        hub.fail(method, path, status, error=b"<html>Log in to the network</html>")
    refused(hub, model)


def test_a_licence_that_the_hub_does_not_know_is_told_before_anything_is_made(
    hub: Hub, model: ModelFolder, tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    for photo in read_photos(model.path / "photos.csv"):
        (photos / photo.file_name).parent.mkdir(parents=True, exist_ok=True)
        (photos / photo.file_name).write_bytes(encode_jpeg(Image.new("RGB", (32, 32))))
    shutil.copy(model.path / "photos.csv", photos / "metadata.csv")
    assert '"license" must be one of a list' in refused(hub, model, data=photos, license="cc-by")
    assert not hub.repositories


def test_a_name_that_was_taken_in_between_is_told(hub: Hub, model: ModelFolder) -> None:
    hub.fail("POST", "/commit/", 409, error="a conflict")
    assert "taken" in refused(hub, model)


def test_another_commit_in_between_is_told(hub: Hub, model: ModelFolder) -> None:
    hub.fail("POST", "/commit/", 412, error="A commit has happened since. Please refresh and try again.")
    assert "Somebody else changed ana/mirror" in refused(hub, model)


def test_how_long_to_wait_is_told(hub: Hub, model: ModelFolder) -> None:
    hub.fail("POST", "/commit/", 429, Retry_After="120")
    assert "try again in 120 s" in refused(hub, model)


@pytest.mark.parametrize(
    ("scope", "words"),
    [
        ("expired", "has expired"),
        ("read", "'laptop' may only read"),
        ("fine-grained-read", "fine-grained token 'laptop' may not write to repositories of ana"),
    ],
)
def test_a_token_that_may_not_write_is_told_before_anything_is_made(
    hub: Hub, model: ModelFolder, scope: str, words: str
) -> None:
    hub.scope = scope
    assert words in refused(hub, model)
    assert not hub.repositories and "huggingface.co/settings/tokens" in refused(hub, model)


@pytest.mark.parametrize("scope", ["write", "fine-grained", "oauth"])
def test_every_token_that_may_write_publishes(hub: Hub, model: ModelFolder, scope: str) -> None:
    hub.scope = scope
    api = HfApi(endpoint=hub.url, token=hub.token)
    Publication(model, parts=("dataset",)).publish(api, None, lambda _: None, lambda: True)
    assert hub.commits == [("dataset", "ana/mirror")]


@pytest.mark.parametrize(
    ("to", "words"),
    [
        ("other/birds", "ana does not belong to other"),
        ("ana/a--b", "cannot be the name"),
        ("ana/" + "x" * 97, "cannot be the name"),
        ("ana/a b", "cannot be the name"),
        ("a/b/c", "cannot be the name"),
        ("ana/birds.git", "cannot be the name"),
        ("", "cannot be the name"),
        ("hf_" + "tokenofthetests" * 2, "holds what looks like a token of Hugging Face"),
        ("ana/sk-ant-" + "a1B2" * 9, "holds what looks like a key of OpenAI or Anthropic"),
    ],
)
def test_a_name_that_is_not_allowed_is_told(hub: Hub, model: ModelFolder, to: str, words: str) -> None:
    assert words in refused(hub, model, to)
    assert not hub.repositories


@pytest.mark.parametrize(
    ("way", "to", "words"),
    [
        ("gradio", None, "--as static"),
        ("container", None, "--as zero"),
        ("gradio", "club/birds", "club may not host"),
        ("zero", "club/birds", "without a plan"),
    ],
)
def test_what_the_account_may_not_host_is_told_before_anything_is_made(
    hub: Hub, model: ModelFolder, way: str, to: str | None, words: str
) -> None:
    hub.organisations = {"club": False}
    assert words in refused(hub, model, to, way=way, parts=("space",))
    assert not hub.repositories


def test_a_third_space_on_zerogpu_is_refused_by_the_hub(
    hub: Hub, model: ModelFolder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    api = HfApi(endpoint=hub.url, token=hub.token)
    for name in ("ana/one", "ana/two"):
        api.create_repo(name, repo_type="space", space_sdk="gradio", space_hardware="zero-a10g")
    assert "two Spaces of a free account" in refused(hub, model, way="zero", parts=("space",))


def test_no_network_no_token_and_an_offline_switch_are_a_sentence_each(publish: Run) -> None:
    cases = {
        "cannot be reached": {"HF_ENDPOINT": "http://127.0.0.1:9"},
        "Nobody is logged in": {"HF_TOKEN": ""},
        "HF_HUB_OFFLINE is set": {"HF_HUB_OFFLINE": "1"},
        "in HF_TOKEN, which goes before": {"HF_TOKEN": "hf_wrong"},
    }
    for words, variables in cases.items():
        done = publish("--yes", "--what", "dataset", **variables)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
        assert words in done.stderr


@pytest.mark.parametrize(
    "endpoint",
    ["huggingface.co", "ftp://huggingface.co", "http://[::1", "https://", "https://ana:secret1@huggingface.co"],
)
def test_what_is_no_address_of_a_hub_is_told_and_not_repeated(model: ModelFolder, endpoint: str) -> None:
    publication = Publication(model, parts=("dataset",))
    with pytest.raises(UsageError, match="HF_ENDPOINT is no address of a Hub") as error:
        publication.publish(HfApi(endpoint=endpoint, token="hf_x"), None, lambda _: None, lambda: True)
    assert "secret1" not in str(error.value)


def test_a_server_that_is_no_hub_is_told(hub: Hub, model: ModelFolder) -> None:
    api = HfApi(endpoint=f"{hub.url}/hub", token=hub.token)
    with pytest.raises(PublishError, match="is no Hub .HTTP 404.: look at HF_ENDPOINT"):
        Publication(model, parts=("dataset",)).publish(api, None, lambda _: None, lambda: True)


def test_a_token_that_cannot_be_sent_is_told_and_not_repeated(hub: Hub, model: ModelFolder) -> None:
    api = HfApi(endpoint=hub.url, token="hf_schlüssel")
    with pytest.raises(UsageError, match="a letter that no token has") as error:
        Publication(model, parts=("dataset",)).publish(api, None, lambda _: None, lambda: True)
    assert "schl" not in str(error.value)


@pytest.mark.parametrize("license", ["", " ", "CC BY 4.0", "cc-by-4.0\nx: y", "-", "a--b"])
def test_what_is_no_licence_does_not_let_photos_go(license: str, capsys: pytest.CaptureFixture[str]) -> None:
    """As `--license "$LICENCE"` where that is empty."""
    assert main(["publish", str(SHIPPED), f"--license={license}", "--dry-run"]) == 2
    assert "is no licence as the Hub names them: give one as cc-by-4.0" in capsys.readouterr().err


def test_an_organisation_with_a_plan_may_host_what_it_pays_for(hub: Hub) -> None:
    hub.organisations = {"club": False, "lab": True}
    account = read_account(hub.whoami())
    assert [account.may_host_gradio(owner) for owner in ("ana", "club", "lab", "nobody")] == [False, False, True, False]
