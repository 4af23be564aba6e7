"""Who publishes, as the Hub says of the token: the account, what it may write to, and what it may host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mirror.errors import PublishError, UsageError
from mirror.publish.hub_refusals import TOKENS
from mirror.wording import listed

WRITE = "repo.write"  # the permission of a fine-grained token


@dataclass(frozen=True)
class Account:
    """name: the account's; pays: for a plan; organisations: those it belongs to → whether they pay for a plan; role: of
    its token, "read", "write" or "fineGrained", None after a login in the browser; token: what the token is called;
    writable: the accounts that a fine-grained token may write to, None where that was not said."""

    name: str
    pays: bool = False
    organisations: Mapping[str, bool] = field(default_factory=dict)
    role: str | None = None
    token: str = ""
    writable: frozenset[str] | None = None

    def may_host_gradio(self, owner: str) -> bool:
        """Whether a Gradio or Docker Space of `owner` may run on the free CPU: since July 2026 a matter of its plan."""
        return self.pays if owner == self.name else self.organisations.get(owner, False)

    def require_write(self, owner: str) -> None:
        """Raises PublishError where the token may not write to repositories of `owner`, UsageError where nobody's
        token of this account could."""
        if owner != self.name and owner not in self.organisations:
            others = listed([self.name, *self.organisations])
            raise UsageError(f"{self.name} does not belong to {owner}: publish to {others} with --to OWNER/NAME.")
        if self.role == "read":
            raise PublishError(
                f"The token {self.token!r} may only read: make one that may write at {TOKENS}, and give it to "
                "`hf auth login --force` or HF_TOKEN."
            )
        if self.writable is not None and owner not in self.writable:
            raise PublishError(
                f"The fine-grained token {self.token!r} may not write to repositories of {owner}: tick “Write access "
                f"to contents/settings of all repos” for {owner} at {TOKENS}."
            )


def read_account(said: Mapping[str, Any]) -> Account:
    """What /api/whoami-v2 says. A login in the browser has no `accessToken`."""
    token = said.get("auth", {}).get("accessToken") or {}
    fine, writable = token.get("fineGrained"), None
    if token.get("role") == "fineGrained" and isinstance(fine, Mapping):
        scoped = fine.get("scoped") or []
        everywhere = WRITE in (fine.get("global") or [])
        owners = {each["entity"].get("name") for each in scoped if WRITE in each.get("permissions", ())}
        # A scope may also be one repository, which only the Hub can match with what is published
        repositories = any("/" in str(owner) or owner is None for owner in owners)
        writable = None if everywhere or repositories else frozenset(map(str, owners))
    return Account(
        name=said["name"],
        pays=bool(said.get("isPro")),
        organisations={org["name"]: bool(org.get("isEnterprise") or org.get("plan")) for org in said.get("orgs", [])},
        role=token.get("role"),
        token=token.get("displayName") or "",
        writable=writable,
    )
