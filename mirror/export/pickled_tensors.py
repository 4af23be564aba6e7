"""The numbers of a learner pickle: what it may call, which puts tensors together, and the weights beside it."""

from __future__ import annotations

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


class NotForAPickle(pickle.UnpicklingError):
    """Something that a pickle may not do; says what."""


@dataclass
class Storages:
    """The weights in torch's archive, each read once, by the archive's own list of files: torch's reader of archives
    would also take TorchScript, which is a program, and may read the list otherwise than who looked at it before."""

    archive: zipfile.ZipFile
    folder: str
    known: dict[str, Any] = field(default_factory=dict)

    def find(self, name: Any) -> Any:
        """`name`: ("storage", its type, key, device, count). Raises NotForAPickle."""
        import torch

        kind, storage, key, _, count = name if isinstance(name, tuple) and len(name) == 5 else (None,) * 5
        dtype = torch.uint8 if storage is torch.UntypedStorage else getattr(storage, "dtype", None)
        if (
            kind != "storage"
            or not isinstance(key, str)
            or not isinstance(count, int)
            or not isinstance(dtype, torch.dtype)
        ):
            raise NotForAPickle("it names weights as torch does not")
        if key not in self.known:
            entry = self.archive.getinfo(f"{self.folder}/data/{key}")
            if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != count * dtype.itemsize:
                raise NotForAPickle("its weights are not as many as it says")
            data = bytearray(self.archive.read(entry))
            whole = torch.frombuffer(data, dtype=torch.uint8).untyped_storage() if data else torch.UntypedStorage(0)
            self.known[key] = torch.storage.TypedStorage(wrap_storage=whole, dtype=dtype, _internal=True)
        return self.known[key]


def _ordered(*pairs: Any) -> OrderedDict[Any, Any]:
    return OrderedDict(*(list(each) for each in pairs[:1]))


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """`_codecs.encode`, as protocol 2 writes bytes down."""
    if encoding not in ("latin1", "utf-8", "ascii") or not isinstance(text, str):
        raise NotForAPickle("it encodes something as something else")
    return text.encode(encoding)


def _bytes(*given: Any) -> bytes:
    if given:
        raise NotForAPickle("it makes bytes of something else")
    return b""


def _tensor(storage: Any, offset: int, size: Any, stride: Any, *_: Any) -> Any:
    """A tensor over a storage, without hooks, attributes or a class of its own. Raises NotForAPickle."""
    import torch

    whole = all(type(side) is int and side >= 0 for side in (offset, *size, *stride)) and len(size) == len(stride)
    last = offset + sum((side - 1) * step for side, step in zip(size, stride, strict=True)) if whole else 0
    if not isinstance(storage, torch.storage.TypedStorage) or not whole or (all(size) and last >= storage._size()):
        raise NotForAPickle("it makes a tensor of something else than its numbers")
    return torch.empty(0, dtype=storage.dtype).set_(storage._untyped_storage, offset, tuple(size), tuple(stride))


def _typed_tensor(_: Any, __: Any, arguments: tuple[Any, ...], ___: Any) -> Any:
    return _tensor(*arguments)


def _fastai_tensor(_: Any, *arguments: Any) -> Any:
    return _tensor(*arguments)


def _parameter(data: Any, requires_grad: Any = True, *_: Any) -> Any:
    import torch

    if not isinstance(data, torch.Tensor):
        raise NotForAPickle("it makes a parameter of something else than a tensor")
    return torch.nn.Parameter(data.detach(), bool(requires_grad) and data.is_floating_point())


def _size(sides: Any = ()) -> tuple[Any, ...]:
    return tuple(sides)


CALLED: dict[str, Callable[..., Any]] = {  # the name that a pickle calls → what is called
    "collections.OrderedDict": _ordered, "_codecs.encode": _encode, "builtins.bytes": _bytes,
    "builtins.set": set, "builtins.frozenset": frozenset, "builtins.list": list, "builtins.tuple": tuple,
    "torch.Size": _size, "torch._utils._rebuild_tensor_v2": _tensor, "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_parameter": _parameter, "torch._tensor._rebuild_from_type_v2": _typed_tensor,
    "fastai.torch_core._fa_rebuild_tensor": _fastai_tensor, "fastai.torch_core._rebuild_from_type": _typed_tensor,
}  # fmt: skip
