"""Logging in to the Hub, and who is logged in: by huggingface_hub's own login, which keeps the token in its own store.

    log_in()                     prints an address and a code, and waits until somebody has entered the code there
    log_in(token)                for who has a token already
    read_login()                 the account, None where nobody is logged in

Since `hf auth login` asks the browser (OAuth's device authorization, RFC 8628), no token has to be copied. No function
here returns one, prints one or keeps one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

from mirror.errors import PublishError, UsageError
from mirror.publish.account import Account, read_account
from mirror.publish.hub_refusals import TOKENS, refusals

VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")  # which go before what is stored
COMMAND = "hf auth login"
_ADDRESS = re.compile(r"https?://[^\s<>\"']+")
_CODE = re.compile(r"\bcode: (\S+)")
_OUTCOMES = {
    "access_denied": "The login was declined in the browser",
    "expired_token": "The code was not entered in time",
}


@dataclass(frozen=True)
class DeviceCode:
    """Where a person confirms the login, and the code to enter there."""

    address: str
    code: str


def is_by_browser() -> bool:
    """Whether the installed huggingface_hub logs in by the browser."""
    from huggingface_hub import errors

    return hasattr(errors, "DeviceCodeError")


def token_variable() -> str | None:
    """The environment variable that says who publishes, whatever is stored; None where there is none."""
    return next((name for name in VARIABLES if os.environ.get(name, "").strip()), None)


def log_in(token: str | None = None) -> int:
    """Logs in, and returns an exit code. token: None for the way by the browser, which takes until a person has entered
    the code; without a terminal, huggingface_hub asks nothing else. Raises PublishError, UsageError."""
    import huggingface_hub
    from huggingface_hub import errors

    if token is not None and not token.strip():
        raise UsageError(f"Type a token that may write: make one at {TOKENS}.")
    if token is None and not is_by_browser():
        raise UsageError(f"This huggingface_hub logs in with a token alone: make one that may write at {TOKENS}.")
    with refusals():
        try:
            huggingface_hub.login(token.strip() if token else None, skip_if_logged_in=False)
        except getattr(errors, "DeviceCodeError", ()) as error:
            if isinstance(error.__cause__, Exception):
                raise error.__cause__ from None
            outcome = _OUTCOMES.get(error.error_code or "", f"The Hub refused the login ({str(error).rstrip(' -')})")
            raise PublishError(f"{outcome}: log in again.") from None
    return 0


def read_device_code(lines: Sequence[str]) -> DeviceCode | None:
    """What a login by the browser has printed so far; None before it has printed both."""
    text = "\n".join(lines)
    address, code = _ADDRESS.search(text), _CODE.search(text)
    return DeviceCode(address[0], code[1]) if address and code else None


def read_login() -> Account | None:
    """Asks the Hub who is logged in here. Raises PublishError where it does not take the token, or does not answer."""
    from huggingface_hub import HfApi, get_token

    if get_token() is None:
        return None
    with refusals():
        return read_account(HfApi().whoami())


def log_out() -> None:
    """Forgets the token in use, and leaves other stored ones. Raises UsageError where a variable holds it."""
    from huggingface_hub import get_token, logout
    from huggingface_hub.utils import get_stored_tokens

    if variable := token_variable():
        raise UsageError(f"The token is that of {variable}: start the workshop without it to be somebody else.")
    active = get_token()
    logout(next((name for name, token in get_stored_tokens().items() if token == active), None))
