"""A process for what a stranger made: limited, without secrets, without network where the system can do that.

    run_sandboxed(["mirror.inference.onnx_trial"], input=…, seconds=60, memory=4 << 30, files=0)      `python -m …`

The process starts in a session of its own with few environment variables and an empty home, and calls `confine` before
anything else. On Linux it then has limits on memory, processor time, the size of files and the number of processes; it
has no network; and all that it starts ends with it, as it ends with the process that started it: they share a
namespace of process numbers, whose first process is killed with its parent (user_namespaces(7), pid_namespaces(7)).
Where the system allows no namespaces (some containers), its children are found and killed, the network stays, and the
variable MISSING says so. If `writes` names folders, no file elsewhere is made or changed; if `reads` names
files, none but those, Python and its libraries are read, and no program is started (`landlock.py`). On other systems
only the time limit and the environment are left. Standard library only.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import mimetypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from mirror.folders import hold_folder, sweep_folders
from mirror.inference.landlock import restrict

PASSED = (  # variables of the environment that a child gets: no tokens, no passwords, no proxies
    "PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "SYSTEMROOT", "WINDIR", "PATHEXT", "LD_LIBRARY_PATH", "VIRTUAL_ENV",
    "PYTHONPATH", "PYTHONHOME", "PYTHONWARNINGS", "PYTHONHASHSEED", "OMP_NUM_THREADS", "MKL_NUM_THREADS",
    "CUBLAS_WORKSPACE_CONFIG",
)  # fmt: skip
MISSING = "MIRROR_CONFINED_WITHOUT"  # in the innermost process: what the system did not allow
FILES = "MIRROR_CONFINED_FILES"  # for the child, in JSON: [folders to write to, files to read or null]
# What Python and its libraries read besides themselves. No list of users: the name of this one is given
SYSTEM = (
    "/usr", "/lib", "/lib64", "/lib32", "/nix/store", "/etc/ld.so.cache", "/etc/localtime", "/etc/ssl/openssl.cnf",
    "/dev/urandom", "/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/sys/vm", "/sys/devices/system",
    "/sys/fs/cgroup",
)  # fmt: skip
ROOT = Path(__file__).resolve().parents[2]
_NEWUSER, _NEWNET, _NEWPID, _NEWIPC = 0x10000000, 0x40000000, 0x20000000, 0x08000000  # linux/sched.h
_SET_PDEATHSIG, _SET_SUBREAPER, _NO_NEW_PRIVS = 1, 36, 38  # linux/prctl.h
HOME = "mirror-child-"  # begins the name of a child's home, in the system's folder for temporary files
PROCESSES = 256
KEPT_OUTPUT = 64 * 1024  # bytes


@dataclass(frozen=True)
class ProcessResult:
    """How a child ended. status: its exit status, negative for a signal; None where its time was up."""

    status: int | None
    stdout: bytes
    stderr: bytes


def run_sandboxed(
    module: Sequence[str], *, seconds: float, memory: int, files: int, input: bytes | memoryview = b"",
    path: Sequence[str] = (), writes: Sequence[Path] | None = None, reads: Sequence[Path] | None = None,
) -> ProcessResult:  # fmt: skip
    """Runs `python -m module…`, whose code calls `confine` first. Raises OSError.

    memory, files: the bytes of private data, and of a file that it writes. path: more folders to import from. writes:
    the folders, which are there, that it may write to besides its home; None for all. reads: with `writes`, the files
    and folders that it may read besides those, Python and its libraries; None for all. Of what it prints the last
    KEPT_OUTPUT bytes are kept.
    """
    temporary = Path(tempfile.gettempdir())
    sweep_homes(temporary)
    folder, lock = hold_folder(temporary, HOME)
    home = str(folder)
    passed = {name: os.environ[name] for name in PASSED if name in os.environ}
    paths = [str(ROOT), *path, *filter(None, [passed.get("PYTHONPATH")])]
    environment = passed | {
        "PYTHONPATH": os.pathsep.join(paths), "PYTHONIOENCODING": "utf-8", "HOME": home, "TMPDIR": home, "TEMP": home,
        "USERPROFILE": home, "LOGNAME": "mirror", "MIRROR_CONFINED": f"{os.getpid()} {int(seconds)} {memory} {files}",
    }  # fmt: skip
    if writes is not None:
        read = None if reads is None else [str(Path(place).resolve()) for place in reads]
        written = [os.path.abspath(folder) for folder in (*map(os.fspath, writes), home)]
        environment[FILES] = json.dumps([written, read])
    with contextlib.ExitStack() as held:
        if lock is not None:
            held.callback(os.close, lock)
        held.callback(shutil.rmtree, home, ignore_errors=True)
        # files instead of pipes: they have a limit, and no process that is left keeps anyone waiting
        stdin, out, err = (held.enter_context(tempfile.TemporaryFile()) for _ in range(3))
        stdin.write(input)
        stdin.seek(0)
        # -P: nothing is imported from the folder that the process happens to run in
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", *module], env=environment, stdin=stdin, stdout=out, stderr=err,
            start_new_session=True,
        )  # fmt: skip
        try:
            status = child.wait(seconds)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            _end(child)
        return ProcessResult(status, _last(out), _last(err))


def sweep_homes(temporary: Path) -> None:
    """Removes this user's homes of children whose processes were killed."""
    sweep_folders(temporary, HOME)


def _last(file: IO[bytes]) -> bytes:
    file.seek(max(0, file.seek(0, os.SEEK_END) - KEPT_OUTPUT))
    return file.read()


def _end(child: subprocess.Popen[bytes]) -> None:
    """The child and what it started are gone."""
    if child.poll() is None:
        child.terminate()  # its outermost process ends what is inside
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(5)
    if hasattr(os, "killpg"):
        with contextlib.suppress(OSError):
            os.killpg(child.pid, signal.SIGKILL)
    elif child.poll() is None:
        child.kill()
    child.wait()


def confine() -> None:
    """In a process that `run_sandboxed` started: limits it from here on. Returns in the innermost process only;
    those around it wait for it, and end with its status. Elsewhere it returns at once."""
    limits, files_of = os.environ.pop("MIRROR_CONFINED", "").split(), json.loads(os.environ.pop(FILES, "null"))
    if len(limits) != 4 or not sys.platform.startswith("linux"):
        return
    parent, seconds, memory, files = map(int, limits)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it ended before the line above
        os._exit(1)
    libc.prctl(_SET_SUBREAPER, 1)  # orphans of the innermost process become children of this one
    inner, hidden, missing = _fork_inside(libc)
    if inner:
        signal.signal(signal.SIGTERM, lambda *_: _stop(inner, 143))
        _, status = os.waitpid(inner, 0)
        _stop(None, _as_exit(status))
    if files_of is not None:
        writes, reads = files_of
        kept = restrict(writes, None if reads is None else [*reads, *_libraries()])
        missing = " and the ".join(filter(None, (missing, kept)))
    if missing:
        os.environ[MISSING] = missing
    libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0)
    _limit(seconds, memory, files, hidden)


def _libraries() -> list[str]:
    """Where Python, its libraries and this package lie."""
    places = {sys.prefix, sys.base_prefix, sys.exec_prefix, str(ROOT / "mirror")}
    places |= {*SYSTEM, *map(str, mimetypes.knownfiles)}
    kept = ("site-packages", "dist-packages", "lib-dynload")
    return sorted(places | {place for place in sys.path if os.path.basename(place) in kept})


def _fork_inside(libc: ctypes.CDLL) -> tuple[int, bool, str]:
    """Forks twice, the second time as the first process of new spaces. In this process: (the child, …); in the
    innermost: (0, whether it has spaces of its own, what is missing)."""
    asked, answered = os.pipe(), os.pipe()
    child = os.fork()
    if child:
        os.close(asked[1])
        os.close(answered[0])
        if os.read(asked[0], 1) == b"u":  # it has a user space of its own: its users are those of this one
            _map_users(child)
        os.write(answered[1], b".")
        os.close(asked[0])
        os.close(answered[1])
        return child, False, ""
    libc.prctl(_SET_PDEATHSIG, signal.SIGKILL)
    os.close(asked[0])
    os.close(answered[1])
    hidden = libc.unshare(_NEWUSER | _NEWNET | _NEWPID | _NEWIPC) == 0
    os.write(asked[1], b"u" if hidden else b"-")
    os.read(answered[0], 1)
    if not hidden:
        return 0, False, "network"
    first = os.fork()
    if first:
        _, status = os.waitpid(first, 0)
        os._exit(_as_exit(status))
    libc.prctl(_SET_PDEATHSIG, signal.SIGKILL)
    return 0, True, ""


def _map_users(child: int) -> None:
    """All users of this space are the same inside where this process may say so (root), else its own user alone."""
    with contextlib.suppress(OSError):
        Path(f"/proc/{child}/setgroups").write_text("deny")
    for kind, own in (("uid", os.geteuid()), ("gid", os.getegid())):
        everyone = Path(f"/proc/self/{kind}_map").read_text()
        same = "".join(f"{inside} {inside} {count}\n" for inside, _, count in map(str.split, everyone.splitlines()))
        for users in (same, f"{own} {own} 1\n"):
            try:
                Path(f"/proc/{child}/{kind}_map").write_text(users)
                break
            except OSError:
                continue


def _limit(seconds: int, memory: int, files: int, hidden: bool) -> None:
    import resource

    limits = {
        resource.RLIMIT_DATA: memory, resource.RLIMIT_CPU: 2 * seconds + 10, resource.RLIMIT_FSIZE: files,
        resource.RLIMIT_CORE: 0,
    }  # fmt: skip
    if hidden:  # elsewhere all processes of the user count
        limits[resource.RLIMIT_NPROC] = PROCESSES
    for limit, value in limits.items():
        hard = resource.getrlimit(limit)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(limit, (value, value))


def _stop(inner: int | None, status: int) -> None:
    """Ends this process and all below it; orphans come to it one by one."""
    if inner:
        with contextlib.suppress(OSError):
            os.kill(inner, signal.SIGKILL)
    for _ in range(1000):
        below = _children()
        for child in below:
            with contextlib.suppress(OSError):
                os.kill(child, signal.SIGKILL)
        try:
            os.waitpid(-1, 0 if below else os.WNOHANG)
        except ChildProcessError:
            break
    os._exit(status)


def _children() -> list[int]:
    try:
        found = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    except OSError:
        return []
    return [int(child) for child in found]


def _as_exit(status: int) -> int:
    """The status of waitpid as one to exit with; signals as a shell has them."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code
