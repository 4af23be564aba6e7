"""The local Hub answers the real huggingface_hub as the real one does: what publishing is tested against."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

from tests.world.hub import Hub

CARD = b"---\ntitle: A\ncolorFrom: yellow\ncolorTo: gray\nsdk: static\n---\n"

# huggingface_hub sends by LFS as httpx2 does not like it any more
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>' to upload raw bytes:DeprecationWarning")


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub() as hub:
        yield hub


@pytest.fixture(autouse=True)
def without_xet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)


def client(hub: Hub) -> HfApi:
    return HfApi(endpoint=hub.url, token=hub.token)


def status(error: pytest.ExceptionInfo[HfHubHTTPError]) -> int:
    return error.value.response.status_code


def test_it_says_whose_token_it_is(hub: Hub) -> None:
    said = client(hub).whoami()
    assert (said["name"], said["isPro"], said["auth"]["accessToken"]["role"]) == ("ana", False, "write")
    with pytest.raises(HfHubHTTPError, match="Invalid user token"):
        HfApi(endpoint=hub.url, token="hf_wrong").whoami()


@pytest.mark.parametrize("part", [0, 1000])
def test_files_arrive_whole_in_one_piece_or_in_several_and_stale_ones_go(hub: Hub, part: int) -> None:
    hub.part, api = part, client(hub)
    api.create_repo("ana/thing")
    binary, text = bytes(range(256)) * 20, b"words"
    api.create_commit(
        "ana/thing", [CommitOperationAdd("a.bin", binary), CommitOperationAdd("b/c.txt", text)], commit_message="one"
    )
    first = hub.repositories["model", "ana/thing"].head
    assert api.model_info("ana/thing").sha == first
    api.create_commit("ana/thing", [CommitOperationDelete("b/c.txt")], commit_message="two", parent_commit=first)
    files = hub.repositories["model", "ana/thing"].files
    assert files == {".gitattributes": files[".gitattributes"], "a.bin": binary}
    assert hub.commits == [("model", "ana/thing")] * 2
    (entry,) = api.get_paths_info("ana/thing", ["a.bin"])
    assert entry.size == len(binary) and entry.lfs is not None


def test_what_is_there_already_is_not_sent_again(hub: Hub) -> None:
    api = client(hub)
    api.create_repo("ana/thing", repo_type="dataset")
    for _ in range(2):
        api.create_commit(
            "ana/thing", [CommitOperationAdd("a.bin", b"\0\1")], commit_message="one", repo_type="dataset"
        )
    assert hub.commits == [("dataset", "ana/thing")]


def test_a_commit_on_another_parent_is_refused(hub: Hub) -> None:
    api = client(hub)
    api.create_repo("ana/thing")
    with pytest.raises(HfHubHTTPError) as error:
        api.create_commit("ana/thing", [CommitOperationAdd("a", b"a")], commit_message="x", parent_commit="0" * 40)
    assert status(error) == 412


@pytest.mark.parametrize(
    ("plan", "sdk", "hardware", "expected"),
    [
        ("free", "static", None, None),
        ("free", "gradio", None, 402),
        ("free", "docker", None, 402),
        ("free", "gradio", "zero-a10g", None),
        ("pro", "gradio", None, None),
    ],
)
def test_a_plan_decides_what_may_be_hosted(hub: Hub, plan: str, sdk: str, hardware: str | None, expected: int) -> None:
    hub.plan, create = plan, client(hub).create_repo
    if expected is None:
        create("ana/page", repo_type="space", space_sdk=sdk, space_hardware=hardware)
        assert hub.repositories["space", "ana/page"].sdk == sdk
        return
    with pytest.raises(HfHubHTTPError) as error:
        create("ana/page", repo_type="space", space_sdk=sdk, space_hardware=hardware)
    assert status(error) == expected


@pytest.mark.parametrize(
    ("scope", "name", "expected"),
    [
        ("read", "ana/x", 403),
        ("fine-grained-read", "ana/x", 403),
        ("write", "other/x", 403),
        ("write", "ana/a..git", 400),
    ],
)
def test_a_token_decides_what_may_be_written(hub: Hub, scope: str, name: str, expected: int) -> None:
    hub.scope = scope
    with pytest.raises((HfHubHTTPError, ValueError)):
        client(hub).create_repo(name)
    assert not hub.repositories


def test_a_space_goes_through_its_stages_and_tells_its_log(hub: Hub) -> None:
    hub.logs, api = ("Collecting gradio", "ERROR: no"), client(hub)
    api.create_repo("ana/page", repo_type="space", space_sdk="static")
    api.create_commit("ana/page", [CommitOperationAdd("README.md", CARD)], commit_message="x", repo_type="space")
    assert api.wait_for_space("ana/page", poll_interval=0.01).stage == "RUNNING"
    assert "".join(api.fetch_space_logs("ana/page", build=True)).count("ERROR: no") == 1


def test_refusals_come_when_they_are_asked_for(hub: Hub) -> None:
    api = client(hub)
    hub.fail("POST", "/repos/create", 503, times=1)
    with pytest.raises(HfHubHTTPError) as error:
        api.create_repo("ana/thing")
    assert status(error) == 503
    api.create_repo("ana/thing")
    with pytest.raises(HfHubHTTPError) as error:
        api.create_repo("ana/thing")
    assert status(error) == 409
    with pytest.raises(RepositoryNotFoundError):
        api.model_info("ana/nothing")


def test_xet_takes_what_it_is_sent(hub: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", False)
    monkeypatch.setenv("HF_XET_CACHE", str(tmp_path))
    hub.mode, api = "lfs", client(hub)
    api.create_repo("ana/thing")
    api.create_commit("ana/thing", [CommitOperationAdd("a.bin", bytes(range(256)) * 999)], commit_message="one")
    assert hub.repositories["model", "ana/thing"].lfs["a.bin"][1] == 256 * 999
