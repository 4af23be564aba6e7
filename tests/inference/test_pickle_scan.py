"""Pickles from a stranger. The kind: a program in a file that looks like a learner, whatever way it takes to the
functions that it wants, and whatever container it lies in. It is refused by reading it, and again by the unpickler that
would open it, and what it wanted never happens. Learners as fastai exports them pass both.
"""

from __future__ import annotations

import os
import pickle
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from mirror.errors import UnsupportedLearner
from mirror.export.restricted_unpickler import load
from mirror.inference import pickle_cache
from mirror.inference.pickle_allowlist import is_harmless, may_be_named
from mirror.inference.pickle_cache import compiled_folder
from mirror.inference.pickle_scan import check_pickle, names_in
from mirror.model_folder import find_model, list_models
from tests.learners import LABELS, plain_pickle
from tests.support.pickles import a_list, call_of, four, legacy, made, short, stack_global, zipped

ROOT = Path(__file__).resolve().parents[2]
INPUTS = ROOT.parent / "shared" / "findings" / "inputs"
TOUCH = "touch happened"


def call(module: str, name: str, argument: bytes = b"V" + TOUCH.encode() + b"\n") -> bytes:
    """module.name(argument), in protocol 0."""
    return f"c{module}\n{name}\n(".encode() + argument + b"tR."


class Reduced:
    def __reduce__(self):
        return os.system, (TOUCH,)


GETATTR = b"cbuiltins\ngetattr\n"
PROGRAMS = {
    **{f"os.system, protocol {number}": pickle.dumps(Reduced(), number) for number in range(6)},
    "os.system by the name of its package": call("os", "system"),
    "on Windows": call("nt", "system"),
    "subprocess": call("subprocess", "getoutput"),
    "eval": call("builtins", "eval", b"V__import__('os').system('touch happened')\n"),
    "exec": call("builtins", "exec", b"Vimport os; os.system('touch happened')\n"),
    "exec, as protocol 2 names it": call("__builtin__", "execfile"),
    "the import function": call("builtins", "__import__", b"Vos\n"),
    "a stack of names": four(stack_global("builtins", "eval"), short("1"), b"\x85R"),
    "names from the memo": four(
        short("eval"), b"\x94", short("builtins"), b"\x940h\x01h\x00\x93", short("1"), b"\x85R"
    ),
    "a name that is worked out": four(
        short("os"), stack_global("builtins", "str"), short("system"), b"\x85R\x93", short(TOUCH), b"\x85R"
    ),
    "getattr, chained": GETATTR + b"(cbuiltins\nobject\nV__subclasses__\ntR(tR.",
    "getattr of a module": GETATTR + b"(cos\n\nVsystem\ntR(V" + TOUCH.encode() + b"\ntR.",
    "a dotted name of an allowed module": four(stack_global("fastai.torch_core", "os.system"), short(TOUCH), b"\x85R"),
    "a module that an allowed module imports": call("fastai.torch_core", "os"),
    "a dotted name of an allowed class": four(
        stack_global("fastai.learner", "Learner.fit.__globals__"), short("x"), b"\x85R"
    ),
    "a function of a library that runs commands": call("fastcore.xtras", "run"),
    "a function of a library that loads pickles": call("fastai.learner", "load_learner"),
    "a function of a library that fetches": call("fastai.data.external", "untar_data"),
    "torch.load": call("torch", "load"),
    "torch.serialization.load": call("torch.serialization", "load"),
    "a storage from bytes": call("torch.storage", "_load_from_bytes"),
    "torch.hub": call("torch.hub", "load"),
    "C++ that is compiled": call("torch.utils.cpp_extension", "load_inline"),
    "numpy.load": call("numpy", "load"),
    "numpy's own exec": call("numpy.testing._private.utils", "runstring"),
    "pandas.read_pickle": call("pandas", "read_pickle"),
    "a pickle in a pickle": b"cpickle\nloads\n(" + pickle.dumps(pickle.dumps(Reduced(), 0), 3)[2:-1] + b"tR.",
    "partial": b"cfunctools\npartial\n(cos\nsystem\nV" + TOUCH.encode() + b"\ntR(tR.",
    "reduce": b"cfunctools\nreduce\n(cos\nsystem\n(lV" + TOUCH.encode() + b"\natR.",
    "an attribute getter": call("operator", "attrgetter", b"V__class__\n"),
    "a method caller": call("operator", "methodcaller", b"Vsystem\n"),
    "a named tuple": call("collections", "namedtuple"),
    "a forward reference": call("typing", "ForwardRef", b"V__import__('os').system('touch happened')\n"),
    "runpy": call("runpy", "run_path"),
    "importlib": call("importlib", "import_module", b"Vthis\n"),
    "pip": call("pip._internal.cli.main", "main"),
    "the debugger": call("pdb", "run"),
    "timeit": call("timeit", "timeit", b"Vimport os; os.system('touch happened')\n"),
    "a browser": call("webbrowser", "open"),
    "a file": call("io", "open"),
    "a path that is written": GETATTR + b"(cpathlib\nPath\nVwrite_text\ntR.",
    "an instance": b"(V" + TOUCH.encode() + b"\nios\nsystem\n.",
    "an object": b"(cos\nsystem\nV" + TOUCH.encode() + b"\no.",
    "a number of copyreg's": b"\x80\x02\x82\x01.",
    "a class of the library, changed": b"\x80\x02cfastai.learner\nLearner\nN}U\x03fitcos\nsystem\ns\x86b.",
    "a class of the library, changed to harmless things": b"\x80\x02cfastai.learner\nLearner\nN}U\x03fitK\x01s\x86b.",
}


CONTAINERS = {"bare": bytes, "in an archive": zipped, "as before torch 1.6": legacy}


@pytest.mark.parametrize("container", CONTAINERS.values(), ids=CONTAINERS)
@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_a_program_is_refused_by_reading_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: bytes, container
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.pkl").write_bytes(container(program))
    with pytest.raises(UnsupportedLearner) as caught:
        check_pickle(tmp_path / "a.pkl")
    assert str(caught.value).isprintable() and str(caught.value).startswith(f"{tmp_path}/a.pkl ")
    assert not (tmp_path / "happened").exists()


ATTEMPT = """
import sys
from pathlib import Path
from mirror.export.restricted_unpickler import load
for path in sorted(Path(sys.argv[1]).glob("*.pkl")):
    try:
        print(path.name, "opened", type(load(path)))
    except Exception as error:
        print(path.name, "refused")
"""


@pytest.mark.slow
def test_a_program_that_was_not_read_is_not_run_by_the_unpickler_either(tmp_path: Path) -> None:
    expected = []
    for number, program in enumerate(PROGRAMS.values()):
        for kind, container in (("z", zipped), ("l", legacy), ("b", bytes)):
            (tmp_path / f"{number:02}{kind}.pkl").write_bytes(container(program))
            expected.append(f"{number:02}{kind}.pkl refused")
    last = f"{len(PROGRAMS) - 1:02}"  # changes a class, but only to a number: no name to refuse, and nothing is run
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ATTEMPT, str(tmp_path)], cwd=tmp_path, capture_output=True, text=True,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}, timeout=120,
    )  # fmt: skip
    told = [line for line in done.stdout.splitlines() if not line.startswith(last)]
    assert told == sorted(line for line in expected if not line.startswith(last)), done.stderr
    assert not (tmp_path / "happened").exists()


GETTER = stack_global("builtins", "getattr")
HERE = call_of(stack_global("pathlib", "PosixPath"), short("."))
THERE = call_of(stack_global("pathlib", "PosixPath"), short("happened"))
LEARN = made(
    "types", "SimpleNamespace", path=HERE, logger=b"N",
    recorder=made("types", "SimpleNamespace", metric_names=a_list(short("touch happened"))),
)  # fmt: skip
LOGGER = made("fastai.callback.progress", "CSVLogger", learn=LEARN, fname=short("happened"), append=b"\x88")
TABLE = call_of(stack_global("pandas", "DataFrame"), b"}" + short("a") + a_list(short("x")) + b"s")
HOLDER = made("fastai.data.core", "TfmdDL", dataset=TABLE)  # passes on to its dataset what it lacks
ODD_NAME = """x"), open("happened", "w"), (\""""
NET = made(
    "torch.nn.modules.container",
    "Sequential",
    _modules=b"}" + short(ODD_NAME) + call_of(stack_global("torch.nn.modules.activation", "ReLU")) + b"s",
)
ROUNDABOUT = {  # names that a learner may hold, put together to something else
    "a callback that writes a file, called": four(call_of(LOGGER, short("before_fit"))),
    "a callback that writes a file, by its method": four(call_of(call_of(GETTER, LOGGER, short("before_fit")))),
    "a callback that passes on what it lacks": four(
        call_of(made("fastai.callback.core", "TrainEvalCallback", learn=THERE, run=b"\x88"), short("mkdir"))
    ),
    "a holder that passes on what it lacks": four(call_of(call_of(GETTER, HOLDER, short("to_csv")), short("happened"))),
    "a query of a table": four(call_of(call_of(GETTER, HOLDER, short("query")), short("@a.__class__"))),
    "a list that fetches attributes": four(
        call_of(call_of(GETTER, call_of(stack_global("fastcore.foundation", "L"), a_list(THERE)), short("attrgot")),
                short("touch"))
    ),
    "a transform that fetches attributes": four(
        call_of(call_of(call_of(stack_global("fastai.data.transforms", "AttrGetter"), short("touch")), THERE))
    ),
    "a network's name that becomes source text": four(
        call_of(stack_global("torchvision.models.feature_extraction", "create_feature_extractor"),
                NET, a_list(short(ODD_NAME)))
    ),
    "the same by another library": four(
        call_of(stack_global("timm.models._features_fx", "GraphExtractNet"), NET, a_list(short(ODD_NAME)))
    ),
}  # fmt: skip


@pytest.mark.slow
def test_harmless_names_do_nothing_together(tmp_path: Path) -> None:
    for number, program in enumerate(ROUNDABOUT.values()):
        (tmp_path / f"{number:02}.pkl").write_bytes(zipped(program))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ATTEMPT, str(tmp_path)], cwd=tmp_path, capture_output=True, text=True,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}, timeout=120,
    )  # fmt: skip
    refused = [f"{number:02}.pkl refused" for number in range(len(ROUNDABOUT))]
    assert done.stdout.splitlines() == refused, done.stderr
    assert not (tmp_path / "happened").exists()


BROKEN = {
    "empty": b"", "text": b"hello", "a picture": b"\x89PNG\r\n\x1a\n" + bytes(50), "cut short": b"\x80\x04\x95\xff",
    "an archive of nothing": zipped(b"")[:100], "no program": b"PK\x03\x04" + bytes(100),
    "a program twice": zipped(b"N.", **{"b/data.pkl": b"N."}), "another program": zipped(b"N.", **{"a/x.PKL": b"N."}),
    "TorchScript": zipped(b"N.", **{"a/constants.pkl": b"N."}),
    "a length of terabytes": b"\x80\x04\x8e" + struct.pack("<Q", 2**44), "an empty stack": b"\x80\x04R.",
    "no such memo": b"\x80\x04h\x09.", "no mark": b"\x80\x04t.",
}  # fmt: skip


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_what_is_no_learner_is_one_sentence(tmp_path: Path, body: bytes) -> None:
    (tmp_path / "a.pkl").write_bytes(body)
    with pytest.raises(UnsupportedLearner, match=r"a\.pkl is (not a learner pickle that opens here|empty|cut short)"):
        check_pickle(tmp_path / "a.pkl")


def test_a_pointer_of_git_lfs_is_called_one(tmp_path: Path) -> None:
    text = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 46961234\n"
    (tmp_path / "a.pkl").write_text(text)
    with pytest.raises(UnsupportedLearner, match="is a pointer of git LFS, not the model itself: fetch it with"):
        compiled_folder(find_model(tmp_path / "a.pkl"))


def test_a_refusal_names_what_is_named_to_the_owner_only(tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(call("os", "system"))
    with pytest.raises(UnsupportedLearner) as shown:
        compiled_folder(find_model(tmp_path / "a.pkl"))
    assert "a.pkl names what no learner needs, so it is not opened: `python -m" in str(shown.value)
    assert "os.system" not in str(shown.value)
    with pytest.raises(UnsupportedLearner) as caught:
        check_pickle(tmp_path / "a.pkl")
    assert "names os.system, which no learner needs, so it is not opened" in str(caught.value)
    assert "`python -m mirror compile --trust FILE`" in str(caught.value)


@pytest.mark.slow
def test_plain_learners_name_nothing_else() -> None:
    names = names_in(plain_pickle())
    assert len(names) > 50 and all(is_harmless(name.module, name.name) for name in names)
    check_pickle(plain_pickle())


@pytest.mark.parametrize("name", ["fine", "resize_pad", "from_windows", "fastai_2_7", "label_function_by_name"])
def test_learners_of_others_are_read_as_learners(name: str) -> None:
    if not (INPUTS / f"{name}.pkl").exists():
        pytest.skip("the found inputs are not here")
    check_pickle(INPUTS / f"{name}.pkl")


def test_on_a_space_no_pickle_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(plain_pickle(), tmp_path / "a.pkl")
    for name, value in (("SPACE_ID", "someone/mirror"), ("SYSTEM", "spaces")):
        monkeypatch.setattr(pickle_cache, "_failures", {})
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            with pytest.raises(UnsupportedLearner, match=r"a\.pkl is not opened on a Space: compile it elsewhere with"):
                compiled_folder(find_model(tmp_path / "a.pkl"))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only for root")
@pytest.mark.slow
def test_a_compiled_model_of_another_user_is_not_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "models").mkdir()
    shutil.copy(plain_pickle(), tmp_path / "models" / "a.pkl")
    entry = find_model(tmp_path / "models" / "a.pkl")
    place = compiled_folder(entry).path
    text = (place / "model.json").read_text()
    (place / "model.json").write_text(text.replace(LABELS[0], "swapped"))
    for path in (place.parent, place, *place.rglob("*")):
        os.chown(path, 12345, 12345)
    again = compiled_folder(entry)
    assert again.info.labels == LABELS and again.path.is_relative_to(tmp_path / "cache")
    assert "is not used: it belongs to another user, or anybody may write to it." in capsys.readouterr().err
    (place / "model.json").write_text(text)
    for path in (place.parent, place, *place.rglob("*")):
        os.chown(path, 0, 0)
    assert compiled_folder(entry).path == place, "root's is believed: an image of a container is made by root"


NO_LEARNERS = {
    "nothing": (b"", "is cut short"),
    "a web page": (b"<!DOCTYPE html><html><body>Please log in</body></html>", "is a web page, not a model"),
    "an archive cut short": (zipped(four(b"N"))[:-30], "is cut short"),
    "a pickle cut short": (pickle.dumps({"a": list(range(1000))}, 2)[:-200], "is cut short"),
    "a pointer of git LFS": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        "is a pointer of git LFS",
    ),
    "a text": (b"hello", "is not a learner pickle that opens here"),
}


@pytest.mark.parametrize(("body", "says"), NO_LEARNERS.values(), ids=NO_LEARNERS)
def test_what_is_no_pickle_is_told_by_what_it_is(tmp_path: Path, body: bytes, says: str) -> None:
    (tmp_path / "a.PKL").write_bytes(body)
    (entry,) = list_models(tmp_path)  # capitals count as well
    with pytest.raises(UnsupportedLearner) as caught:
        compiled_folder(entry)
    assert str(caught.value).startswith(f"{tmp_path}/a.PKL {says}") and "\n" not in str(caught.value)


DESCRIBED = [
    ("__main__", "is_cat"), ("__mp_main__", "Metric"), ("my_project.labels", "label_of"),
    ("fastcore.transform", "Pipeline"), ("fastai.callback.progress", "OldCallback"), ("fastai2.losses", "Loss"),
]  # fmt: skip
NEVER = [
    ("os", "system"), ("nt", "system"), ("posix", "system"), ("builtins", "eval"), ("__builtin__", "execfile"),
    ("subprocess", "Popen"), ("fastai.torch_core", "os"), ("fastai.torch_core", "Path"), ("fastcore.xtras", "run"),
    ("__main__", "a.b"), ("__main__", "os.system"), ("pip", "main"), ("numpy", "load"), ("torch", "load"), ("", "x"),
    ("no such", "x"), ("antigravity", "x"),
]  # fmt: skip


def test_what_is_nothing_here_may_be_named_and_stays_a_description(tmp_path: Path) -> None:
    """What the training script defined, a library that is not installed, a class of another version: nothing of that
    exists to be run, and calling it gives but another description."""
    for module, name in DESCRIBED:
        assert may_be_named(module, name), (module, name)
        program = (
            four(call_of(stack_global(module, name), short("x")))
            if "fast" not in module
            else four(stack_global(module, name))
        )
        (tmp_path / "a.pkl").write_bytes(zipped(program))
        check_pickle(tmp_path / "a.pkl")
        assert type(load(tmp_path / "a.pkl")).__name__ == "Part"
    for module, name in NEVER:
        assert not may_be_named(module, name), (module, name)
