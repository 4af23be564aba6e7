"""A learner pickle read without running it: networks and numbers come to life, all else stays a description.

`load(path)` reads what `torch.save` wrote with an unpickler that calls nothing that the file names but CALLED, and
makes objects of no class but networks (`torch.nn.Module` of torch, torchvision, timm and fastai), which it fills
without their constructors. Anything else that is named is a `Part`: what it is called, what it would have been called
with, its state and its items. A Part does nothing, whatever it is named; `learner_parts.py` reads from it what serving
needs, and makes a new learner of that. So no constructor, transform, function or metric of the file ever runs.
"""

from __future__ import annotations

import importlib
import pickle
import re
import sys
import types
import warnings
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mirror.errors import UnsupportedLearner
from mirror.export.pickled_tensors import CALLED, NotForAPickle, Storages
from mirror.inference.pickle_allowlist import is_described, is_harmless, may_be_called
from mirror.inference.pickle_scan import Unreadable, is_archive, names_in, program_in

# Whose classes are networks. Not losses, nor what writes the names of a network into source text (torch.fx)
NETWORKS = re.compile(
    r"torch\.nn\.modules\.(?!loss\b)\w+|torchvision\.(models|ops)(\.(?!feature_extraction\b)\w+)*|"
    r"timm\.(layers|models)(\.(?!_features_fx\b)\w+)*|fastai\.layers|fastai\.vision\.(learner|models(\.\w+)*)"
)
FUNCTIONAL = (  # of torch.nn.functional, that networks keep and call
    "relu relu6 elu selu celu gelu silu mish sigmoid tanh hardswish hardsigmoid leaky_relu softplus softmax "
    "log_softmax normalize interpolate pad avg_pool2d max_pool2d adaptive_avg_pool2d adaptive_max_pool2d"
).split()
HOOKS = tuple(  # what networks call of their own before they answer, or are stored
    (f"torch.nn.utils.{module}_norm", name)
    for module, name in (
        ("weight", "WeightNorm"), ("spectral", "SpectralNorm"), ("spectral", "SpectralNormStateDictHook"),
        ("spectral", "SpectralNormLoadStateDictPreHook"),
    )
)  # fmt: skip
NOOP = (("fastai.imports", "noop"), ("fastai.torch_core", "noop"), ("fastcore.basics", "noop"))
OPENS, OPENED = "mirror.pickle.opens", "mirror.pickle.opened"  # events of sys.audit around the reading
NAME = re.compile(r"[\w-]{1,100}")  # of a part of a network: it may become source text where a network is exported
MAKERS = ("cloudpickle.cloudpickle._builtin_type",)  # what gives something that real learners call: code, methods
DROPPED = ("__annotations__", "__doc__", "__module__", "__signature__")  # that real networks keep, and no answer needs


@dataclass(eq=False)
class Part:
    """What a pickle names, as it stands there. name: of the class or function, or of what made it; called: whether it
    is what that gave; arguments, state, items: what it was given; kind: the class of networks that it names."""

    name: str
    kind: type | None = None
    called: bool = False
    arguments: tuple[Any, ...] = ()
    state: dict[str, Any] = field(default_factory=dict)
    items: list[Any] = field(default_factory=list)

    def get(self, name: str, otherwise: Any = None) -> Any:
        return self.state.get(name, otherwise)

    def append(self, item: Any) -> None:
        self.items.append(item)

    def extend(self, items: Iterable[Any]) -> None:
        self.items.extend(items)

    def add(self, item: Any) -> None:
        self.items.append(item)

    def __setitem__(self, key: Any, value: Any) -> None:
        self.items.append((key, value))


def load(path: Path) -> Any:
    """What a learner pickle holds: a network, a number, or a Part. Raises NotForAPickle, or whatever torch.load
    raises."""
    import fastai.vision.all  # noqa: F401  # and all networks that it names, before a hook of sys.audit looks closer
    import torch

    try:
        for named in names_in(path):
            if is_harmless(named.module, named.name):
                _network(named.module, named.name)
    except Unreadable as error:
        raise NotForAPickle(f"it {error}") from None
    with open(path, "rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls its own types of storages outdated
        if not is_archive(file):
            return torch.load(path, map_location="cpu", weights_only=False, pickle_module=_Module)
        with zipfile.ZipFile(file) as archive:
            program, folder = program_in(archive)
            unpickler = Unpickler(program, encoding="utf-8")
            unpickler.weights = Storages(archive, folder)
            return unpickler.load()


def noop(x: Any = None, *_: Any, **__: Any) -> Any:
    """fastai's."""
    return x


class Unpickler(pickle._Unpickler):  # type: ignore[name-defined, misc]  # the one in Python: C's calls what it finds
    dispatch = dict(pickle._Unpickler.dispatch)  # type: ignore[attr-defined]
    stack: list[Any]
    weights: Storages | None = None
    _step: Any

    def find_class(self, module: str, name: str) -> Any:
        whole = f"{module.replace('__builtin__', 'builtins')}.{name}"
        if not is_harmless(module, name):
            if is_described(module, name):
                return Part(whole)
            raise NotForAPickle(f"it names {module}.{name}, which no learner needs")
        alive = _alive(module, name)
        return alive if alive is not None else Part(whole, _network(module, name))

    def persistent_load(self, name: Any) -> Any:  # before torch 1.6, torch puts its own in this place
        if self.weights is None:
            raise NotForAPickle("it names weights, and has none")
        return self.weights.find(name)

    def load(self) -> Any:
        sys.audit(OPENS)
        try:
            return super().load()
        finally:
            sys.audit(OPENED)

    def get_extension(self, code: int) -> Any:
        raise NotForAPickle("it names things by numbers of its own")

    def _refuse(self) -> None:
        raise NotForAPickle("it makes an object as Python 2 did")

    def _reduce(self) -> None:
        arguments = self.stack.pop()
        self.stack[-1] = _call(self.stack[-1], arguments)

    def _new(self) -> None:
        arguments = self.stack.pop()
        self.stack[-1] = _make(self.stack[-1], arguments)

    def _new_with_names(self) -> None:
        names, arguments = self.stack.pop(), self.stack.pop()
        self.stack[-1] = _make(self.stack[-1], (*arguments, *names.items()))

    def _build(self) -> None:
        state = self.stack.pop()
        _fill(self.stack[-1], state)

    for _opcode, _step in {
        pickle.REDUCE: _reduce, pickle.NEWOBJ: _new, pickle.NEWOBJ_EX: _new_with_names, pickle.BUILD: _build,
        pickle.INST: _refuse, pickle.OBJ: _refuse, pickle.EXT1: get_extension, pickle.EXT2: get_extension,
        pickle.EXT4: get_extension, pickle.NEXT_BUFFER: _refuse,
    }.items():  # fmt: skip
        dispatch[_opcode[0]] = _step  # type: ignore[assignment]


class _Module:
    """What torch.load takes for the module `pickle`."""

    Unpickler = Unpickler
    UnpicklingError = pickle.UnpicklingError

    @staticmethod
    def load(file: Any, **settings: Any) -> Any:
        return Unpickler(file, **settings).load()


def _alive(module: str, name: str) -> Any:
    """The class or function itself, where networks need it; None where a Part of that name does."""
    if (module, name) in NOOP:
        return noop
    if module == "torch.nn.functional" and name in FUNCTIONAL:
        return getattr(importlib.import_module(module), name)
    if module in ("torch", "torch.storage"):
        import torch

        found = getattr(torch, name, None)
        return found if isinstance(found, torch.dtype) or name.endswith("Storage") else None
    return None


def _network(module: str, name: str) -> type | None:
    """The class of networks, or of what works on their weights; None where it is none."""
    hook = (module, name) in HOOKS
    if name == "Debugger" or not (hook or NETWORKS.fullmatch(module)):  # fastai's, which stops where it is called
        return None
    from torch.nn import Module

    found = getattr(importlib.import_module(module), name, None)
    if not isinstance(found, type) or found.__new__ is not object.__new__ or found.__module__ != module:
        return None
    return found if hook or issubclass(found, Module) else None


def _call(function: Any, arguments: Any) -> Any:
    if not isinstance(function, Part) or (function.called and function.name not in MAKERS):
        raise NotForAPickle(f"it calls a {_name_of(function)} that it made")
    if not may_be_called(function.name):
        raise NotForAPickle(f"it calls {function.name}, which no learner does")
    known = None if function.called else CALLED.get(function.name)
    try:
        return known(*arguments) if known else Part(function.name, called=True, arguments=tuple(arguments))
    except (TypeError, ValueError, RuntimeError) as error:
        raise NotForAPickle(f"it calls {function.name} with something else than its own arguments") from error


def _make(named: Any, arguments: tuple[Any, ...]) -> Any:
    """What NEWOBJ does: an object without its constructor."""
    if not isinstance(named, Part) or named.called or named.kind is None:
        return Part(_name_of(named), called=True, arguments=tuple(arguments))
    if arguments:
        raise NotForAPickle(f"it makes a {named.name} of something")
    return object.__new__(named.kind)


def _fill(made: Any, state: Any) -> None:
    """What BUILD does: an object gets its attributes. Raises NotForAPickle for what is none of a learner's."""
    if isinstance(made, Part):
        if not made.called:
            raise NotForAPickle(f"it changes {made.name}")
        both = state if isinstance(state, tuple) and len(state) == 2 else (state,)
        if all(isinstance(each, dict | None) for each in both):
            for each in both:
                made.state.update(each or {})
        else:
            made.arguments = (*made.arguments, state)
        return
    kind = type(made)
    if not ((kind.__module__, kind.__name__) in HOOKS or _is_network(made)) or not isinstance(state, dict):
        raise NotForAPickle(f"it changes a {kind.__name__}")
    state = {name: value for name, value in state.items() if name not in DROPPED}
    for name in (*state, *(key for held in state for key in _names(held, state[held]))):
        if not isinstance(name, str) or not NAME.fullmatch(name) or name.startswith("__"):
            raise NotForAPickle(f"a part of its {kind.__name__} is called {str(name)[:60]!r}")
    covered = [name for name in state if isinstance(getattr(kind, name, None), types.FunctionType | property)]
    if covered:
        raise NotForAPickle(f"it replaces {covered[0][:60]} of a {kind.__name__}")
    if hasattr(kind, "__setstate__"):
        kind.__setstate__(made, state)
    else:
        vars(made).update(state)


def _names(attribute: str, held: Any) -> list[Any]:
    """The names under which an attribute of a network keeps what the network is made of: layers, weights."""
    import torch

    whole = attribute in ("_modules", "_parameters", "_buffers")
    parts = held.items() if isinstance(held, dict) else ()
    return [name for name, value in parts if whole or isinstance(value, torch.Tensor | torch.nn.Module)]


def _is_network(made: Any) -> bool:
    from torch.nn import Module

    return isinstance(made, Module)


def _name_of(made: Any) -> str:
    return made.name if isinstance(made, Part) else f"{getattr(made, '__module__', '')}.{type(made).__name__}"


def refused(path: Path, error: BaseException) -> UnsupportedLearner | None:
    """The sentence for NotForAPickle among an error's causes; None where there is none."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, NotForAPickle):
            return UnsupportedLearner(
                f"{path} was not opened: {seen}; a pickle is a program: if it is your own, run it all the same with "
                "`python -m mirror compile --trust FILE`.",
                "not a learner",
            )
        seen = seen.__cause__ or seen.__context__
    return None
