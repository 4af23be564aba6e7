"""A model is published to a local Hub by the real client: what is made, in what order, and once only."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

import pytest
import yaml
from huggingface_hub import HfApi

from mirror.errors import PublishError
from mirror.model_folder import ModelFolder, read_model_folder
from mirror.publish import repository_commit, space_trial
from mirror.publish.dataset_repository import dataset_repository
from mirror.publish.publication import Publication
from mirror.publish.publication_record import RECORDS, read_record
from mirror.publish.published_files import Files
from mirror.publish.space_static import space_static
from tests.publish.conftest import ROOT, SHIPPED, Run, renamed
from tests.support.ports import free_port
from tests.support.web_server import served
from tests.web.serving import Served, serve
from tests.world import wait_until
from tests.world.hub import Hub

# huggingface_hub sends by LFS as httpx2 does not like it any more
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>' to upload raw bytes:DeprecationWarning")
WITHOUT_SPACE = ("--what", "model,dataset", "--yes")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(repository_commit, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(space_trial, "POLL_SECONDS", 0.01)


def go(hub: Hub, publication: Publication, to: str | None = None, **more: object) -> list[str]:
    """Publishes in this process, and returns what was said."""
    said: list[str] = []
    publication.publish(HfApi(endpoint=hub.url, token=hub.token), to, said.append, lambda: True, **more)
    return said


def test_model_and_data_set_are_made_and_a_second_time_nothing_is_sent(hub: Hub, publish: Run) -> None:
    done = publish(*WITHOUT_SPACE)
    assert (done.returncode, done.stderr) == (0, ""), done
    assert hub.commits == [("model", "ana/mirror"), ("dataset", "ana/mirror")]
    model = hub.repositories["model", "ana/mirror"]
    assert model.files["learner.pkl"] == (SHIPPED / "learner.pkl").read_bytes() == model.files["model.pkl"]
    assert done.stdout.splitlines()[-2:] == [f"{hub.url}/ana/mirror", f"{hub.url}/datasets/ana/mirror"]
    before = len(hub.requests)
    again = publish(*WITHOUT_SPACE)
    assert again.returncode == 0 and again.stdout.count("published already") == 2
    assert len(hub.commits) == 2
    posted = {asked.path for asked in hub.requests[before:] if asked.method != "GET"}
    assert posted <= {"/api/validate-yaml"}  # a question


def test_the_dry_run_makes_nothing_and_says_everything(hub: Hub, publish: Run) -> None:
    done = publish("--as", "zero", "--dry-run", "--private")
    assert done.returncode == 0 and not hub.repositories
    for words in ("model ana/mirror: ", "dataset ana/mirror: ", "space ana/mirror: ", "ZeroGPU", ", private"):
        assert words in done.stdout


def test_whoever_declines_publishes_nothing(hub: Hub, model: ModelFolder) -> None:
    said: list[str] = []
    api = HfApi(endpoint=hub.url, token=hub.token)
    Publication(model, parts=("dataset",)).publish(api, None, said.append, lambda: False)
    assert said[-1] == "Nothing was published." and not hub.repositories


@pytest.mark.parametrize(
    ("own", "license", "words"),
    [(False, None, "No photo goes"), (True, None, "as yours"), (False, "cc-by-4.0", "under cc-by-4.0")],
)
def test_the_plan_says_whether_photos_go(
    hub: Hub, model: ModelFolder, own: bool, license: str | None, words: str
) -> None:
    publication = Publication(model, parts=("model",), license=license, own_photos=own)
    assert [line for line in go(hub, publication, dry_run=True) if words in line]


def test_nobody_is_asked_where_nobody_is(hub: Hub, publish: Run) -> None:
    done = publish()
    assert (done.returncode, done.stderr.count("\n"), hub.requests) == (2, 1, []) and "--yes" in done.stderr


@pytest.fixture(scope="module")
def page(copied: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The Space of the shipped model, as it runs."""
    folder = tmp_path_factory.mktemp("page")
    Publication(read_model_folder(copied), "gradio", ("space",)).write(folder, None, lambda _: None)
    with serve(app=folder / "space" / "app.py", cwd=folder / "space") as page:
        yield page


@pytest.mark.parametrize(("way", "hardware", "plan"), [("zero", "zero-a10g", "free"), ("auto", None, "pro")])
def test_the_space_comes_last_and_is_asked_an_example(
    hub: Hub, model: ModelFolder, page: Served, tmp_path: Path, way: str, hardware: str | None, plan: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    hub.plan = plan
    hub.hosts["ana/mirror"] = page.url
    said = go(hub, Publication(model, way))
    assert [kind for kind, _ in hub.commits] == ["model", "dataset", "space"]
    space = hub.repositories["space", "ana/mirror"]
    assert (space.sdk, space.hardware) == ("gradio", hardware)
    front = yaml.safe_load(space.files["README.md"].decode().split("---\n")[1])
    assert front["models"] == front["datasets"] == ["ana/mirror"]
    record = read_record(model.path)
    assert record and record.is_of(model.info) and record.addresses[:2] == [page.url, f"{hub.url}/spaces/ana/mirror"]
    assert "cygnet.jpg: cygnet, as here (largest difference 0e+00)" in said
    assert said[-1] == f"{hub.url}/spaces/ana/mirror"
    assert said.index("The Space is built …") < said.index("The Space starts …")


def publication_files(publication: Publication) -> Files:
    """What is published as the page without a server."""
    return space_static(publication.model, repository="ana/mirror")


def test_a_repository_that_does_not_hold_what_was_sent_is_told(hub: Hub, model: ModelFolder) -> None:
    """As where what came was lost on the way into it, or another commit follows at once."""
    publication = Publication(model, parts=("dataset",))
    go(hub, publication)
    api, repository = HfApi(endpoint=hub.url, token=hub.token), hub.repositories["dataset", "ana/mirror"]
    plan = repository_commit.RepositoryPlan("dataset", "ana/mirror", dataset_repository(model, None))
    assert repository_commit.require_sent(api, plan).startswith("dataset ana/mirror: 3 files, each with the hash")
    repository.files["photos.csv"] += b"more"
    with pytest.raises(PublishError, match="does not hold what was sent .photos.csv."):
        repository_commit.require_sent(api, plan)


def shown(folder: Path) -> AbstractContextManager[str]:
    """The address of a web server that shows a folder."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    return served(partial(Quiet, directory=str(folder)))


def test_a_free_account_gets_the_page_without_a_server(hub: Hub, model: ModelFolder, tmp_path: Path) -> None:
    publication = Publication(model, parts=("space",))
    publication.write(tmp_path, "ana/mirror", lambda _: None)
    with shown(tmp_path / "space") as address:
        hub.hosts["ana/mirror"] = address
        said = go(hub, publication)
        assert go(hub, publication).count("space ana/mirror: published already") == 1
        built = sorted(path for path in (tmp_path / "space").rglob("*") if path.is_file())
        files = publication_files(publication)
        for path in built:
            sent = path.read_bytes()
            path.write_bytes(sent.replace(b'"build":"', b'"build":"0') + b"0" * (path.name != "index.html"))
            if path.name in ("README.md", ".mirror"):
                assert space_trial.check_site(address, files, None, [model])
            else:
                with pytest.raises(PublishError, match="does not show what was sent"):
                    space_trial.check_site(address, files, None, [model])
            path.write_bytes(sent)
        page = tmp_path / "space" / "index.html"
        page.write_bytes(page.read_bytes().replace(b"</head>", b"<script>window.huggingface = {}</script></head>"))
        assert go(hub, publication)[-1] == f"{hub.url}/spaces/ana/mirror"
    space = hub.repositories["space", "ana/mirror"]
    assert (space.sdk, space.hardware, hub.commits) == ("static", None, [("space", "ana/mirror")])
    (told,) = [line for line in said if "files as here; " in line]
    assert told.endswith("cygnet.jpg: cygnet, as here (largest difference 0e+00)") and "index.html" in space.files
    assert f"space ana/mirror: {len(built)} files, each with the hash of the one here" in said
    with pytest.raises(PublishError, match="does not answer"):
        go(hub, publication)


@pytest.mark.parametrize(("failures", "passing", "expected"), [(4, True, 5), (5, True, 5), (1, False, 1), (0, True, 1)])
def test_a_page_that_has_just_started_is_asked_some_times(failures: int, passing: bool, expected: int) -> None:
    asked = []

    def ask() -> str:
        asked.append(1)
        if len(asked) <= failures:
            raise PublishError("not yet", passing=passing)
        return "an answer"

    if failures < space_trial.TRIES and passing:
        assert space_trial.patiently(ask) == "an answer"
    else:
        with pytest.raises(PublishError, match="not yet"):
            space_trial.patiently(ask)
    assert len(asked) == expected


def test_a_space_that_answers_otherwise_is_told(model: ModelFolder, page: Served) -> None:
    example = space_trial.example_of(model)
    turned = dict(zip(example.probabilities, reversed(example.probabilities.values()), strict=True))
    with pytest.raises(PublishError, match="answers cygnet to cygnet.jpg where this machine answers duckling"):
        space_trial.ask_example(page.url, space_trial.Example(example.name, example.photo, turned), None)
    with pytest.raises(PublishError, match="does not answer"):
        space_trial.ask_example(f"http://127.0.0.1:{free_port()}", example, None)


def test_a_space_that_fails_tells_the_first_error_of_its_log(hub: Hub, model: ModelFolder) -> None:
    hub.ends, hub.logs = "BUILD_ERROR", ("Collecting numpy", "ERROR: No matching distribution", "ERROR: more")
    api = HfApi(endpoint=hub.url, token=hub.token)
    api.create_repo("ana/mirror", repo_type="space", space_sdk="static")
    with pytest.raises(PublishError, match="BUILD_ERROR.*its log says “ERROR: No matching distribution”"):
        space_trial.wait_until_it_runs(api, "ana/mirror", lambda _: None)


@pytest.mark.parametrize(
    ("trouble", "kinds"),
    [("build", ["dataset", "model", "spaces"]), ("trial", ["dataset", "model", "spaces"]),
     ("space", ["dataset", "model"]), ("dataset", ["model"])],
)  # fmt: skip
def test_what_is_published_is_kept_whatever_becomes_of_the_rest(
    hub: Hub, model: ModelFolder, monkeypatch: pytest.MonkeyPatch, trouble: str, kinds: list[str]
) -> None:
    monkeypatch.setattr(repository_commit, "TRIES", 1)
    shutil.rmtree(model.path.parent / RECORDS, ignore_errors=True)  # of other tests
    hub.hosts["ana/mirror"] = "http://127.0.0.1:9"  # where nobody answers
    if trouble == "build":
        hub.ends = "BUILD_ERROR"
    elif trouble != "trial":
        hub.fail("POST", f"/api/{trouble}s/.*/commit/", 403)
    with pytest.raises(PublishError):
        go(hub, Publication(model, "static"))
    record = read_record(model.path)
    assert record and record.is_of(model.info)
    at_the_hub = {"model": "/ana/mirror", "dataset": "/datasets/ana/mirror", "spaces": "/spaces/ana/mirror"}
    assert sorted(record.addresses) == sorted(hub.url + at_the_hub[kind] for kind in kinds)


def test_what_is_not_to_be_there_any_more_goes_in_the_same_commit(hub: Hub, model: ModelFolder) -> None:
    publication = Publication(model, parts=("dataset",))
    go(hub, publication)
    repository = hub.repositories["dataset", "ana/mirror"]
    repository.files |= {"old/photo.jpg": b"stale", "photos.csv": b"changed"}
    repository.commit("by hand", [])
    go(hub, publication)
    assert set(repository.files) == {".gitattributes", ".mirror", "README.md", "photos.csv"}
    assert repository.files["photos.csv"] != b"changed" and len(hub.commits) == 2


@pytest.mark.parametrize("kind", ["model", "dataset", "space"])
def test_a_name_that_somebody_elses_work_has_is_not_taken(hub: Hub, publish: Run, kind: str) -> None:
    api = HfApi(endpoint=hub.url, token=hub.token)
    sdk = {"space_sdk": "static"} if kind == "space" else {}
    api.create_repo("ana/mirror", repo_type=kind, **sdk)
    hub.repositories[kind, "ana/mirror"].files["thesis.md"] = b"precious"
    done = publish("--yes", "--as", "zero")
    assert (done.returncode, done.stderr.count("\n"), hub.commits) == (1, 1, [])
    assert f"a {kind} ana/mirror already" in done.stderr and "--to OWNER/NAME" in done.stderr


def test_a_repository_that_a_killed_run_made_and_left_empty_is_gone_on_with(hub: Hub, model: ModelFolder) -> None:
    api = HfApi(endpoint=hub.url, token=hub.token)
    api.create_repo("ana/mirror", repo_type="space", space_sdk="gradio", space_hardware="zero-a10g")
    api.create_repo("ana/mirror", repo_type="dataset")
    go(hub, Publication(model, parts=("dataset",)))
    assert hub.commits == [("dataset", "ana/mirror")]


CUTS = [("POST", "/repos/create"), ("POST", "/validate-yaml"), ("POST", "/preupload/"), ("POST", "/objects/batch"),
        ("PUT", "/lfs/"), ("POST", "/verify"), ("POST", "/commit/")]  # fmt: skip


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("method", "path"), CUTS, ids=[path for _, path in CUTS])
def test_cut_off_anywhere_the_same_call_completes_it_with_one_commit(
    hub: Hub, model: ModelFolder, method: str, path: str, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection breaks as the request comes, or when it was carried out and is to be answered."""
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
    monkeypatch.setattr(repository_commit, "TRIES", 1)
    hub.mode, publication = "lfs", Publication(model, parts=("dataset",))
    hub.fail(method, path, 0, after=after)
    with pytest.raises(PublishError, match="cannot be reached"):
        go(hub, publication)
    hub.mend()
    go(hub, publication)
    repository = hub.repositories["dataset", "ana/mirror"]
    assert set(repository.files) == {".gitattributes", ".mirror", "README.md", "photos.csv"}
    assert len(repository.commits) == 2  # the Hub's own first one, and ours


@pytest.mark.parametrize("status", [0, 500, 503])
def test_a_commit_whose_answer_was_lost_is_found_and_not_sent_twice(hub: Hub, model: ModelFolder, status: int) -> None:
    hub.fail("POST", "/commit/", status, times=1, after=True)
    said = go(hub, Publication(model, parts=("dataset",)))
    assert "dataset ana/mirror: done" in said
    assert len(hub.repositories["dataset", "ana/mirror"].commits) == 2


@pytest.mark.parametrize("path", ["/repos/create", "/datasets/ana/mirror/preupload/", "/datasets/ana/mirror/commit/"])
def test_killed_in_the_middle_the_same_command_completes_it(hub: Hub, publish: Run, path: str) -> None:
    assert publish(*WITHOUT_SPACE, kill=hub.hold(path)).returncode == -9
    hub.mend()
    wait_until(lambda: all(asked.status for asked in hub.requests))  # what was asked is carried out all the same
    done = publish(*WITHOUT_SPACE)
    assert done.returncode == 0, done.stderr
    assert hub.commits == [("model", "ana/mirror"), ("dataset", "ana/mirror")]
    assert ("model ana/mirror: published already" in done.stdout) is ("datasets" in path)


def test_files_in_several_parts_and_all_at_once_arrive_whole(hub: Hub, publish: Run) -> None:
    hub.mode, hub.part = "lfs", 1_000_000
    done = publish("--what", "model", "--yes")
    assert done.returncode == 0, done.stderr
    files = hub.repositories["model", "ana/mirror"].files
    assert files["model.onnx"] == (SHIPPED / "model.onnx").read_bytes()


def test_an_organisation_is_published_to_by_its_name(hub: Hub, model: ModelFolder) -> None:
    hub.organisations = {"club": False}
    go(hub, Publication(model, parts=("dataset",)), "club/birds")
    assert hub.commits == [("dataset", "club/birds")]


def test_a_private_publication_is_private_everywhere(hub: Hub, model: ModelFolder) -> None:
    go(hub, Publication(model, parts=("model", "dataset"), private=True))
    assert all(repository.private for repository in hub.repositories.values())


@pytest.mark.parametrize("kind", ["model", "dataset"])
def test_what_is_public_already_is_not_taken_for_private(hub: Hub, model: ModelFolder, kind: str) -> None:
    go(hub, Publication(model, parts=(kind,)))
    with pytest.raises(PublishError, match="is there already, and public"):
        go(hub, Publication(model, parts=(kind,), private=True))


def test_a_space_that_was_another_kind_gets_the_hardware_that_it_needs(hub: Hub) -> None:
    api = HfApi(endpoint=hub.url, token=hub.token)
    api.create_repo("ana/mirror", repo_type="space", space_sdk="static")
    for _ in range(2):
        space_trial.require_hardware(api, "ana/mirror", "zero-a10g")
    assert hub.repositories["space", "ana/mirror"].hardware == "zero-a10g"
    assert len([asked for asked in hub.requests if asked.path.endswith("/hardware")]) == 1


@pytest.mark.parametrize("stage", ["SLEEPING", "PAUSED"])
def test_a_space_that_sleeps_is_not_waited_for(hub: Hub, stage: str) -> None:
    hub.ends, api, said = stage, HfApi(endpoint=hub.url, token=hub.token), []
    api.create_repo("ana/mirror", repo_type="space", space_sdk="static")
    assert not space_trial.wait_until_it_runs(api, "ana/mirror", said.append)
    assert len(said) == 1 and said[0].startswith("The Space is not asked")


@pytest.mark.parametrize(
    ("way", "plan", "expected"), [("gradio", "pro", 1), ("zero", "free", 1), ("static", "free", 0)]
)
def test_a_space_is_built_anew_where_that_is_asked_and_nothing_has_changed(
    hub: Hub, model: ModelFolder, way: str, plan: str, expected: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    hub.plan, hub.ends = plan, "SLEEPING"  # and so nobody is asked

    def restarts() -> list[str]:
        return [asked.path for asked in hub.requests if "/restart" in asked.path]

    go(hub, Publication(model, way, ("space",), again=True))
    assert restarts() == []  # it was built just now
    said = go(hub, Publication(model, way, ("space",), again=True))
    assert restarts() == ["/api/spaces/ana/mirror/restart"] * expected
    assert "space ana/mirror: published already" in said
    assert len(hub.commits) == 1


@pytest.mark.parametrize("path", ["/xet-write-token", "/v1/xorbs", "/v2/shards"])
def test_what_fails_on_the_way_through_xet_is_a_sentence_too(hub: Hub, publish: Run, path: str, tmp_path: Path) -> None:
    hub.mode = "lfs"
    for method in ("GET", "POST"):
        hub.fail(method, path, 403)  # which hf_xet does not try again
    xet = {"HF_HUB_DISABLE_XET": "0", "HF_XET_CACHE": str(tmp_path / "xet")}
    done = publish("--what", "dataset", "--yes", **xet)
    assert (done.returncode, done.stderr.count("\n"), hub.commits) == (1, 1, []), done.stderr
    assert "cannot be reached" in done.stderr
    hub.mend()
    assert publish("--what", "dataset", "--yes", **xet).returncode == 0
    assert hub.commits == [("dataset", "ana/mirror")]


def test_a_model_on_a_published_data_set_publishes_none(hub: Hub, publish: Run) -> None:
    done = publish(*WITHOUT_SPACE, "--dry-run", model=ROOT / "models" / "fashion")
    assert done.returncode == 0 and "No data set: " in done.stdout and "dataset ana" not in done.stdout


def test_a_name_that_cannot_be_one_asks_for_another(publish: Run, tmp_path: Path) -> None:
    apples = renamed(SHIPPED, "äpfel & birnen", tmp_path / "model")
    done: subprocess.CompletedProcess = publish("--yes", "--to", "ana/äpfel & birnen", model=apples)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "--to OWNER/NAME" in done.stderr
    built = publish("--what", "model", "--dry-run", "--yes", model=apples)
    assert built.returncode == 0 and "ana/apfel-birnen" in built.stdout


@pytest.fixture
def garments() -> ModelFolder:
    return read_model_folder(ROOT / "models" / "fashion")


def test_several_models_are_one_static_page_also_of_an_account_that_pays(
    hub: Hub, model: ModelFolder, garments: ModelFolder, tmp_path: Path
) -> None:
    hub.plan, publication = "pro", Publication(model, parts=("space", "model"), others=(garments,))
    publication.write(tmp_path, "ana/mirror", lambda _: None)
    with shown(tmp_path / "space") as address:
        hub.hosts["ana/mirror"] = address
        said = go(hub, publication)
    assert hub.repositories["space", "ana/mirror"].sdk == "static"
    assert hub.commits == [("model", "ana/mirror"), ("space", "ana/mirror")]
    (told,) = [line for line in said if "files as here; " in line]
    assert told.count(", as here (largest difference") == 2
    assert "  Model and data set are those of mirror: publish the others one at a time." in said


@pytest.mark.parametrize(
    ("others", "options", "words"),
    [
        (["fashion"], ["--as", "gradio"], "--as static"),
        (["fashion"], ["--what", "model"], "--as static"),
        (["mirror"], [], "Two of the models are called mirror"),
    ],
)
def test_models_that_cannot_share_a_page_are_told_before_anything(
    publish: Run, hub: Hub, others: list[str], options: list[str], words: str
) -> None:
    done = publish(*(str(ROOT / "models" / name) for name in others), *options, "--yes")
    assert (done.returncode, done.stderr.count("\n"), hub.requests) == (2, 1, []) and words in done.stderr
