"""Labels as people write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from mirror.errors import UsageError
from mirror.tasks.label_input import MAX_FILE_BYTES, labels_in, split_labels

MANY = tuple(f"Make {number} Sedan {1990 + number % 23}" for number in range(196))


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("cat,dog", ("cat", "dog")),
        (" cat , a red car,", ("cat", "a red car")),
        ("cat\ndog\n", ("cat", "dog")),
        ("cat\r\ndog\r\n", ("cat", "dog")),
        ("cat\rdog", ("cat", "dog")),
        ("\n  cat \n\n\t\n dog\n\n", ("cat", "dog")),
        ("tabby, tabby cat\ngoldfish, Carassius auratus\n", ("tabby, tabby cat", "goldfish, Carassius auratus")),
        ("dog\ncat\ndog\n cat\n", ("dog", "cat")),
        ("dog,cat,dog", ("dog", "cat")),
        ("Cat,cat", ("Cat", "cat")),
        ("cat", ("cat",)),
        ("", ()),
        (" \n, ,\n", ()),
        ("\n".join(MANY), MANY),
        (",".join(MANY), MANY),
    ],
    ids=[
        "commas",
        "space and a last comma",
        "lines",
        "Windows",
        "old Mac",
        "blank lines",
        "commas within lines",
        "twice, lines",
        "twice, commas",
        "case",
        "one",
        "none",
        "nothing but separators",
        "196 lines",
        "196 in a line",
    ],
)
def test_labels_in_a_text(text: str, labels: tuple[str, ...], tmp_path: Path) -> None:
    assert split_labels(text) == labels
    assert labels_in(text) == labels  # as an option
    if labels:  # and as a file
        (tmp_path / "labels.txt").write_bytes(text.encode())
        assert labels_in(str(tmp_path / "labels.txt")) == labels


def test_the_mark_that_windows_puts_before_utf_8_is_no_part_of_a_label(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_bytes("\ufeffChâteau\r\n猫\r\n".encode())
    assert labels_in(str(tmp_path / "labels.txt")) == ("Château", "猫")
    assert split_labels("\ufeffcat,dog") == ("cat", "dog")


@pytest.mark.parametrize(
    ("name", "text", "labels"),
    [
        ("labels.csv", 'label\n"a cat, sleeping"\n"a dog"\n', ("a cat, sleeping", "a dog")),
        ("labels.csv", '"a cat, sleeping"\r\n"a ""good"" dog"\r\n', ("a cat, sleeping", 'a "good" dog')),
        ("labels.csv", "id,Class\n7,cat\n8,dog\n8,\n9,cat\n", ("cat", "dog")),
        ("labels.csv", "cat, dog\n", ("cat", "dog")),
        ("labels.csv", "tabby, tabby cat\ngoldfish\n", ("tabby, tabby cat", "goldfish")),
        ("labels.csv", "name\n", ("name",)),
        ("labels.csv", "label\ncat\n", ("cat",)),
        ("labels.json", '["a cat, sleeping", " dog ", "dog"]', ("a cat, sleeping", "dog")),
    ],
)
def test_a_table_or_a_list_of_a_program_holds_labels_as_it_writes_them(
    name: str, text: str, labels: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(text.encode())
    assert labels_in(str(tmp_path / name)) == labels


def test_a_python_file_with_a_list_is_read_and_never_run(tmp_path: Path) -> None:
    """As the article's stanford_car_labels.py is."""
    labels = tmp_path / "stanford_car_labels.py"
    labels.write_text(
        f"import os\nopen({str(tmp_path / 'run')!r}, 'w').close()\nmakes = ['Audi']\ncar_labels = {list(MANY)!r}\n"
    )
    assert labels_in(str(labels)) == MANY
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("labels.txt", b"", "holds no label: write a label a line."),
        ("labels.json", b'{"0": "cat"}', "is no JSON list of texts"),
        ("labels.json", b"[1, 2]", "is no JSON list of texts"),
        ("labels.json", b"cat", "is no JSON list of texts"),
        ("labels.json", b"[]", "holds no label: write a label a line."),
        ("labels.txt", b"\n \r\n\t\n", "holds no label: write a label a line."),
        ("labels.txt", "cat\ndog".encode("utf-16"), "is no text file of labels: write a label a line, in UTF-8."),
        ("labels.txt", b"x" * (MAX_FILE_BYTES + 1), "is larger than a list of labels would be: give a text file"),
        ("labels.py", b"car_labels = {'Audi': 1}", "holds no label: write a label a line."),
        ("labels.py", b"car_labels = [", "is no Python file: write the labels into a text file"),
    ],
    ids=[
        "empty",
        "a map",
        "numbers",
        "no JSON",
        "an empty list",
        "blank",
        "UTF-16",
        "too large",
        "no list",
        "no Python",
    ],
)
def test_a_file_that_holds_no_labels_is_told_by_name(name: str, content: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError) as told:
        labels_in(str(tmp_path / name))
    assert str(told.value).startswith(f"{tmp_path / name} {says}")


@pytest.mark.parametrize("given", ["labels.txt", "Labels.TXT", "words.csv", "cars.py", "nowhere/labels", "nowhere/"])
def test_a_file_that_is_not_there_is_no_label(given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="There is no file of labels .*: check the path, or write the labels as"):
        labels_in(given)


def test_a_label_may_hold_a_slash() -> None:
    assert labels_in("A/C unit,fan") == ("A/C unit", "fan")
