"""Logging in by the real huggingface_hub, at a local Hub: by the browser, with a token, and out again."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mirror.errors import MirrorError, PublishError, UsageError
from mirror.publish.hub_login import (
    DeviceCode,
    is_by_browser,
    log_in,
    log_out,
    read_device_code,
    read_login,
    token_variable,
)
from tests.publish.conftest import ROOT
from tests.support.hub_home import hub_at_home
from tests.world import wait_until
from tests.world.hub import Hub


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with hub_at_home(tmp_path, monkeypatch) as hub:
        yield hub


@pytest.fixture
def at_home(tmp_path: Path) -> Path:
    """The file of the token."""
    return tmp_path / "token"


def test_by_the_browser_the_code_is_shown_and_the_token_is_not(hub: Hub, tmp_path: Path) -> None:
    """In a process of its own, as the page starts it: its lines are what is shown."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environment |= {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path), "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    code = "from mirror.publish.hub_login import log_in; raise SystemExit(log_in())"
    log = tmp_path / "log"
    with open(log, "w", encoding="utf-8") as said:
        process = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=said, stderr=said, env=environment
        )
    wait_until(lambda: read_device_code(log.read_text("utf-8").splitlines()) is not None)
    shown = read_device_code(log.read_text("utf-8").splitlines())
    assert shown == DeviceCode(f"{hub.url}/oauth/device", "ABCD-1234")
    hub.device = ""
    process.communicate(timeout=300)
    assert process.returncode == 0 and hub.token not in log.read_text("utf-8")
    assert (tmp_path / "token").read_text() == hub.token
    assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600
    account = read_login()
    assert account is not None and (account.name, account.role) == ("ana", None)


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        ("access_denied", "was declined in the browser"),
        ("expired_token", "was not entered in time"),
        ("invalid_client", r"refused the login \(OAuth error: invalid_client"),
    ],
)
def test_a_login_that_does_not_come_about_is_a_sentence(hub: Hub, at_home: Path, outcome: str, words: str) -> None:
    hub.device = outcome
    with pytest.raises(PublishError, match=words):
        log_in()
    assert not at_home.exists() and read_login() is None


@pytest.mark.parametrize("status", [0, 404, 503])
def test_a_hub_that_knows_no_such_login_is_a_sentence(hub: Hub, status: int) -> None:
    hub.fail("POST", "/oauth/device", status, error="no such page")
    with pytest.raises(MirrorError, match=r"^\w.+\.$") as error:
        log_in()
    assert "\n" not in str(error.value)


def test_a_token_is_kept_by_huggingface_hub_and_forgotten_again(
    hub: Hub, at_home: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    assert log_in(f" {hub.token}\n") == 0
    account = read_login()
    assert account is not None and account.token == "laptop" and at_home.read_text() == hub.token
    log_out()
    assert read_login() is None and not at_home.exists()
    log_out()  # a second time there is nothing to forget
    assert hub.token not in caplog.text + "".join(capsys.readouterr())


def test_logging_out_leaves_tokens_that_are_not_in_use(hub: Hub, at_home: Path) -> None:
    stored = at_home.with_name("stored_tokens")
    stored.write_text("[work]\nhf_token = hf_another\n", encoding="utf-8")
    log_in(hub.token)
    log_out()
    assert "hf_another" in stored.read_text("utf-8") and hub.token not in stored.read_text("utf-8")


@pytest.mark.parametrize(
    ("token", "words"),
    [("", "Type a token"), ("hf_wrong", "not one that the Hub knows"), ("api_orgX", "personal account")],
)
def test_a_token_that_will_not_do_is_a_sentence_and_is_not_kept(
    hub: Hub, at_home: Path, token: str, words: str
) -> None:
    with pytest.raises(MirrorError, match=words) as error:
        log_in(token)
    assert not at_home.exists() and (not token or token not in str(error.value))


def test_an_expired_token_is_told_where_the_account_is_asked(hub: Hub, at_home: Path) -> None:
    at_home.write_text(hub.token, encoding="utf-8")
    hub.scope = "expired"
    with pytest.raises(PublishError, match="has expired"):
        read_login()


def test_a_variable_goes_first_and_is_not_forgotten(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", hub.token)
    account = read_login()
    assert account is not None and account.name == "ana" and token_variable() == "HF_TOKEN"
    with pytest.raises(UsageError, match="is that of HF_TOKEN"):
        log_out()


def test_an_older_huggingface_hub_takes_a_token_alone(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("huggingface_hub.errors.DeviceCodeError")
    assert not is_by_browser()
    with pytest.raises(UsageError, match="with a token alone"):
        log_in()
    assert log_in(hub.token) == 0
