"""suspects.csv and predictions.csv: what is written is read back, in order, and nothing else is taken for one."""

from __future__ import annotations

from pathlib import Path

import pytest

from mirror.collect.issue_files import (
    PhotoIssue,
    PhotoPrediction,
    issue_sentences,
    read_issues,
    read_predictions,
    write_issues,
    write_predictions,
)
from mirror.errors import DatasetError

WRONG = PhotoIssue("images/a/1.jpg", "disputed", 0.97, "a", suggested="b, or c", reason='filed under "a"')
LESS_WRONG = PhotoIssue("images/a/2.jpg", "disputed", 0.6, "a", suggested="b")
ODD = PhotoIssue("images/b/3.jpg", "outlier", 0.99, "b", reason="unlike")
COPY = PhotoIssue("images/b/4.jpg", "look-alike", 1.0, "b", other="images/b/3.jpg")
SUSPECTS = "file_name,issue,score,label,suggested,other,reason\n"
PREDICTIONS = "file_name,label,predicted,probability,split\n"


def test_disputed_labels_come_first_and_the_most_suspicious_of_them(tmp_path: Path) -> None:
    path = tmp_path / "report" / "suspects.csv"
    write_issues(path, [COPY, ODD, LESS_WRONG, WRONG])
    assert read_issues(path) == [WRONG, LESS_WRONG, ODD, COPY]
    before = path.read_bytes()
    write_issues(path, [WRONG, COPY, LESS_WRONG, ODD])
    assert path.read_bytes() == before


def test_predictions_come_back_by_file_name_with_four_digits(tmp_path: Path) -> None:
    path = tmp_path / "predictions.csv"
    second = PhotoPrediction("images/a/2.jpg", "a", "b", 0.123456, "train")
    first = PhotoPrediction("images/a/1.jpg", "a", "a", 1.0, "validation")
    write_predictions(path, [second, first])
    assert [(one.file_name, one.probability) for one in read_predictions(path)] == [
        ("images/a/1.jpg", 1.0),
        ("images/a/2.jpg", 0.1235),
    ]


def test_no_suspects_are_a_file_too(tmp_path: Path) -> None:
    write_issues(tmp_path / "suspects.csv", [])
    assert read_issues(tmp_path / "suspects.csv") == [] and issue_sentences([], Path("data")) == []


def test_the_head_is_told_in_words_and_with_paths() -> None:
    lines = issue_sentences([COPY, ODD, LESS_WRONG, WRONG], Path("data/mirror"), limit=2)
    assert lines == [
        "Worth a look: 2 disputed labels, 1 outlier, 1 look-alike.",
        '  data/mirror/images/a/1.jpg: filed under "a"',
        "  data/mirror/images/a/2.jpg: ",
    ]


@pytest.mark.parametrize(
    ("read", "text", "says"),
    [
        (read_issues, PREDICTIONS, "does not begin with the columns"),
        (read_issues, SUSPECTS + "images/a.jpg,strange,0.5,a,,,\n", "issue 'strange' is none of disputed"),
        (read_issues, SUSPECTS + "images/a.jpg,outlier,high,a,,,\n", "line 2: score 'high' is no number"),
        (read_issues, SUSPECTS + "images/a.jpg,outlier,1.5,a,,,\n", "does not lie between 0 and 1"),
        (read_issues, SUSPECTS + "images/a.jpg,outlier,nan,a,,,\n", "does not lie between 0 and 1"),
        (read_issues, SUSPECTS + "../a.jpg,outlier,0.5,a,,,\n", "leads out of the folder"),
        (read_issues, SUSPECTS + "images/a.jpg,look-alike,0.5,a,,/b.jpg,\n", "leads out of the folder"),
        (read_predictions, PREDICTIONS + "images/a.jpg,a,a,0.5,test\n", "split 'test' is none of"),
        (read_predictions, PREDICTIONS + "images/a.jpg,a,a,-1,train\n", "does not lie between 0 and 1"),
        (read_predictions, "", "does not begin with the columns"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 60 else "",
)
def test_what_is_no_such_file_is_one_sentence(tmp_path: Path, read, text: str, says: str) -> None:
    path = tmp_path / "list.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DatasetError, match=r"^[^\n]+$") as error:
        read(path)
    assert says in str(error.value)


def test_a_list_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="cannot be read"):
        read_issues(tmp_path / "suspects.csv")


@pytest.mark.parametrize("linked", ["report", "report/suspects.csv"])
def test_a_report_that_leads_out_of_its_model_folder_is_not_read(tmp_path: Path, linked: str) -> None:
    elsewhere, model = tmp_path / "elsewhere", tmp_path / "model"
    write_issues(elsewhere / "suspects.csv", [WRONG])
    link = model / linked
    link.parent.mkdir(parents=True)
    link.symlink_to(elsewhere / link.name if link.suffix else elsewhere)
    with pytest.raises(DatasetError, match="link"):
        read_issues(model / "report" / "suspects.csv")


def test_what_was_called_near_duplicate_is_read_as_a_look_alike(tmp_path: Path) -> None:
    path = tmp_path / "report" / "suspects.csv"
    write_issues(path, [COPY])
    path.write_text(path.read_text().replace(",look-alike,", ",near-duplicate,"))
    assert read_issues(path) == [COPY]
