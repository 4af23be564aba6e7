"""The names of functions and classes that learner pickles may hold: what fastai's learners are made of.

Names of fastai, torch, torchvision, timm, pandas and their helpers count only where the installed library's own source
defines them: `fastai.torch_core.os` is not one of them. That a name may be held does not say that it is called:
`export/restricted_unpickler.py` calls and makes far less.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from functools import cache
from pathlib import Path

# module → names. What is not defined in Python source, or of which little is harmless
EXACT = {
    "builtins": "object print set frozenset list dict tuple bytes bytearray str int float complex bool slice range "
    "getattr type Ellipsis",
    "collections": "OrderedDict defaultdict Counter deque",
    "functools": "partial reduce",
    "_operator": "or_ and_ add mul sub itemgetter getitem",
    "operator": "or_ and_ add mul sub itemgetter",
    "collections.abc": "Callable",
    "_abcoll": "Callable _CallableGenericAlias",
    "_collections_abc": "Callable _CallableGenericAlias",
    "inspect": "Parameter Signature _ParameterKind _empty",
    "pathlib": "Path PosixPath PurePath PurePosixPath WindowsPath PureWindowsPath",
    "pathlib._local": "Path PosixPath PurePath PurePosixPath WindowsPath PureWindowsPath",
    "random": "Random",
    "typing": "Any Union Optional Callable List Dict Tuple Sequence Iterable Type",
    "types": "NoneType MethodType SimpleNamespace",
    "datetime": "datetime date time timedelta timezone",
    "_codecs": "encode",
    "copyreg": "_reconstructor __newobj__",
    "copy_reg": "_reconstructor __newobj__",
    "re": "_compile",
    "uuid": "UUID",
    "PIL.Image": "Image Resampling Transpose",
    "cloudpickle.cloudpickle": "_builtin_type _make_function _function_setstate _make_empty_cell _make_cell subimport",
    "numpy": "ndarray dtype float16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool_ str_ "
    "less greater",
    "numpy._core.multiarray": "scalar _reconstruct",
    "numpy.core.multiarray": "scalar _reconstruct",
    "numpy._core.numeric": "_frombuffer",
    "numpy.core.numeric": "_frombuffer",
    "torch": "Tensor device Size Generator float16 float32 float64 bfloat16 int8 int16 int32 int64 uint8 bool",
    "torch._utils": "_rebuild_parameter _rebuild_tensor _rebuild_tensor_v2 _rebuild_parameter_with_state",
    "torch._tensor": "_rebuild_from_type_v2",
    "torch.amp.autocast_mode": "autocast",
    "torch.cuda.amp.autocast_mode": "autocast",  # of to_fp16() until fastai 2.4
    "torch.storage": "TypedStorage UntypedStorage",
    "torch.distributions.beta": "Beta",
    "torch.distributions.dirichlet": "Dirichlet",
    "torch.nn.parameter": "Parameter Buffer UninitializedParameter",
    "fastcore.basics": "_using_attr fastuple merge noop noops ifnone risinstance",
    "fastcore.foundation": "L",
    "fastai.imports": "noop noops",
    "pandas": "Series DataFrame Index RangeIndex Categorical StringDtype CategoricalDtype Timestamp",
    "pandas._libs.internals": "_unpickle_block",
    "pandas._libs.arrays": "__pyx_unpickle_NDArrayBacked",
    "pandas.core.indexes.base": "Index _new_Index",
    "pandas._libs.tslibs.timestamps": "Timestamp _unpickle_timestamp",
    "pyarrow.lib": "_restore_array type_for_alias py_buffer chunked_array ChunkedArray StringArray LargeStringArray",
}
# Classes that the source of such a module defines (names with a capital letter). Not those that write a network's own
# names into source text and run it (torch.fx, behind feature_extraction and _features_fx)
CLASSES = (
    r"fastai\.(learner|losses|metrics|optimizer|torch_core|layers|interpret)",
    r"fastai\.data\.(core|load|transforms|block)",
    r"fastai\.vision\.(core|augment|data|learner|models(\.\w+)*)",
    r"fastai\.callback\.(core|progress|schedule|hook|fp16|mixup|tracker|training|data|channelslast|preds)",
    r"fastcore\.(dispatch|transform)", r"fasttransform\.\w+", r"plum\._(function|method|resolver|signature|util)",
    r"torch\.nn\.modules(\.\w+)+", r"torch\.nn\.utils(\.\w+)+", r"torch\.optim(\.\w+)+", r"torch\.(cuda\.)?amp(\.\w+)*",
    r"torchvision\.(models|ops|transforms)(\.(?!feature_extraction\b)\w+)*",
    r"timm\.(layers|models)(\.(?!_features_fx\b)\w+)*",
    r"pandas\.core\.(series|frame|internals\.\w+|indexes\.\w+|arrays\.\w+|dtypes\.dtypes)",
)  # fmt: skip
# Functions that the source of such a module defines
FUNCTIONS = (
    r"fastai\.(metrics|losses|layers|optimizer|torch_core)", r"fastai\.data\.(load|transforms)",
    r"fastai\.vision\.(core|augment|learner)", r"fastai\.vision\.models(\.\w+)*", r"torch\.nn\.(functional|init)",
    r"torchvision\.models(\.(?!feature_extraction\b)\w+)*",
)  # fmt: skip
# … unless their names say that they read, write, fetch or run something
ACTING = re.compile(
    r"load(?!er)|save|open|write|read|run|exec|eval|import|module|download|url|request|pickle|delete|remove|command|"
    r"system|hub|compile|script|export|dump|socket|thread|process|subproc|path|file|copy|move|env|annotations"
)
HARMLESS = ("default_split", "load_image", "get_image_files")  # acting by their names only
_STORAGE = re.compile(r"[A-Z][A-Za-z0-9]*Storage")
_CLASS, _FUNCTION = re.compile("|".join(CLASSES)), re.compile("|".join(FUNCTIONS))
# Whose names count where they are not installed, as on a page without torch, as they do where they are
LIBRARIES_OF_LEARNERS = (
    "fastai", "fastcore", "fasttransform", "plum", "torch", "torchvision", "timm", "pandas", "numpy",
)  # fmt: skip
LIBRARIES = ("fastai.", "fastcore.", "fasttransform.")
CALLED_OF_FASTAI = (
    "fastai.torch_core._fa_rebuild_",
    "fastai.torch_core._rebuild_from_type",  # tensors; the second until fastai 2.6
    "fastai.callback.fp16.AMPMode",  # an enumeration
)
OWN = ("__main__", "__mp_main__")  # what the script defined that made the pickle
GETATTR = (("builtins", "getattr"), ("__builtin__", "getattr"))
OLDER = {"__builtin__": "builtins"}  # as protocol 2 names it
OLDER_NAMES = {"long": "int", "unicode": "str", "xrange": "range"}


def may_be_named(module: str, name: str) -> bool:
    """Whether a pickle may name it at all."""
    return is_harmless(module, name) or is_described(module, name)


def is_harmless(module: str, name: str) -> bool:
    """Whether a pickle may name it as what it is here."""
    module = OLDER.get(module, module)
    if module == "builtins":
        name = OLDER_NAMES.get(name, name)
    if (module, name) == ("builtins", "reduce"):  # as protocol 2 has functools.reduce
        return True
    if "." in name:  # an attribute of something: pickles of fastai take them by getattr, which is guarded
        return False
    if name in EXACT.get(module, "").split():
        return True
    if module in ("torch", "torch.storage") and _STORAGE.fullmatch(name):
        return True
    bare = name.lstrip("_")
    if bare[:1].isupper():
        return bool(_CLASS.fullmatch(module)) and _defines(module, name)
    if _acts(name):
        return False
    return bool(_FUNCTION.fullmatch(module)) and _defines(module, name)


def _acts(name: str) -> bool:
    """Whether a function's name says that it does more than to compute."""
    return name.startswith("__") or bool(ACTING.search(name) and name not in HARMLESS)


def may_be_called(name: str) -> bool:
    """Whether a pickle may call it. fastai's objects are made without their constructors, which look at what they are
    given: some evaluate text that they find there."""
    return not name.startswith((*LIBRARIES, "plum.")) or name.startswith(CALLED_OF_FASTAI)


def is_described(module: str, name: str) -> bool:
    """Whether a pickle may name it though it is nothing on this machine: what its own training script defined, what a
    package has that is not installed here, a class that another version of a library had. The reading makes a
    description of it, which does nothing; where answering needs it, `learner_parts.py` refuses the learner."""
    package = module.split(".")[0]
    if not name.isidentifier() or not module.replace(".", "_").isidentifier():
        return False
    if module in OWN:
        return True
    if package in sys.stdlib_module_names or package in OLDER:
        return False
    if is_older(module, name) or is_installed(package):
        return is_older(module, name)
    return package not in LIBRARIES_OF_LEARNERS or bool(_FUNCTION.fullmatch(module) and not _acts(name))


def is_older(module: str, name: str) -> bool:
    """Whether another version of the library may have defined it there, and this one has no such thing."""
    known = bool(_CLASS.fullmatch(module)) and name.lstrip("_")[:1].isupper() and name.isidentifier()
    return known and not _mentions(module, name)


def is_installed(package: str) -> bool:
    try:
        return bool(package) and package.isidentifier() and importlib.util.find_spec(package) is not None
    except (ImportError, ValueError):
        return False


def _mentions(module: str, name: str) -> bool:
    """Whether the module's source has the name at all: what it imports is not its own."""
    return bool(re.search(rf"\b{re.escape(name)}\b", source_of(module)))


def _defines(module: str, name: str) -> bool:
    """Whether the module's own source defines the class or function."""
    source = source_of(module)
    return name.isidentifier() and bool(re.search(rf"^(class|def)[ \t]+{name}\b", source, re.MULTILINE))


@cache
def source_of(module: str) -> str:
    """The source of a module of an installed package, which is not imported; "" where there is none."""
    package, *rest = module.split(".")
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return ""
    for place in (spec.submodule_search_locations or ()) if spec else ():
        for path in (Path(place, *rest).with_suffix(".py") if rest else None, Path(place, *rest, "__init__.py")):
            if path is not None and path.is_file():
                return path.read_text(encoding="utf-8")
    return ""


def is_part(name: str) -> bool:
    """Whether a pickle may take the attribute of one of fastai's objects."""
    return bool(re.fullmatch(r"[a-z]\w*", name)) and "__" not in name and not ACTING.search(name)
