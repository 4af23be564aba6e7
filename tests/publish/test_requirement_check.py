"""What a Space's builder could not install together is found out before anything is made; here by a few tiny wheels."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from mirror.errors import PublishError
from mirror.publish.requirement_check import check_requirements


def wheel(folder: Path, name: str, version: str, *requires: str) -> None:
    """A package of no files that requires others."""
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {each}" for each in requires]
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        about = f"{name}-{version}.dist-info"
        archive.writestr(f"{about}/METADATA", "\n".join(lines) + "\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")


@pytest.fixture(autouse=True)
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only packages there are: a page that takes a glue below 2, and two glues."""
    folder = tmp_path / "packages"
    folder.mkdir()
    wheel(folder, "pagemaker", "6.1.0", "glue<2")
    wheel(folder, "glue", "1.0.0")
    wheel(folder, "glue", "2.0.0")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder


def test_what_can_be_installed_passes_and_is_not_asked_again(packages: Path) -> None:
    said: list[str] = []
    check_requirements("glue==1.0.0\n", ("pagemaker==6.1.0",), "3.12", said.append)
    for path in packages.iterdir():
        path.unlink()
    check_requirements("glue==1.0.0\n", ("pagemaker==6.1.0",), "3.12", said.append)
    assert said == ["Checking that a Space can install its requirements …"]


def test_what_cannot_be_installed_together_is_told_in_a_sentence() -> None:
    with pytest.raises(PublishError, match="A Space could not install its requirements: Cannot install ") as error:
        check_requirements("glue==2.0.0\n", ("pagemaker==6.1.0",), "3.12", lambda _: None)
    assert "\n" not in str(error.value) and "glue==2.0.0" in str(error.value)


def test_a_version_that_is_not_there_is_told() -> None:
    with pytest.raises(PublishError, match="glue==3"):
        check_requirements("glue==3\n", (), "3.12", lambda _: None)


def test_where_no_index_can_be_reached_it_says_so_and_goes_on() -> None:
    said: list[str] = []
    check_requirements("unheardof==1\n", (), "3.12", said.append)
    assert said[-1].startswith("Not checked: ") and "no package index" in said[-1]
