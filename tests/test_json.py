"""JSON from elsewhere is read in one place: too large, too deep or broken, it ends in one sentence, never a traceback.

The kind: a file or an answer that somebody else wrote (a job's folder, downloads that wait, search pages, a model's
configuration) and that is parsed whole.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
from pathlib import Path

import pytest

from mirror import storage
from mirror.batch.checkpoint import JobStore
from mirror.cli import main
from mirror.collect.download import DownloadCache
from mirror.collect.search import SearchCache
from mirror.collect.search_types import SearchFilters
from mirror.errors import DatasetError, MirrorError, ModelUnavailable
from mirror.image_sources import ImageSource
from mirror.tasks.hub_models import locate
from tests.web.tiny import YELLOW, photo, tiny_model

REPOSITORY = Path(__file__).resolve().parents[1]
JOB = ".answers.csv.job"
NESTED = b'{"a":' * 100_000
BAD_JSON = {
    "deep objects": NESTED, "deep lists": b"[" * 100_000, "deep and closed": b"[" * 300 + b"]" * 300,
    "a long number": b"1" * 10_000, "cut short": b'{"a": ', "no text": b"\xff\xfe\x00", "nothing": b"",
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_JSON)
def test_json_from_elsewhere_that_is_wrong_is_a_value_error(name: str) -> None:
    with pytest.raises(ValueError):
        storage.parse_json(BAD_JSON[name])
    assert storage.parse_json(b'{"a": [1, {"b": null}]}') == {"a": [1, {"b": None}]}


def test_a_line_without_end_is_not_read_for_ever() -> None:
    assert list(storage.read_lines(io.BytesIO(b"ab\nc"), 3)) == [b"ab\n", b"c"]
    with pytest.raises(ValueError, match="longer than 3 bytes"):
        list(storage.read_lines(io.BytesIO(b"abc\n"), 3))


def test_all_json_that_is_not_this_process_s_own_is_read_in_one_place() -> None:
    """The class: a reader of its own, which a hundred thousand brackets or a sparse file end in a traceback."""
    told = {"decoding/worker.py", "export/compile_child.py", "inference/sandbox.py", "batch/ray_engine.py"}
    own = {"mirror/storage.py", *(f"mirror/{name}" for name in told)}  # what their parent process tells them
    readers = set()
    for path in (REPOSITORY / "mirror").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in ("load", "loads") and ast.unparse(node.value) == "json":
                readers.add(path.relative_to(REPOSITORY).as_posix())
            assert not (isinstance(node, ast.ImportFrom) and node.module == "json"), path
    assert readers <= own


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(40 << 30)


JOB_STATE = {"version": 1, "job": {}, "images": 1, "listing": "0"}


@pytest.mark.parametrize("body", [*BAD_JSON.values(), None, b'{"version": 1}', json.dumps(JOB_STATE).encode()])
def test_a_stranger_s_job_folder_ends_in_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: bytes | None
) -> None:
    tiny_model(tmp_path / "models")
    (tmp_path / "a.png").write_bytes(photo(YELLOW, format="PNG"))
    (tmp_path / JOB).mkdir()
    for name in ("job.json", "listing.jsonl", "rows.jsonl"):
        _sparse(tmp_path / JOB / name) if body is None else (tmp_path / JOB / name).write_bytes(body)
    monkeypatch.chdir(tmp_path)
    assert main(["predict", "a.png", "--out", "answers.csv"]) in (0, 1, 2)
    assert main(["predict", "a.png", "--out", "answers.csv", "--restart"]) == 0


@pytest.mark.parametrize("listing", [*BAD_JSON.values(), b"7\n", b"[1, 2]\n", None])
@pytest.mark.parametrize("rows", [*BAD_JSON.values(), b'{"file": "a.png", "probabilities": 7}\n', None])
def test_a_stranger_s_listing_and_rows_end_in_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listing: bytes | None, rows: bytes | None
) -> None:
    out = tmp_path / "answers.csv"
    with JobStore(out) as work:
        work.begin({}, [ImageSource("a.png", Path("a.png"))])
        for path, body in ((work.listing, listing), (work.rows, rows)):
            if body is not None:
                path.write_bytes(body)
        with contextlib.suppress(MirrorError):
            list(work.sources())
            work.checkpoint()


@pytest.mark.parametrize("body", [*BAD_JSON.values(), None, b'{"url": "http://h/a", "length": 0}\n', b"[]\n"])
def test_a_stranger_s_downloads_are_none(tmp_path: Path, body: bytes | None) -> None:
    cache = DownloadCache(tmp_path / ".incoming")
    (tmp_path / ".incoming" / "folder").mkdir(parents=True)
    path = cache._path("http://h/a")
    _sparse(path) if body is None else path.write_bytes(body)
    assert cache.get("http://h/a") is None
    cache.forget("http://h/a")
    cache._path("http://h/b").mkdir()
    cache.forget("http://h/b")
    cache.clear()
    assert not cache.folder.exists()


@pytest.mark.parametrize("body", BAD_JSON.values())
def test_a_stranger_s_search_pages_and_configuration_are_one_sentence(tmp_path: Path, body: bytes) -> None:
    (tmp_path / "hits.jsonl").write_bytes(body + b"\n")
    if body:
        with pytest.raises(DatasetError, match="is no search page"):
            SearchCache(tmp_path, SearchFilters())
    (tmp_path / "config.json").write_bytes(body)
    with pytest.raises(ModelUnavailable, match=r"config\.json of .* cannot be read"):
        locate(str(tmp_path))
