"""A pickle is read, not run. The kind: names that are harmless one by one, of which something evaluates text, follows
an attribute or calls what it was given, at once or later. Nothing of a file is called but the few functions that put
tensors together; a learner that is whole otherwise is served without what was added to it.
"""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from fastai.torch_core import TensorBase, _rebuild_from_type

from mirror.errors import UnsupportedLearner
from mirror.export.learner_parts import _held_by
from mirror.export.pickled_tensors import NotForAPickle
from mirror.export.restricted_unpickler import Part, load
from mirror.inference.pickle_cache import compiled_folder
from mirror.inference.pickle_scan import check_pickle
from mirror.model_folder import find_model
from tests.learners import LABELS, plain_pickle
from tests.support.pickles import a_list, call_of, four, legacy, made, short, stack_global, zipped

ROOT = Path(__file__).resolve().parents[2]
NOOP = stack_global("fastcore.basics", "noop")
TEXT = "exec(\"open('happened', 'w').close()\")"


def a_dict(**state: bytes) -> bytes:
    return b"}(" + b"".join(short(key) + value for key, value in state.items()) + b"u"


def a_tuple(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"


# A partial whose __annotations__ are text: typing.get_type_hints evaluates them
HINTED = (
    call_of(stack_global("functools", "partial"), NOOP)
    + a_tuple(NOOP, b")", b"}", a_dict(__annotations__=a_dict(x=short(TEXT))))
    + b"b"
)
METHOD = call_of(stack_global("types", "MethodType"), HINTED, b"K\x01")
TRANSFORM = stack_global("fasttransform.transform", "Transform")
EVALUATING = {
    "a transform of a method": call_of(TRANSFORM, METHOD),
    "a transform in place": call_of(stack_global("fasttransform.transform", "InplaceTransform"), METHOD),
    "a transform of fastai's": call_of(stack_global("fastai.data.transforms", "ToTensor"), METHOD),
    "a pipeline": call_of(stack_global("fasttransform.transform", "Pipeline"), a_list(METHOD)),
    "a loss": call_of(stack_global("fastai.losses", "BaseLoss"), NOOP, HINTED),
    "an instance": b"(" + METHOD + b"ifasttransform.transform\nTransform\n",
    "an object": b"(" + TRANSFORM + METHOD + b"o",
    "a function of plum's, resolved when it is called": made(
        "plum._function", "Function", _f=HINTED, _pending_registrations=a_list(a_tuple(HINTED, b"N", b"K\x00"))
    ),
    "a class with a signature of text": made("fastai.data.transforms", "ToTensor", __signature__=short(TEXT)),
    "a default factory": call_of(stack_global("collections", "defaultdict"), HINTED),
    "a fold": call_of(stack_global("functools", "reduce"), HINTED, a_list(b"K\x01", b"K\x02")),
    "a table that is queried": call_of(stack_global("pandas", "DataFrame"), short(TEXT)),
}


@pytest.mark.parametrize("container", [zipped, legacy], ids=["in an archive", "as before torch 1.6"])
@pytest.mark.parametrize("program", EVALUATING.values(), ids=EVALUATING)
def test_no_text_is_evaluated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: bytes, container) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.pkl").write_bytes(container(four(program)))
    try:
        assert isinstance(load(tmp_path / "a.pkl"), Part)
    except NotForAPickle:
        pass
    assert not (tmp_path / "happened").exists()


@pytest.mark.parametrize("old", ["ifasttransform.transform\nTransform\n.", "o."])
def test_objects_as_python_2_made_them_are_refused_by_reading(tmp_path: Path, old: str) -> None:
    begin = b"(" + TRANSFORM + METHOD if old == "o." else b"(" + METHOD
    (tmp_path / "a.pkl").write_bytes(zipped(b"\x80\x04" + begin + old.encode()))
    with pytest.raises(UnsupportedLearner, match="as Python 2 did"):
        check_pickle(tmp_path / "a.pkl")


def network(**state: bytes) -> bytes:
    return made("torch.nn.modules.container", "Sequential", **state)


RELU = made("torch.nn.modules.activation", "ReLU", inplace=b"\x89")
REFUSED = {
    "a network whose forward is another": network(forward=NOOP),
    "a network with a method of Python's": network(__call__=NOOP),
    "a network with globals": network(__globals__=b"}"),
    "a layer whose name is source text": network(_modules=b"}" + short('x"), open("happened", "w"), ("') + RELU + b"s"),
    "a layer that is none with such a name": network(_modules=b"}" + short('x"), open("happened"), ("') + b"Ns"),
    "a network made of something": call_of(stack_global("torch.nn.modules.linear", "Linear"), b"K\x01")[:-1] + b"\x81",
    "a changed class": stack_global("torch.nn.modules.linear", "Linear") + a_dict(forward=NOOP) + b"b",
    "a tensor of something else": call_of(
        stack_global("torch._utils", "_rebuild_tensor_v2"), b"K\x01", b"K\x00", b")", b")", b"\x89", b"N"
    ),
    "bytes of a size": call_of(stack_global("builtins", "bytes"), b"K\x09"),
}


@pytest.mark.parametrize("program", REFUSED.values(), ids=REFUSED)
def test_networks_hold_what_networks_hold(tmp_path: Path, program: bytes) -> None:
    (tmp_path / "a.pkl").write_bytes(zipped(four(program)))
    with pytest.raises(NotForAPickle):
        load(tmp_path / "a.pkl")


def test_classes_of_networks_and_functions_are_not_handed_out(tmp_path: Path) -> None:
    names = ("torch.nn.modules.linear", "Linear"), ("functools", "partial"), ("fastai.learner", "Learner")
    for module, name in names:
        (tmp_path / "a.pkl").write_bytes(zipped(four(stack_global(module, name))))
        found = load(tmp_path / "a.pkl")
        assert isinstance(found, Part) and not callable(found) and found.name == f"{module}.{name}"


def added_to(pickle_path: Path, program: bytes, target: Path) -> Path:
    """A learner's pickle that also does something else, and throws away what that gives."""
    with zipfile.ZipFile(pickle_path) as source, zipfile.ZipFile(target, "w") as out:
        for entry in source.infolist():
            body = source.read(entry)
            if entry.filename.endswith("data.pkl"):
                body = body[:2] + program + b"0" + body[2:]
            out.writestr(entry, body)
    return target


@pytest.mark.parametrize("spoil", ["cut short", "compressed", "not there"])
def test_weights_are_as_many_as_the_program_says(tmp_path: Path, spoil: str) -> None:
    with zipfile.ZipFile(plain_pickle()) as source, zipfile.ZipFile(tmp_path / "a.pkl", "w") as out:
        for entry in source.infolist():
            body, first = source.read(entry), entry.filename.endswith("/data/0")
            if first and spoil == "compressed":
                out.writestr(entry.filename, body, zipfile.ZIP_DEFLATED)
            elif not (first and spoil == "not there"):
                out.writestr(entry, body[:-4] if first and spoil == "cut short" else body)
    with pytest.raises((NotForAPickle, KeyError)):
        load(tmp_path / "a.pkl")


@pytest.mark.parametrize("name", ["a transform of a method", "a loss", "a pipeline"])
def test_a_constructor_of_fastais_is_called_by_no_learner(tmp_path: Path, name: str) -> None:
    path = added_to(plain_pickle(), EVALUATING[name], tmp_path / "a.pkl")
    with pytest.raises(UnsupportedLearner, match="calls fas.*, which no learner does, so it is not opened"):
        check_pickle(path)


def test_a_learner_with_an_evaluating_part_is_served_without_it(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    added = EVALUATING["a function of plum's, resolved when it is called"]
    path = added_to(plain_pickle(), added, tmp_path / "models" / "a.pkl")
    assert compiled_folder(find_model(path)).info.labels == LABELS
    assert not list(tmp_path.rglob("happened"))


def test_while_a_pickle_is_read_python_itself_refuses_the_rest() -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import os, subprocess, socket, ctypes\n"
        "from mirror.export.audit_hook import watch, OPENS, OPENED\n"
        "deeds = {'text': lambda: eval('1'), 'file': lambda: open(os.devnull), 'list': lambda: os.listdir('/'),\n"
        "    'module': lambda: __import__('no_such_module'), 'library': lambda: ctypes.CDLL(None),\n"
        "    'program': lambda: subprocess.Popen(['true']), 'shell': lambda: os.system('true'),\n"
        "    'connection': lambda: socket.socket().connect(('127.0.0.1', 9))}\n"
        "def tried():\n"
        "    found = []\n"
        "    for name, deed in deeds.items():\n"
        "        try: deed()\n"
        "        except PermissionError: found.append(name)\n"
        "        except (OSError, ImportError): pass\n"
        "    return found\n"
        "watch()\n"
        "told = [tried()]\n"
        "sys.audit(OPENS); told.append(tried()); sys.audit(OPENED); told.append(tried())\n"
        "print(told)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(ROOT)], capture_output=True, text=True, timeout=120)
    late = ["program", "shell", "connection"]
    every = ["text", "file", "list", "module", "library", *late]
    assert done.stdout.strip().splitlines()[-1:] == [str([[], every, late])], done.stderr


class OfOlderFastai:
    """A tensor as fastai wrote it until 2.6."""

    def __init__(self, tensor: torch.Tensor):
        self.tensor = tensor

    def __reduce__(self):
        build, arguments = self.tensor.__reduce_ex__(2)
        return _rebuild_from_type, (build, TensorBase, arguments, {})


def test_tensors_of_older_fastai_are_tensors(tmp_path: Path) -> None:
    torch.save([OfOlderFastai(torch.arange(6.0).reshape(2, 3))], tmp_path / "a.pkl")
    check_pickle(tmp_path / "a.pkl")
    (found,) = load(tmp_path / "a.pkl")
    assert torch.equal(found, torch.arange(6.0).reshape(2, 3))


def test_a_network_with_a_layer_of_its_own_script_is_refused_by_name(tmp_path: Path) -> None:
    layers = b"}(" + short("0") + RELU + short("1") + call_of(stack_global("my_layers", "Swish")) + b"u"
    learner = made("fastai.learner", "Learner", model=network(_modules=layers), loss_func=b"N", dls=b"N")
    (tmp_path / "a.pkl").write_bytes(zipped(four(learner)))
    check_pickle(tmp_path / "a.pkl")
    read = load(tmp_path / "a.pkl")
    assert isinstance(next(iter(_held_by(read.get("model")))), torch.nn.ReLU)
    assert [type(each).__name__ for each in _held_by(read.get("model"))] == ["ReLU", "Part"]
