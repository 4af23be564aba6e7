"""The confined process: what runs in it is limited, has no secrets and no network, and ends with it, whatever it does.

Real learner pickles that run commands, opened with `--trust`: the kind is code of a stranger that runs after all.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from mirror.folders import hold_folder
from mirror.inference.sandbox import HOME
from mirror.web import retention
from tests.support.limits import LIMIT

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(not Path("/proc/self/ns").exists(), reason="limits of processes are Linux's")

RUN = """
import json, os, sys
from mirror.inference.sandbox import run_sandboxed
writes, reads = ([os.environ[name]] if name in os.environ else None for name in ("WRITES", "READS"))
ended = run_sandboxed(
    ["child"], seconds=float(sys.argv[1]), memory=1 << 30, files=1 << 20, path=[sys.argv[2]], writes=writes, reads=reads
)
print(json.dumps([ended.status, ended.stdout.decode(), ended.stderr.decode()[-300:]]))
"""
CHILD = "from mirror.inference.sandbox import confine, MISSING\nconfine()\nimport os, sys, time, subprocess\n"


# As where a container forbids such spaces: the system refuses the flags
WITHOUT_SPACES = "from mirror.inference import sandbox\nsandbox._NEWUSER = -1\n"


def spaces_allowed() -> bool:
    return subprocess.run(["unshare", "-Urnp", "--fork", "true"], capture_output=True, timeout=LIMIT).returncode == 0


def start(tmp_path: Path, program: str, seconds: float = 20, **variables: str) -> subprocess.Popen:
    before, program = (WITHOUT_SPACES, program[1:]) if program.startswith("!") else ("", program)
    (tmp_path / "child.py").write_text(before + CHILD + program)
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | variables
    command = [sys.executable, "-c", RUN, str(seconds), str(tmp_path)]
    return subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True)


def confined(tmp_path: Path, program: str, seconds: float = 20, **variables: str) -> tuple[int | None, str, str]:
    out, _ = start(tmp_path, program, seconds, **variables).communicate(timeout=60)
    return tuple(json.loads(out))


def test_the_environment_holds_no_secrets_and_the_home_is_empty(tmp_path: Path) -> None:
    secrets = {"HF_TOKEN": "hf_1", "AWS_SECRET_ACCESS_KEY": "s", "HTTPS_PROXY": "http://u:p@x", "SSH_AUTH_SOCK": "/x"}
    program = "print(sorted(os.environ)); print(os.listdir(os.environ['HOME'])); print(os.environ['HOME'])"
    status, out, err = confined(tmp_path, program, **secrets)
    names, home, place = out.splitlines()
    assert status == 0 and home == "[]" and not any(name in names for name in secrets), err
    assert not Path(place).exists(), "it goes with the child"


def test_memory_files_and_time_have_limits(tmp_path: Path) -> None:
    program = (
        "try: bytearray(3 << 30); print('memory')\n"
        "except MemoryError: print('no memory')\n"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "try: open('big', 'wb').write(bytes(2 << 20)); print('file')\n"
        "except OSError: print('no file')\n"
    )
    assert confined(tmp_path, program)[:2] == (0, "no memory\nno file\n")
    begun = time.monotonic()
    assert confined(tmp_path, "time.sleep(600)", 2)[0] is None
    assert time.monotonic() - begun < 30


def test_output_without_end_is_kept_to_its_last_part(tmp_path: Path) -> None:
    program = "try:\n    while True: os.write(1, b'x' * 65536)\nexcept OSError: os._exit(0)"
    status, out, _ = confined(tmp_path, "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n" + program)
    assert status == 0 and len(out) == 64 * 1024


def test_there_is_no_network_where_the_system_can_do_that(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(1)
        port = server.getsockname()[1]
        program = (
            f"import socket\ntry: socket.create_connection(('127.0.0.1', {port}), 2); print('reached')\n"
            "except OSError: print('not reached')\nprint(os.environ.get(MISSING))"
        )
        status, out, err = confined(tmp_path, program)
        _, without, _ = confined(tmp_path, f"!{program}")
    assert status == 0, err
    assert without.splitlines()[1] == "network", "what is missing is said"
    assert out.splitlines() in (["not reached", "None"], ["reached", "network"])
    if spaces_allowed():
        assert out.startswith("not reached")


def test_files_elsewhere_stay_as_they_are_where_the_system_can_do_that(tmp_path: Path) -> None:
    for name in ("out", "elsewhere"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "old").write_text("old")
    program = (
        "import shutil, tempfile\n"
        "for name, deed in {\n"
        "    'change': lambda f: open(f + '/old', 'w'), 'truncate': lambda f: os.truncate(f + '/old', 0),\n"
        "    'make': lambda f: open(f + '/new', 'w'), 'link': lambda f: os.symlink('old', f + '/link'),\n"
        "    'folder': lambda f: os.mkdir(f + '/folder'), 'name': lambda f: os.link(f + '/old', f + '/name'),\n"
        "    'rename': lambda f: os.rename(f + '/old', f + '/other'), 'remove': lambda f: os.unlink(f + '/other'),\n"
        "    'start': lambda f: subprocess.run(['touch', f + '/started'], check=True, stderr=subprocess.DEVNULL),\n"
        "}.items():\n"
        "    for folder in ('out', 'elsewhere'):\n"
        "        try: deed(folder); print(name, folder)\n"
        "        except (OSError, subprocess.CalledProcessError): print(name, folder, 'refused')\n"
        "tempfile.NamedTemporaryFile().close(); open(os.devnull, 'w').close()\n"
        "print(os.environ.get(MISSING))"
    )
    status, out, err = confined(tmp_path, program, WRITES=str(tmp_path / "out"))
    *done, missing = out.splitlines()
    assert status == 0 and not [line for line in done if "out refused" in line], err
    if "files of others" in missing:
        pytest.skip("this system has no Landlock")
    assert sorted(path.name for path in (tmp_path / "elsewhere").iterdir()) == ["old"]
    assert (tmp_path / "elsewhere" / "old").read_text() == "old"
    assert len([line for line in done if line.endswith("elsewhere refused")]) == 9, done


def test_files_of_others_are_not_read_where_the_system_can_do_that(tmp_path: Path) -> None:
    for name in ("out", "given", "elsewhere"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("text")
    other = str(tmp_path / "elsewhere" / "file")
    others = [other, "/etc/passwd", str(ROOT / "README.md"), f"/proc/{os.getpid()}/environ"]
    program = (
        "import importlib, random, ssl, tempfile, unittest.mock\n"
        "import numpy, onnxruntime\n"
        "for name in ('out', 'given'): print(open(name + '/file').read(), os.listdir(name))\n"
        f"for name in {others!r}:\n"
        "    try: open(name).read(); print(name, 'was read')\n"
        "    except OSError: pass\n"
        "for deed in (lambda: os.listdir('elsewhere'), lambda: os.listdir('/'),\n"
        "             lambda: os.link('elsewhere/file', 'out/link'), lambda: subprocess.run(['/bin/true'])):\n"
        "    try: deed(); print('done')\n"
        "    except OSError: pass\n"
        "print(os.environ.get(MISSING))"
    )
    folders = {"WRITES": str(tmp_path / "out"), "READS": str(tmp_path / "given")}
    status, out, err = confined(tmp_path, program, **folders)
    *told, missing = out.splitlines()
    if "files of others" in missing:
        pytest.skip("this system has no Landlock")
    assert status == 0 and told == ["text ['file']", "text ['file']"], err or told


UNIQUE = f"{600 + os.getpid() / 1e6:.6f}"  # seconds to sleep
BACKGROUND = "subprocess.Popen(['setsid', 'sh', '-c', 'sleep 3; touch lived'], stdin=subprocess.DEVNULL)\n"


@pytest.mark.parametrize("spaces", ["", "!"], ids=["spaces of its own", "without"])
@pytest.mark.parametrize("how", ["ends", "fails", "is killed", "takes too long"])
def test_what_it_starts_ends_with_it(tmp_path: Path, how: str, spaces: str) -> None:
    last = {"ends": "", "fails": "sys.exit(3)", "is killed": "os.kill(os.getpid(), 9); time.sleep(60)"}
    status, _, err = confined(tmp_path, spaces + BACKGROUND + last.get(how, "time.sleep(60)"), 2)
    assert status == {"ends": 0, "fails": 3, "takes too long": None}.get(how, status), err
    time.sleep(3)
    assert not (tmp_path / "lived").exists()


@pytest.mark.parametrize("spaces", ["", "!"], ids=["spaces of its own", "without"])
def test_it_ends_with_the_process_that_wanted_it(tmp_path: Path, spaces: str) -> None:
    last = "open('begun', 'w').close(); time.sleep(6); open('lived', 'w').close()"
    process = start(tmp_path, spaces + BACKGROUND + last)
    end = time.monotonic() + 30
    while not (tmp_path / "begun").exists():
        assert time.monotonic() < end
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=LIMIT)
    time.sleep(7)
    assert not (tmp_path / "lived").exists()


def test_a_trusted_pickle_runs_without_secrets_and_leaves_no_process(tmp_path: Path) -> None:
    """What it wants happens with --trust, but where there is nothing to be had."""
    command = f"sleep {UNIQUE} & env > seen"
    (tmp_path / "a.pkl").write_bytes(b"cos\nsystem\n(V" + command.encode() + b"\ntR.")
    base = [sys.executable, "-m", "mirror", "compile", "a.pkl"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "HF_TOKEN": "hf_SECRET123"}
    refused = subprocess.run(base, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=LIMIT)
    assert refused.returncode == 1 and "a.pkl names os.system, which no learner needs" in refused.stderr
    assert not (tmp_path / "seen").exists()
    trusted = subprocess.run(
        [*base, "--trust"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=LIMIT
    )
    assert trusted.returncode == 1 and "a.pkl is not a learner pickle that opens here" in trusted.stderr
    assert "SECRET" not in (tmp_path / "seen").read_text()
    lines = subprocess.run(["ps", "-eo", "args"], capture_output=True, timeout=LIMIT).stdout.splitlines()
    assert not any(UNIQUE.encode() in line for line in lines)


def test_homes_that_killed_processes_left_are_swept_where_a_lock_or_their_age_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the start of the page, too: whoever serves the models that come with the program never starts a child."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    killed, held = hold_folder(tmp_path, HOME)
    os.close(held)
    alive, held = hold_folder(tmp_path, HOME)
    old, young, other = (tmp_path / name for name in (f"{HOME}12-a", f"{HOME}12-b", "other"))
    for folder in (old, young, other):
        (folder / "inside").mkdir(parents=True)
    (tmp_path / f"{HOME}link").symlink_to(other)
    for folder in (old, other, alive):
        os.utime(folder, (1, 1))
    retention.close_folder(retention.open_folder())
    os.close(held)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {alive.name, young.name, other.name, f"{HOME}link"} and not killed.exists()
