"""gradio imported lean: the same gradio, without the work and the packages that the page has no use for."""

from __future__ import annotations

import subprocess
import sys

from gradio_client import Client, handle_file

from tests.support.limits import LIMIT
from tests.web.serving import REPOSITORY, environment, serve
from tests.web.tiny import YELLOW, photo, tiny_model


def told(code: str) -> str:
    """What a fresh process says that runs this."""
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, env=environment(), capture_output=True, text=True, timeout=LIMIT
    )
    assert (run.returncode, run.stderr) == (0, "")
    return run.stdout.strip()


def test_its_components_are_whole_and_their_source_is_not_parsed():
    code = (
        "import ast, sys; parse, parsed = ast.parse, [];"
        "ast.parse = lambda source, *a, **k: (parsed.append(1), parse(source, *a, **k))[1];"
        "from mirror.web.gradio_patches import import_gradio; gradio = import_gradio();"
        "label = gradio.Label(value={'a': 1.0});"
        "print(len(parsed) < 10, callable(label.change), gradio is import_gradio(), len(sys.meta_path))"
    )
    assert told("import sys; print(len(sys.meta_path))") in told(code)
    assert told(code).startswith("True True True")


def test_nothing_is_hidden_from_anyone():
    """pandas looks for pyarrow once, while gradio imports it: it must be told the truth, for the process's life."""
    code = (
        "from mirror.web.gradio_patches import import_gradio; import_gradio();"
        "import pandas; print(str(pandas.Series(['a'], dtype='string[pyarrow]')[0]))"
    )
    assert told(code) == "a"


def test_a_page_has_one_application_and_it_is_the_launched_one():
    code = (
        "from mirror.web.gradio_patches import import_gradio; gradio = import_gradio();"
        "import fastapi, mirror.web.gradio_blocks as blocks; made = [];"
        "begin = gradio.routes.App.__init__;"
        "gradio.routes.App.__init__ = lambda *a, **k: (made.append(1), begin(*a, **k))[1];\n"
        "with blocks.VisitedBlocks() as page: gradio.Textbox()\n"
        "page.queue(max_size=3); before = len(made); page.launch(prevent_thread_lock=True, quiet=True);"
        "print(before, len(made), len(page.app.routes) > 5); page.close(verbose=False)"
    )
    assert told(code) == "0 1 True"


def test_what_is_there_already_is_left_alone():
    code = (
        "import pyarrow, gradio; from mirror.web.gradio_patches import import_gradio;"
        "import sys; print(import_gradio() is gradio, sys.modules['pyarrow'] is pyarrow)"
    )
    assert told(code) == "True True"


def test_answering_imports_no_plots(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(photo(YELLOW))
    tiny_model(tmp_path / "models")
    with serve("--models", str(tmp_path / "models"), python=("-X", "importtime")) as page:
        client = Client(page.url, verbose=False)
        for _ in range(3):
            assert client.predict(handle_file(tmp_path / "photo.jpg"), api_name="/predict")["label"] == "duckling"
        client.predict(handle_file(tmp_path / "photo.jpg"), api_name="/explain")
        imported = {line.rpartition("|")[2].strip() for line in page.log().splitlines() if "|" in line}
    assert {"gradio", "onnxruntime"} <= imported
    assert "mirror.inference.grad_cam" in imported
    assert imported.isdisjoint({"matplotlib", "matplotlib.pyplot", "torch", "onnx", "captum"})


def test_a_visitor_leaves_no_copy_of_the_page_and_nothing_of_what_they_sent(tmp_path):
    """gradio keeps both for its deep links, for each of 10,000 visitors (12 ms and the photo's answer each)."""
    (tmp_path / "photo.jpg").write_bytes(photo(YELLOW))
    tiny_model(tmp_path / "models")
    program = (
        "from pathlib import Path; from mirror.cli import serve; from gradio_client import Client, handle_file;"
        f"page, settings = serve.build(Path({str(tmp_path)!r}), Path({str(tmp_path / 'models')!r}), []);"
        "page.launch(prevent_thread_lock=True, quiet=True, **settings); client = Client(page.local_url, verbose=False);"
        f"print(client.predict(handle_file({str(tmp_path / 'photo.jpg')!r}), api_name='/predict')['label']);"
        "kept = page.state_holder.session_data.values();"
        "print(len(kept) > 0, sum(len(session.config_values) for session in kept)); page.close()"
    )
    assert {"duckling", "True 0"} <= set(told(program).splitlines())
