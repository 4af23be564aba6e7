"""Tests leave nothing in the home of who runs them: see `pytest_configure` in conftest.py."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from mirror.inference.user_cache import user_cache
from tests.support.light_python import only_the_light_set
from tests.support.limits import LIMIT
from tests.web.serving import environment

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = """
import tempfile
from mirror.inference.user_cache import user_cache
print(tempfile.gettempdir(), user_cache("networks"), sep="\\n")
"""
FOLDER = os.environ["MIRROR_TEST_FOLDER"]


def test_the_cache_and_temporary_files_of_tests_lie_in_a_folder_of_this_run() -> None:
    assert user_cache("networks").is_relative_to(FOLDER)
    assert Path(tempfile.gettempdir()).is_relative_to(FOLDER)


@pytest.mark.parametrize("of_the_page", [True, False])
def test_so_do_those_of_programs_that_tests_start(of_the_page: bool, tmp_path: Path) -> None:
    given = environment() if of_the_page else os.environ | only_the_light_set(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, env=given, capture_output=True, text=True, check=True, timeout=LIMIT
    )
    assert all(Path(line).is_relative_to(FOLDER) for line in done.stdout.splitlines())


def test_pytest_keeps_its_own_folders_where_they_were(tmp_path: Path) -> None:
    assert not tmp_path.is_relative_to(FOLDER)
