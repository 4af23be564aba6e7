"""What is not on this machine is said with what works all the same, and asks nobody for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mirror.web.workshop import prerequisites
from mirror.web.workshop.prerequisites import PHOTOS_WORK, Connection, hindrances
from tests.world import World, wait_until


def weights(home: Path) -> dict[str, str]:
    folder = home / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / "resnet18-f37072fd.pth").write_bytes(b"")
    return {"TORCH_HOME": str(home)}


def test_nothing_is_said_where_nothing_is_missing(tmp_path: Path) -> None:
    assert hindrances(True, environ=weights(tmp_path)) == hindrances(None, environ=weights(tmp_path / "two")) == []


def test_without_a_connection_photos_of_ones_own_work(tmp_path: Path) -> None:
    (said,) = hindrances(False, environ=weights(tmp_path))
    assert "offline" in said and PHOTOS_WORK in said


@pytest.mark.parametrize(("reached", "says"), [(True, "fetches it"), (False, "cannot be fetched now")])
def test_without_weights_it_is_said_whether_they_will_come(
    tmp_path: Path, monkeypatch, reached: bool, says: str
) -> None:
    monkeypatch.setattr(prerequisites, "PACKAGED_WEIGHTS", "no_such_package")
    assert says in hindrances(reached, environ={"TORCH_HOME": str(tmp_path)})[-1]


def test_where_another_network_takes_its_place_that_is_said(tmp_path: Path) -> None:
    pytest.importorskip(prerequisites.PACKAGED_WEIGHTS)
    assert hindrances(True, environ={"TORCH_HOME": str(tmp_path)}) == [prerequisites.STANDS_IN]


def test_without_packages_it_is_said_what_to_install_and_what_works(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(prerequisites, "find_spec", lambda name: None)
    search, train = hindrances(True, environ=weights(tmp_path))
    assert "No search engine" in search and PHOTOS_WORK in search and "pip install" in search
    assert "Nothing can be trained here" in train and "works all the same" in train


def test_a_connection_is_found_out_beside_everything_else(world: World, monkeypatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", world.proxy_url)
    monkeypatch.setenv("SSL_CERT_FILE", str(world.ca_file))
    there, away = Connection(), Connection("https://nowhere.invalid/")
    assert there.reached is None
    there.ask()
    wait_until(lambda: not there.asking)
    assert there.reached is True, "any answer will do"
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    away.ask()
    wait_until(lambda: not away.asking)
    assert away.reached is False
