"""Where weights come from, and that they arrive where they belong."""

from __future__ import annotations

import http.server
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import timm
import torch
import torchvision

from mirror.errors import UsageError, WeightsError
from mirror.training.pretrained import find_architecture, load_into, load_weights


def quiet(_: str) -> None:
    pass


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty torch hub cache and Hugging Face cache."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    checkpoints = tmp_path / "torch" / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    return checkpoints


@pytest.fixture(scope="module")
def resnet18() -> torch.nn.Module:
    torch.manual_seed(1)
    return torchvision.models.resnet18()


def test_torchvision_comes_before_timm_and_brings_its_statistics() -> None:
    found = find_architecture("resnet18")
    assert found.arch is torchvision.models.resnet18 and found.url.endswith("resnet18-f37072fd.pth")
    assert (found.mean, found.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    lite = find_architecture("tf_efficientnet_lite0")
    assert lite.arch == "tf_efficientnet_lite0" and lite.mean == (0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    ("name", "hint"), [("resnet_18x", "did you mean resnet18, "), ("efficientnet_lite", "did you mean")]
)
def test_an_unknown_architecture_gets_a_hint(name: str, hint: str) -> None:
    with pytest.raises(UsageError, match=hint):
        find_architecture(name)


def test_the_packaged_weights_are_imagenets() -> None:
    """The untouched network, filled by position, names what is on a photo that scikit-image ships."""
    from PIL import Image
    from skimage.data import cat

    from mirror.training.augmentation import View, render

    known = find_architecture("tf_efficientnet_lite0")
    state, source = load_weights(known, log=quiet)
    assert "package" in source
    network = timm.create_model("tf_efficientnet_lite0").eval()
    load_into(network, state, source)
    pixels = torch.tensor(list(render(Image.fromarray(cat()), View(0), 224).tobytes()), dtype=torch.float32)
    pixels = pixels.view(224, 224, 3).permute(2, 0, 1)[None] / 127.5 - 1
    with torch.inference_mode():
        best = network(pixels).argmax().item()
    assert best in (281, 282, 285)  # tabby, tiger cat, Egyptian cat


def test_a_given_file_wins_and_is_filled_in_by_name(tmp_path: Path, resnet18: torch.nn.Module) -> None:
    torch.save({"state_dict": resnet18.state_dict()}, tmp_path / "mine.pth")
    state, source = load_weights(find_architecture("resnet18"), tmp_path / "mine.pth", quiet)
    body = torch.nn.Sequential(*list(torchvision.models.resnet18().children())[:-2])
    load_into(body, state, source)
    pixels = torch.rand(1, 3, 64, 64)
    whole = torch.nn.Sequential(*list(resnet18.children())[:-2])
    with torch.inference_mode():
        assert torch.equal(body.eval()(pixels), whole.eval()(pixels))
    assert source == "mine.pth (--weights)"


def test_the_hub_cache_is_used_before_the_network(hub: Path, resnet18: torch.nn.Module) -> None:
    torch.save(resnet18.state_dict(), hub / "resnet18-f37072fd.pth")
    state, source = load_weights(find_architecture("resnet18"), log=quiet)
    assert source == "resnet18-f37072fd.pth (cache)"
    assert torch.equal(state["conv1.weight"], resnet18.state_dict()["conv1.weight"])


def test_downloading_fills_the_hub_cache(hub: Path, resnet18: torch.nn.Module, tmp_path: Path) -> None:
    (tmp_path / "www").mkdir()
    torch.save(resnet18.state_dict(), tmp_path / "www" / "resnet18-any.pth")

    class Files(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object):
            super().__init__(*arguments, directory=str(tmp_path / "www"))

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/resnet18-any.pth"
        _, source = load_weights(replace(find_architecture("resnet18"), url=url), log=quiet)
        server.shutdown()
    assert source == "resnet18-any.pth (download)" and (hub / "resnet18-any.pth").is_file()


def test_with_nowhere_to_get_them_three_ways_out_are_named(hub: Path) -> None:
    nowhere = replace(find_architecture("resnet18"), url="http://127.0.0.1:9/resnet18-none.pth")
    with pytest.raises(
        WeightsError, match=r"--arch tf_efficientnet_lite0, whose weights are on this machine.*--weights FILE.*--proxy"
    ):
        load_weights(nowhere, log=quiet)


def bad_files(folder: Path) -> dict[str, Path]:
    torch.save(torch.nn.Linear(2, 2), folder / "module.pth")
    torch.save([1, 2], folder / "list.pth")
    (folder / "text.pth").write_text("weights")
    return {name: folder / f"{name}.pth" for name in ("module", "list", "text", "missing")}


@pytest.mark.parametrize(
    ("name", "says"),
    [("module", "read safely"), ("list", "no state dict"), ("text", "read safely"), ("missing", "no weights file")],
)
def test_a_file_that_is_no_state_dict_is_refused_without_running_it(tmp_path: Path, name: str, says: str) -> None:
    with pytest.raises(WeightsError, match=says):
        load_weights(find_architecture("resnet18"), bad_files(tmp_path)[name], quiet)


def test_weights_of_another_architecture_do_not_fit() -> None:
    with pytest.raises(WeightsError, match="does not fit"):
        load_into(torchvision.models.resnet18(), torchvision.models.resnet34().state_dict(), "resnet34.pth")
