"""A learner pickle opened without leave to run anything but what a learner needs.

`load(path)` is `torch.load` with an unpickler that asks `inference/pickle_file.is_harmless` for every name at the
moment when it is looked up, whatever a reader of the file thought before. What applies other things is guarded:
`getattr` takes named parts of fastai's own objects, and a function that the pickle brings as code (cloudpickle does
that with a notebook's) becomes one that refuses to be called, unless it is word for word one of the library's.
Labelling functions are such; no answer needs them.
"""

from __future__ import annotations

import contextlib
import pickle
import types
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from mirror.errors import UnsupportedLearner
from mirror.inference.pickle_scan import LIBRARIES, is_brought, is_harmless, is_part, own_code

MODULES = ("torch", "io", "PIL", "PIL.Image", "numpy", "random", "math", "re", "collections", "inspect")
# Modules whose objects do things when they are called or a method of theirs is: fetch attributes, tell others, write
ACTORS = ("fastcore.", "fastai.callback.", "fastai.learner.")
WRITERS = {  # callbacks that write files while a learner learns; no answer needs them
    "fastai.callback.core": ("GatherPredsCallback",), "fastai.callback.progress": ("CSVLogger",),
    "fastai.callback.schedule": ("LRFinder",), "fastai.callback.tracker": ("SaveModelCallback",),
}  # fmt: skip
COMPARED = (
    "co_argcount", "co_posonlyargcount", "co_kwonlyargcount", "co_flags", "co_code", "co_names", "co_varnames",
    "co_freevars", "co_cellvars", "co_stacksize", "co_exceptiontable",
)  # fmt: skip


class NotForAPickle(pickle.UnpicklingError):
    """Something that a pickle may not do; says what."""


def load(path: Path) -> Any:
    """What a learner pickle holds. Raises NotForAPickle, or whatever torch.load raises."""
    import torch

    with _silenced():
        return torch.load(path, map_location="cpu", weights_only=False, pickle_module=_Module)


@contextlib.contextmanager
def _silenced() -> Iterator[None]:
    """Within it no callback, learner, transform or module can be called: such calls run methods of what they are given.
    Nothing is called of a learner until it is whole."""
    from fastai.callback.core import Callback
    from fastai.learner import Learner
    from fasttransform import Pipeline, Transform
    from torch.nn import Module

    def refuse(self: Any, *_: Any, **__: Any) -> Any:
        raise NotForAPickle(f"it calls a {type(self).__name__}")

    before: list[tuple[Any, Any]] = [(kind, kind.__call__) for kind in (Callback, Learner, Transform, Pipeline, Module)]
    for kind, _ in before:
        kind.__call__ = refuse
    try:
        yield
    finally:
        for kind, call in before:
            kind.__call__ = call


class Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if not is_harmless(module, name):
            raise NotForAPickle(f"it names {module}.{name}, which no learner needs")
        if name in WRITERS.get(module, ()):
            return _still(module, name)
        guarded = GUARDED.get((module, name))
        return guarded if guarded is not None else super().find_class(module, name)

    def get_extension(self, code: int) -> Any:
        raise NotForAPickle("it names things by numbers of its own")


@cache
def _still(module: str, name: str) -> type:
    """A callback of that name that keeps what it is given, and does nothing."""
    from fastai.callback.core import Callback

    def __init__(self: Any, *_: Any, **__: Any) -> None:
        pass

    return type(name, (Callback,), {"__module__": __name__, "__init__": __init__})


class _Module:
    """What torch.load takes for the module `pickle`."""

    Unpickler = Unpickler
    UnpicklingError = pickle.UnpicklingError

    @staticmethod
    def load(file: Any, **settings: Any) -> Any:
        return Unpickler(file, **settings).load()


def part_of(thing: Any, name: str) -> Any:
    """`getattr`, of fastai's objects and classes, by a public name that says nothing of reading, writing or running.

    Only what a class of the library defines: many of fastai's objects pass on what they lack to others that they hold.
    """
    kind = thing if isinstance(thing, type) else type(thing)
    if not isinstance(name, str) or not is_part(name):
        raise NotForAPickle(f"it takes {str(name)[:60]!r} of a {kind.__name__}")
    if not f"{kind.__module__}.".startswith(LIBRARIES):
        raise NotForAPickle(f"it takes parts of a {kind.__module__}.{kind.__name__}")
    owner = next((each for each in kind.__mro__ if name in vars(each)), None)
    if owner is None or not f"{owner.__module__}.".startswith(LIBRARIES) or f"{owner.__module__}.".startswith(ACTORS):
        raise NotForAPickle(f"it takes {name[:60]!r} of a {kind.__name__}")
    return getattr(thing, name)


class Code:
    """The arguments of types.CodeType, which is not called: code of a stranger's could do anything."""

    def __init__(self, *arguments: Any):
        self.arguments = arguments
        names = [each for each in arguments if isinstance(each, str)]  # file name, name, qualified name
        self.name = names[1] if len(names) > 1 else "?"

    def of_library(self, module: str) -> types.CodeType | None:
        """The library's own code object that this is, where it is one."""
        try:
            given = types.CodeType(*self.arguments) if not self._nested() else None
        except (TypeError, ValueError):
            return None
        for own in own_code(module):
            if given is not None and own.co_name == given.co_name and _same(own, given) and is_brought(own):
                return own
        return None

    def _nested(self) -> bool:
        """Code inside code is compared with nothing, and so is not the library's."""
        return any(isinstance(each, Code) for part in self.arguments if isinstance(part, tuple) for each in part)


def _same(one: types.CodeType, other: types.CodeType) -> bool:
    same = all(getattr(one, name) == getattr(other, name) for name in COMPARED)
    return same and repr(one.co_consts) == repr(other.co_consts)


class Unrun:
    """A function that the pickle brings as code: it can be kept, named and pickled again, but not called."""

    def __init__(self, name: str):
        self.__name__ = self.__qualname__ = name

    def __call__(self, *_: Any, **__: Any) -> Any:
        raise NotForAPickle(f"it needs its own function {self.__name__} to be run")

    def __get__(self, *_: Any) -> Any:
        return self


def make_function(code: Any, base_globals: Any, name: Any = None, argdefs: Any = None, closure: Any = None) -> Any:
    """cloudpickle's `_make_function`: a function where the code is the library's own, else one that is not run."""
    if not isinstance(code, Code):
        raise NotForAPickle("it makes a function of something else than code")
    module = str(base_globals.get("__name__", "")) if isinstance(base_globals, dict) else ""
    own = code.of_library(module)
    if own is None:
        return Unrun(code.name)
    return types.FunctionType(own, {"__builtins__": __builtins__, "__name__": module}, name, argdefs, closure)


def function_setstate(function: Any, state: Any) -> None:
    """cloudpickle's, for what `make_function` gave."""
    if isinstance(function, Unrun):
        return
    if not isinstance(function, types.FunctionType):
        raise NotForAPickle("it changes something that is no function")
    own, more = state
    for name in ("__builtins__", "__name__"):
        more.get("__globals__", {}).pop(name, None)
    function.__globals__.update(more.get("__globals__", {}))
    if isinstance(more.get("__defaults__"), tuple | None):
        function.__defaults__ = more.get("__defaults__")
    if isinstance(more.get("__kwdefaults__"), dict | None):
        function.__kwdefaults__ = more.get("__kwdefaults__")
    for name in ("__name__", "__qualname__", "__module__", "__doc__", "__annotations__"):
        if name in more:
            setattr(function, name, more[name])
    function.__dict__.update({name: value for name, value in own.items() if not name.startswith("__")})


def builtin_type(name: str) -> Any:
    """cloudpickle's, for methods and code."""
    found = {"MethodType": types.MethodType, "CodeType": Code, "NoneType": type(None)}.get(name)
    if found is None:
        raise NotForAPickle(f"it takes the type {str(name)[:60]}")
    return found


def submodule(name: str) -> Any:
    """cloudpickle's `subimport`, for what the library's own functions refer to."""
    import importlib

    if name not in MODULES:
        raise NotForAPickle(f"it imports {str(name)[:60]}")
    return importlib.import_module(name)


def encode(text: Any, encoding: str = "latin1", *_: Any) -> bytes:
    """`_codecs.encode`, as protocol 2 writes bytes down."""
    if encoding not in ("latin1", "utf-8", "ascii") or not isinstance(text, str):
        raise NotForAPickle("it encodes something as something else")
    return text.encode(encoding)


GUARDED = {
    ("builtins", "getattr"): part_of, ("__builtin__", "getattr"): part_of, ("_codecs", "encode"): encode,
    ("cloudpickle.cloudpickle", "_make_function"): make_function,
    ("cloudpickle.cloudpickle", "_function_setstate"): function_setstate,
    ("cloudpickle.cloudpickle", "_builtin_type"): builtin_type,
    ("cloudpickle.cloudpickle", "subimport"): submodule,
}  # fmt: skip


def refused(path: Path, error: BaseException) -> UnsupportedLearner | None:
    """The sentence for NotForAPickle among an error's causes; None where there is none."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, NotForAPickle):
            return UnsupportedLearner(
                f"{path} was not opened: {seen}; a pickle is a program: if it is your own, run it all the same with "
                "`python -m mirror compile --trust FILE`."
            )
        seen = seen.__cause__ or seen.__context__
    return None
