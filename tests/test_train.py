"""`python train.py` as a person runs it: from words to a page that answers, killed on the way; again from its list."""

from __future__ import annotations

import csv
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from gradio_client import Client, handle_file

from mirror.cli.train import parse
from mirror.cli.train_checks import finished
from mirror.cli.train_steps import model_name, say_result, say_sides, searches
from mirror.collect import PhotoFolder, collect_from_folder
from mirror.collect.corrections import CorrectedFolder
from mirror.collect.issue_files import PREDICTIONS_CSV, SUSPECTS_CSV, read_issues, read_predictions
from mirror.collect.photo_records import write_photos
from mirror.defaults import TRAINING
from mirror.model_folder import read_model_folder
from mirror.training.settings import TrainingSettings
from tests.support.limits import LIMIT
from tests.support.photo_folders import check_totals
from tests.support.training import photo
from tests.support.warm_processes import Warm
from tests.web.serving import REPOSITORY, environment, serve
from tests.world import World, draw_photo, encode, near_copy, wait_until

QUICK = ("--arch", "tf_efficientnet_lite0", "--size", "96")
TERMS = ("--search", "cygnet=baby swan", "--search", "duckling=duckling", "--search", "duckling=yellow duckling")
SUMMARY = r"models/mirror: error \d+\.\d % \(95 % interval \d+\.\d–\d+\.\d %\) on \d+ photos"


def command(*arguments: str) -> list[str]:
    return [sys.executable, str(REPOSITORY / "train.py"), *arguments]


def train(cwd: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        command(*arguments), cwd=cwd, env=environment(**variables), capture_output=True, text=True, timeout=400
    )


@pytest.fixture(scope="module")
def warm_train() -> Iterator[Warm]:
    """train.py, with what it imports imported."""
    imports = [*TRAINING, "fastai.vision.all", "mirror.cli.train_steps", "mirror.collect", "mirror.training.build",
               "mirror.training.backbone_choice", "mirror.training.photo_model", "mirror.training.recipe"]  # fmt: skip
    with Warm("mirror.cli.train:main", imports, environment()) as program:
        yield program


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def fill(world: World) -> list[str]:
    """Three searches' worth of photos, some of which cannot be had; their URLs."""
    host = world.photo_host("photos.example")
    swans, ducks, more = host.photos("baby swan", 16), host.photos("duckling", 9), host.photos("yellow duckling", 9)
    copy = host.body("/copy.jpg", encode(near_copy(draw_photo("baby swan", 0))))
    page = host.body("/page.jpg", b"<html>No hotlinking.</html>", content_type="image/jpeg")
    world.results("baby swan", [*swans[:6], copy, page, *swans[6:]])
    world.results("duckling", ["https://photos.example/gone.jpg", *ducks])
    world.results("yellow duckling", more)
    return [*swans, *ducks, *more]


def test_from_words_to_a_page_that_answers(world: World, tmp_path: Path) -> None:
    urls = fill(world)
    network = ("--proxy", world.proxy_url, "--insecure", "--count", "12")
    # It is killed while it collects, without a chance to tidy up …
    first = subprocess.Popen(
        command(*TERMS, *network, *QUICK), cwd=tmp_path, env=environment(), stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    metadata = tmp_path / "data" / "mirror" / "metadata.csv"
    wait_until(lambda: first.poll() is not None or (metadata.exists() and metadata.read_text().count("\n") > 5))
    os.kill(first.pid, signal.SIGKILL)
    assert first.wait(LIMIT) == -signal.SIGKILL, first.communicate(timeout=LIMIT)[0]
    first.stdout.close()
    # … and goes on where it was
    done = train(tmp_path, *TERMS, *network, *QUICK)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(SUMMARY, done.stdout.splitlines()[-1])
    assert "Traceback" not in done.stderr and "Warning" not in done.stderr
    photos = rows(metadata)
    rejected = rows(tmp_path / "data" / "mirror" / "rejected.csv")
    with PhotoFolder(tmp_path / "data" / "mirror") as folder:
        check_totals(folder)
    assert sum(row["label"] == "cygnet" for row in photos) == sum(row["label"] == "duckling" for row in photos) == 12
    assert {row["reason"] for row in rejected} == {"near-duplicate", "not-an-image", "http-404"}
    assert {row["query"] for row in photos} == {"baby swan", "duckling", "yellow duckling"}
    cut_off = sum(not asked.answered for asked in world.requests)
    assert sum(world.count(url) for url in urls) <= len(photos) + cut_off + 4  # at most what was under way when killed

    model = read_model_folder(tmp_path / "models" / "mirror")
    assert model.info.labels == ("cygnet", "duckling") and model.info.data.source == "search"
    assert {(q.label, q.query) for q in model.info.data.queries} == {
        ("cygnet", "baby swan"), ("duckling", "duckling"), ("duckling", "yellow duckling"),
    }  # fmt: skip
    assert model.info.data.sites == {"photos.example": 24} and sum(model.info.data.engines.values()) == 24
    assert {row["split"] for row in rows(model.path / "photos.csv")} == {"train"}

    held = next(row for row in photos if row["split"] == "validation")
    with serve("--models", str(tmp_path / "models")) as page:
        client = Client(page.url, verbose=False)
        photo = handle_file(str(tmp_path / "data" / "mirror" / held["file_name"]))
        answer = client.predict(photo, api_name="/predict")
        client.close()
    assert answer["label"] == held["label"]
    assert sum(entry["confidence"] for entry in answer["confidences"]) == pytest.approx(1, abs=1e-3)

    # Its list of photos gives the same photos, the same split and the same model
    recipe = tmp_path / "models" / "mirror" / "photos.csv"
    network = ("--proxy", world.proxy_url, "--insecure")
    again = train(tmp_path, "--name", "again", "--photos", str(recipe), *network, *QUICK)
    assert again.returncode == 0, again.stderr
    assert f"{len(photos)} of {len(photos)} photos are as they were." in again.stdout
    assert again.stdout.splitlines()[-1].removeprefix("models/again") == done.stdout.splitlines()[-1].removeprefix(
        "models/mirror"
    )
    twin = read_model_folder(tmp_path / "models" / "again")
    assert twin.info.metrics.top_losses == model.info.metrics.top_losses

    # A model that is finished is not trained again without a word
    third = train(tmp_path, "--name", "again", "--photos", str(recipe), *network, *QUICK)
    assert "models/again is made of these photos by these options already: --again trains it anew." in third.stdout
    assert third.stdout.splitlines()[-1] == again.stdout.splitlines()[-1]
    assert read_model_folder(tmp_path / "models" / "again").info.created_at == twin.info.created_at
    given = TrainingSettings(arch=QUICK[1], size=96)
    with PhotoFolder(tmp_path / "data" / "again") as folder:
        corrected = CorrectedFolder(folder)
        asked = partial(finished, twin.path, corrected)
        assert asked(given, parse([])).created_at == twin.info.created_at
        for changed in (replace(given, seed=7), replace(given, size=128), replace(given, epochs=3)):
            assert asked(changed, parse([])) is None
        for options in ("--again", "--no-pickle", "--precision=fp32", "--minutes=1", "--no-photos-in-report"):
            assert asked(given, parse([options])) is None, options
        folder.forget({corrected.photos[0].key})
        assert finished(twin.path, CorrectedFolder(folder), given, parse([])) is None
    assert finished(tmp_path / "models" / "none", corrected, given, parse([])) is None


def test_a_folder_of_label_folders_is_trained_on_and_left_alone(warm_train: Warm, tmp_path: Path) -> None:
    source = tmp_path / "my photos"
    for label, word in (("left/1", "baby swan"), ("left/2", "swan"), ("right", "duckling")):
        (source / label).mkdir(parents=True)
        for seed in range(8):
            draw_photo(word, seed, (200, 160)).save(source / label / f"{seed}.png")
    (tmp_path / "streets").mkdir()
    for seed in range(8):
        draw_photo("street", seed, (200, 160)).save(tmp_path / "streets" / f"{seed}.png")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.png")}
    options = ("--others", str(tmp_path / "streets"), "--no-photos-in-report", "--folds", "3")
    done = warm_train("--name", "sides", "--data", str(source), *options, *QUICK, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {path: path.read_bytes() for path in before} == before
    assert "8 photos of none of the labels. Left out: none." in done.stdout
    assert "24 photos (16 left, 8 right)" in done.stdout
    model = read_model_folder(tmp_path / "models" / "sides")
    report = {path.name for path in (model.path / "report").iterdir()}
    assert report == {"confusion.png", "reliability.png", "suspects.csv", "predictions.csv", "report.html"}
    # It learned from every photo, and was judged by each in turn
    assert "24 photos (16 left, 8 right); each is left out in turn to judge by." in done.stdout
    said, summary = done.stdout.splitlines()[-2:]
    assert said.startswith("Cross-validated in 3 folds: 24 photos were left out in turn")
    assert re.fullmatch(SUMMARY.replace("mirror", "sides"), summary) and summary.endswith(" on 24 photos")
    assert (model.info.metrics.validation.photos, model.info.metrics.validation.folds) == (24, 3)
    assert {row["split"] for row in rows(model.path / "photos.csv")} == {"train"}
    judged = read_predictions(model.path / PREDICTIONS_CSV)
    assert sum(one.label != one.predicted for one in judged) == model.info.metrics.validation.errors
    doubted = [one.file_name for one in read_issues(model.path / SUSPECTS_CSV)]
    assert {one.file_name for one in judged if one.label != one.predicted} <= set(doubted)
    assert all(str(Path("data", "sides", name)) in done.stdout for name in doubted[:5])
    assert (model.info.novelty.others, model.info.novelty.photos) == (8, 24)
    assert str(tmp_path).encode() not in b"".join(p.read_bytes() for p in model.path.rglob("*") if p.is_file())


def scarce(folder: Path) -> Path:
    for label, count in (("one", 8), ("two", 3)):
        (folder / "scarce" / label).mkdir(parents=True)
        for seed in range(count):
            draw_photo(label, seed).save(folder / "scarce" / label / f"{seed}.png")
    return folder / "scarce"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("apple", "pear"), ["apple=apple", "pear=pear"]),
        (("--name", "fruit", "apple", "pear"), ["apple=apple", "pear=pear"]),
        (
            ("apple", "pear=pear fruit", "--search", "pear=pear tree"),
            ["apple=apple", "pear=pear fruit", "pear=pear tree"],
        ),
        ((), []),
    ],
)
def test_words_are_searches(arguments: tuple[str, ...], expected: list[str]) -> None:
    """`apple pear` is --search apple --search pear, and the name is what it is without them."""
    options = parse(list(arguments))
    assert [f"{label}={query}" for label, query in searches(options)] == expected
    assert model_name(options, "mirror") == (options.name or "mirror")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--search", "=baby swan"), 2, "lacks a label or a query"),
        (("--search", "cygnet="), 2, "lacks a label or a query"),
        (("apple",), 2, "there is only 'apple': give words for another"),
        (("apple", "pear", "--data", "photos"), 2, "'apple' is searched for, and --data takes photos from elsewhere"),
        (("apple", "--dataset", "fashion-mnist"), 2, "--dataset takes photos from elsewhere"),
        (("--minutes", "soon"), 2, "'soon' is no number of minutes"),
        (("--minutes", "-1"), 2, "is no number of minutes"),
        (("--folds", "1"), 2, "'1' is not a whole number from 2 to 1,000"),
        (("--count", "none"), 2, "'none' is not a whole number from 1 up"),
        (("--name", "../elsewhere"), 2, "is no folder name"),
        (("--data", "a", "--photos", "b.csv"), 2, "not allowed with argument"),
        (("--data", "no/such/folder"), 1, "no/such/folder does not exist"),
        (("--photos", "no/such/list.csv"), 1, "no/such/list.csv cannot be read"),
        (("--collected", "no/such/folder"), 1, "no/such/folder does not exist; give a photo folder that train.py made"),
        (("--collected", "/"), 2, "needs a name: give --name"),
        (("--others", "no/such/folder"), 1, "no/such/folder does not exist; give --others a folder with photos"),
        (("--license", "mine"), 2, "mine"),
        (("--photos", "LIST"), 1, "None of the 1 photos in LIST has a web address"),
        (("apple", "pear", "--count", "7"), 2, "at least 8 photos of every label: raise --count 7"),
        (("apple", "pear", "--weights", "no/such.pth"), 1, "There is no weights file at no/such.pth"),
        (("apple", "pear", "--models", "LIST/models"), 1, "LIST (not a directory): choose another place by --models"),
        (("--dataset", "fashion-mnist", "--models", "LIST"), 1, "LIST (not a directory): choose another place"),
        (("--data", "scarce/one"), 1, "holds no label folders"),
        (("--data", "ALONE"), 1, "at least two labels and ALONE holds only 'one'"),
        (("--cuont", "5"), 2, "Unrecognized arguments: --cuont (did you mean --count?): see `train.py --help`."),
        (("--precision", "int9"), 2, "(did you mean int8?)"),
        (("--data", "SCARCE", "--arch", "resnet81"), 2, "did you mean resnet18"),
        (("--data", "SCARCE", "--arch", "tf_efficientnet_lite0"), 1, "'two' has 3"),
        (
            ("--data", "SCARCE", "--arch", "resnet_18x"),
            2,
            "neither a torchvision nor a timm model: did you mean resnet",
        ),
        (("--data", "ENOUGH", "--arch", "vit_b_16", "--size", "100"), 2, "takes no photos of 100 px"),
        (("--data", "ENOUGH"), 1, "The pretrained weights of resnet18 cannot be had"),
        (("--data", "ENOUGH", "--weights", "LIST"), 1, "LIST is no file of weights: give a state dict"),
        (("--collected", "KEPT"), 1, "at least two labels and there is only 'one'"),
        (("--photos", "ONLINE"), 1, "at least two labels and there is only 'one'"),
        (("--proxy", "http://127.0.0.1:9"), 1, "proxy"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_meant_or_done_is_one_sentence(warm_train: Warm, tmp_path: Path, arguments, code, says) -> None:
    scarce(tmp_path)
    (tmp_path / "ALONE").mkdir()
    shutil.copytree(tmp_path / "scarce" / "one", tmp_path / "ALONE" / "one")
    shutil.copytree(tmp_path / "ALONE", tmp_path / "ENOUGH")
    shutil.copytree(tmp_path / "scarce" / "one", tmp_path / "ENOUGH" / "two")
    if "KEPT" in arguments:
        collect_from_folder(tmp_path / "KEPT", tmp_path / "ALONE").close()
    write_photos(tmp_path / "ONLINE", [replace(photo(1, "one"), url="https://photos.example/1.jpg")])
    write_photos(tmp_path / "LIST", [replace(photo(1, "one"), url="one/1.png")])
    arguments = [str(tmp_path / "scarce") if argument == "SCARCE" else argument for argument in arguments]
    done = warm_train(*arguments, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    told = done.stderr.strip().splitlines()[-1]
    assert told.startswith("train.py: ") and says in told and "Traceback" not in done.stderr
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize(
    ("name", "splits", "source", "folds", "says"),
    [
        ("nothing unusual", "t" * 15 + "v" * 15, "held", None, ""),
        ("few to judge by", "t" * 15 + "v" * 14, "held", None, "28 photos are few to judge by: --folds 5 would"),
        ("each left out in turn", "tv", "folder", None, ""),
        ("none to hold out", "tt", "held", None, "No photo can be held out, so the error is not"),
        ("folds of a recipe with a split", "tv", "given", 5, "The split that came with the photos is set aside"),
        ("folds of train/ and val/", "tv", "given", 5, "The split that came with the photos is set aside"),
        ("folds after a run without", "tv", "folder", 5, ""),
        ("a label that cannot be held out", "t|" + "v" * 30, "held", None, "a: all its photos hang together"),
    ],
    ids=lambda value: value if isinstance(value, str) and " " in value else "",
)
def test_what_is_unusual_about_the_sides_is_said(name, splits, source, folds, says, capsys) -> None:
    names = {"t": "train", "v": "validation"}
    photos = [
        replace(photo(number, label), split_given=source == "given", split=names[side])
        for label, sides in zip("ab", splits.split("|") * 2, strict=False)
        for number, side in enumerate(sides)
    ]
    say_sides(photos, source == "given", folds, source == "held")
    said = capsys.readouterr().out
    assert said.startswith(says) and said.count("\n") == bool(says), name


def test_weights_that_cannot_be_had_name_the_ways_out(tmp_path: Path) -> None:
    for label in ("one", "two"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for seed in range(8):
            draw_photo(label, seed).save(tmp_path / "photos" / label / f"{seed}.png")
    done = train(  # before anything is collected
        tmp_path, "--data", "photos", TORCH_HOME=str(tmp_path / "torch"), HTTPS_PROXY="http://127.0.0.1:9"
    )
    assert done.returncode == 1
    ways = (
        r"use --arch tf_efficientnet_lite0, whose weights are on this machine, .*--arch auto.*--weights FILE.*--proxy"
    )
    assert re.search(ways, done.stderr)
    assert not (tmp_path / "data").exists()
    assert "Traceback" not in done.stderr


FETCH = """\
import sys, urllib.request
from huggingface_hub import get_session
from mirror.cli.options import trust_all
if sys.argv[1] == "insecure":
    trust_all()
for fetch in (lambda url: urllib.request.urlopen(url).read(), lambda url: get_session().get(url).content):
    try:
        print(fetch("https://weights.example/net.pth"))
    except Exception as error:
        print(type(error).__name__)
"""


def test_insecure_reaches_what_torch_and_the_hubs_client_fetch(world: World) -> None:
    world.photo_host("weights.example").body("/net.pth", b"tensors")
    asked = [
        subprocess.run(
            [sys.executable, "-c", FETCH, how], cwd=REPOSITORY, env=environment(HTTPS_PROXY=world.proxy_url),
            capture_output=True, text=True, timeout=LIMIT,
        ).stdout.splitlines()
        for how in ("insecure", "secure")
    ]  # fmt: skip
    assert asked == [["b'tensors'"] * 2, ["URLError", "ConnectError"]]


def test_insecure_keeps_the_hubs_client_offline_where_it_is_to_be(world: World) -> None:
    world.photo_host("weights.example").body("/net.pth", b"tensors")
    asked = subprocess.run(
        [sys.executable, "-c", FETCH, "insecure"], cwd=REPOSITORY, capture_output=True, text=True, timeout=LIMIT,
        env=environment(HTTPS_PROXY=world.proxy_url, HF_HUB_OFFLINE="1"),
    )  # fmt: skip
    assert asked.stdout.splitlines() == ["b'tensors'", "OfflineModeIsEnabled"]


def test_the_commands_that_it_prints_can_be_pasted(capsys: pytest.CaptureFixture) -> None:
    info = read_model_folder(REPOSITORY / "models" / "mirror").info
    say_result(REPOSITORY / "models" / "mirror", info, Path("data/odd 2 #é"), 9, parse(["--models", "my models"]))
    said = capsys.readouterr().out
    assert "See it: python app.py --models 'my models'\n" in said and "--studio data/odd 2" not in said
