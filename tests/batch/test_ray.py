"""`--engine ray`: the same bytes as the local engine's, whatever happens to processes; and errors in one sentence."""

from __future__ import annotations

import json
import os
import pickle
import re
import signal
import site
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mirror.batch.ray_engine import CHUNK, Worker, _paired
from mirror.errors import FetchError, MirrorError, NotAnImage
from mirror.image_sources import ImageSource
from mirror.tasks.registry import open_predictor
from mirror.tasks.request import TaskRequest
from tests.support.batch_gate import Gate
from tests.support.batch_process import ROOT, photos, rows_written, run, start, until
from tests.support.limits import LIMIT
from tests.support.ray_cluster import ENVIRONMENT, Cluster, processes_in
from tests.web.tiny import GREY, YELLOW, photo, tiny_model

ALSO = "--allow-private-hosts"
# Ray Data warns about settings of its own when it is imported
WARNINGS = {"PYTHONWARNINGS": "error,ignore::DeprecationWarning:ray.data.context"} | ENVIRONMENT
RAY = {"environment": WARNINGS}
linux = pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="processes are looked up in /proc")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A working folder with models/mirror and two folders of photos, one of which is none; a chunk and more each."""
    tiny_model(tmp_path / "models")
    photos(tmp_path / "a", 2 * CHUNK + 20)
    photos(tmp_path / "b", CHUNK)
    (tmp_path / "a" / "0007 broken.png").write_bytes(photo(GREY)[:200])
    return tmp_path


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster() as cluster:
        yield cluster


def told(stderr: str) -> str:
    """Without the line a minute of a machine that is slow to start Ray."""
    return "".join(line for line in stderr.splitlines(keepends=True) if " images/s, " not in line)


def until_there(process: subprocess.Popen, condition: Callable[[], bool]) -> None:
    """Waits for as long as the process lives."""
    until(lambda: process.poll() is not None or condition(), 300)
    assert process.poll() is None, process.communicate(timeout=LIMIT)


def local(place: Path, *given: str) -> bytes:
    """What the local engine makes of it."""
    run(place, *given, "--out", "local.jsonl")
    return (place / "local.jsonl").read_bytes()


@linux
def test_a_cluster_of_this_machine_makes_the_same_bytes_and_leaves_no_process(place: Path) -> None:
    given = ["a", "nowhere.png", "http://127.0.0.1:9/refused.png", "b", ALSO]
    ray = run(place, *given, "--engine", "ray", "--ray-workers", "2", "--out", "x.jsonl", **RAY)
    assert (ray.returncode, ray.stdout, told(ray.stderr)) == (1, "", "")
    assert (place / "x.jsonl").read_bytes() == local(place, *given)
    assert sum("error" in line for line in (place / "x.jsonl").read_text("utf-8").splitlines()) == 3
    until(lambda: not processes_in(place), 30)


@linux
def test_a_killed_job_leaves_no_worker_and_any_engine_goes_on_with_it(place: Path) -> None:
    with Gate() as gate:
        given = ["a", gate.url("gated.png"), "b", ALSO]
        process = start(place, *given, "--engine", "ray", "--out", "x.jsonl", **RAY)
        until_there(process, lambda: rows_written(place, "x.jsonl") >= CHUNK and gate.reached.is_set())
        assert any("Worker" in line for line in processes_in(place).values())
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=LIMIT)
        gate.open.set()
        until(lambda: not any("Worker" in line for line in processes_in(place).values()))  # Ray's agents take a minute
        resumed = run(place, *given, "--out", "x.jsonl")
        assert resumed.returncode == 1 and "Going on with x.jsonl: " in resumed.stderr
        made, whole = (place / "x.jsonl").read_bytes().splitlines(), local(place, *given).splitlines()
        assert len(made) == len(whole)  # on a slow machine the gated photo may have timed out before the kill
        assert [
            (one, other) for one, other in zip(made, whole, strict=True) if one != other and b"gated" not in one
        ] == []


@linux
def test_a_stopped_job_leaves_no_process_and_says_how_to_go_on(place: Path) -> None:
    with Gate() as gate:
        given = ["b", gate.url("gated.png"), "a", ALSO, "--engine", "ray", "--out", "x.jsonl"]
        process = start(place, *given, **RAY)
        until_there(process, gate.reached.is_set)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=120)
        said = re.fullmatch(
            rf"mirror: (\d+) of {3 * CHUNK + 22} images are answered: the same command goes on from there.\n"
            "mirror: stopped.\n",
            told(stderr),
        )
        assert process.returncode == 130 and said, stderr
        assert int(said[1]) == rows_written(place, "x.jsonl") < 2 * CHUNK  # nothing behind the photo that is waited for
        until(lambda: not processes_in(place), 30)


@linux
def test_a_worker_that_dies_is_replaced_and_loses_no_row(place: Path, cluster: Cluster) -> None:
    with Gate() as gate:
        given = ["a", gate.url("gated.png"), "b", ALSO]
        process = start(place, *given, "--engine", "ray", "--ray-address", cluster.address, "--out", "x.jsonl", **RAY)
        until_there(process, gate.reached.is_set)
        workers = [number for number, line in processes_in(place).items() if line.startswith("ray::MapWorker")]
        assert workers
        for worker in workers:
            os.kill(worker, signal.SIGKILL)
        gate.open.set()
        _, stderr = process.communicate(timeout=300)
        assert (process.returncode, told(stderr)) == (1, "")
        assert (place / "x.jsonl").read_bytes() == local(place, *given)


def test_a_stream_to_the_screen_comes_from_a_running_cluster_too(place: Path, cluster: Cluster) -> None:
    given = ["b", "a/0007 broken.png", "--summary"]
    ray = run(place, *given, "--engine", "ray", "--ray-address", cluster.address, **RAY)
    assert (ray.returncode, ray.stdout, told(ray.stderr)) == (1, run(place, *given).stdout, "")


def test_many_windows_are_one_stream(place: Path, cluster: Cluster) -> None:
    """As of a hundred thousand images: here a window holds a chunk for each of two workers."""
    program = "import sys, mirror.batch.ray_engine as e, mirror.cli; e.CHUNKS_A_WORKER = 1; sys.exit(mirror.cli.main())"
    given = ["predict", "a", "b", "no.png", "--engine", "ray", "--ray-address", cluster.address, "--out", "x.jsonl"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | WARNINGS
    ray = subprocess.run(
        [sys.executable, "-c", program, *given],
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert (ray.returncode, ray.stdout, told(ray.stderr)) == (1, "", "")
    assert (place / "x.jsonl").read_bytes() == local(place, "a", "b", "no.png")


def test_addresses_that_lead_nowhere_are_one_sentence_soon(place: Path) -> None:
    with Gate() as gate:
        somebody = gate.url("").removeprefix("http://").rstrip("/")
        for address, code, sentence in (
            ("127.0.0.1:9", 1, "Nothing answers at --ray-address 127.0.0.1:9 (Connection refused): check that the "),
            ("ray://127.0.0.1:9", 2, "--ray-address ray://127.0.0.1:9 is for Ray Client, which Ray Data does not run "),
            ("somewhere", 2, "--ray-address somewhere cannot be meant: give HOST:PORT or auto."),
            (somebody, 1, f"There is no Ray cluster at --ray-address {somebody}, or it does not let us in: see what"),
        ):
            failed = run(place, "b", "--engine", "ray", "--ray-address", address, "--out", "x.csv", **RAY)
            assert (failed.returncode, failed.stdout) == (code, "") and failed.stderr.startswith(f"mirror: {sentence}")
            assert failed.stderr.count("\n") == 1 and not (place / ".x.csv.job").exists()


def test_ray_starts_no_cluster_by_itself(place: Path) -> None:
    """As it would after a job was stopped, while threads of Ray Data's still run."""
    program = """
from mirror.batch.ray_cluster import connected
from mirror.errors import MirrorError
try:
    with connected("127.0.0.1:9"): pass
except MirrorError:
    import ray
    try:
        ray.put(1)
    except Exception as error:
        print(type(error).__name__, ray.is_initialized())
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | ENVIRONMENT
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=place, env=environment, capture_output=True, text=True, timeout=LIMIT
    )
    assert (done.returncode, done.stdout) == (0, "RaySystemError False\n"), done.stderr


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--ray-address", "auto"], "--ray-address is for --engine ray: leave it out, or add that."),
        (["--ray-workers", "2"], "--ray-workers is for --engine ray: leave it out, or add that."),
        (
            ["--engine", "ray", "--ray-workers", "0"],
            "Argument --ray-workers: '0' is not a whole number from 1 to 10,000",
        ),
    ],
    ids=["address", "workers", "none"],
)
def test_options_that_cannot_be_meant(place: Path, arguments: list[str], message: str) -> None:
    failed = run(place, "b", *arguments)
    assert (failed.returncode, failed.stdout) == (2, "") and failed.stderr.startswith(f"mirror: {message}")


def test_a_model_that_cannot_be_opened_is_said_as_the_local_engine_says_it(place: Path) -> None:
    (place / "empty").mkdir()
    given = ["b", "--model", "empty", "--out", "x.csv"]
    ray = run(place, *given, "--engine", "ray")
    there = run(place, *given)
    assert (ray.returncode, ray.stderr) == (there.returncode, there.stderr) and ray.returncode in (1, 2)


def test_without_ray_one_sentence_says_what_to_install(place: Path) -> None:
    packages = place / "packages"
    packages.mkdir()
    for installed in map(Path, site.getsitepackages()):
        for entry in installed.iterdir() if installed.is_dir() else ():
            if entry.name != "ray" and not (packages / entry.name).exists():
                (packages / entry.name).symlink_to(entry)
    environment = os.environ | {"PYTHONPATH": f"{packages}{os.pathsep}{ROOT}"}
    command = [sys.executable, "-S", "-m", "mirror", "predict", "b", "--engine", "ray"]
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, timeout=LIMIT)
    assert (done.returncode, done.stdout) == (2, "") and done.stderr == (
        'mirror: The engine ray needs Ray Data: `pip install "ray[data]"`, or leave out --engine to use this machine.\n'
    )


def answers_of(worker: Worker, *places: str) -> list | MirrorError:
    (answered,) = worker({"chunk": [json.dumps(places).encode()]})["answers"]
    return pickle.loads(answered)


def test_a_worker_starts_where_the_command_was_given(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative paths mean the same to it; what it answers is what the local engine does, errors included."""
    (place / "yellow.png").write_bytes(photo(YELLOW, format="PNG"))
    sources = [ImageSource(name, Path(name)) for name in ("yellow.png", "no.png")] + [ImageSource("http://", "http://")]
    monkeypatch.chdir(place)
    predictor = open_predictor(TaskRequest())
    expected = [answer for _, answer in predictor.answer_all(iter(sources))]
    monkeypatch.chdir(ROOT)
    worker = Worker(str(place), TaskRequest(), predictor.identity, None)
    got = answers_of(worker, *(str(source.location) for source in sources))
    assert got[0] == expected[0] and [str(each) for each in got] == [str(each) for each in expected]
    assert isinstance(expected[2], FetchError) and got[1].reason == expected[1].reason == "missing-file"


def test_a_worker_with_another_model_or_none_stops_the_run(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    same = "each machine of the cluster needs the same model under the same path."
    other = answers_of(Worker(str(place), TaskRequest(), "of another model", None))
    assert isinstance(other, MirrorError) and str(other).endswith(
        f" has another model, or another version of it, than this machine: {same}"
    )
    none = answers_of(Worker(str(place), TaskRequest(model="models/none"), "", None))
    assert isinstance(none, MirrorError) and "cannot open the model (" in str(none) and str(none).endswith(same)


def test_photos_that_a_worker_does_not_have_stop_the_run(place: Path) -> None:
    """As rows they would be answers that no photo deserves; a photo that is gone here too is a row."""
    missing = NotAnImage("It does not exist; check the path.", reason="missing-file")
    here, gone = place / "a" / "0007 broken.png", place / "gone.png"
    assert list(_paired([ImageSource("gone.png", gone)], [missing])) == [(ImageSource("gone.png", gone), missing)]
    with pytest.raises(MirrorError, match="A worker of the cluster does not have a/7, which is here: mount the photos"):
        list(_paired([ImageSource("a/7", here)], [missing]))


def test_detections_come_through_ray_as_they_are(place: Path, cluster: Cluster) -> None:
    """By a real detector of transformers, in parquet: numbers to the last bit, boxes, and the summary."""
    from tests.support.tiny_detector import scene, tiny_detector

    tiny_detector(place / "detector")
    scene().save(place / "b" / "street.png")
    given = ["b", "a/0007 broken.png", "--task", "object-detection", "--model", "detector", "--summary"]
    engine = ["--engine", "ray", "--ray-address", cluster.address]
    # of transformers, in its workers; which compute on one CPU each: sums in another order differ in their last bit
    calm = {"environment": WARNINGS | {"PYTHONWARNINGS": "ignore", "OMP_NUM_THREADS": "1"}}
    ray = run(place, *given, *engine, "--out", "x.parquet", **calm)
    here = run(place, *given, "--out", "y.parquet", **calm)
    assert (ray.returncode, ray.stdout, told(ray.stderr)) == (1, here.stdout, here.stderr)
    assert (place / "x.parquet").read_bytes() == (place / "y.parquet").read_bytes()
    assert "bicycle" in ray.stdout
