"""Files → one commit on a known parent of a repository, or none where they are there already.

A repository lists its files with their hashes, so what is the same is not sent again; what is there and is not among
the files goes. The commit names its parent: sent twice, the second is refused, so whatever is cut off can be tried
again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mirror.errors import PublishError
from mirror.publish.hub_refusals import AGAIN, refusals
from mirror.publish.published_files import MARK, Files, content_of, git_oid, lfs_oid, megabytes, size_of, total_size
from mirror.terminal import unguarded
from mirror.wording import count

if TYPE_CHECKING:
    from huggingface_hub import HfApi

TRIES = 3  # of a commit, where the Hub is busy or the connection breaks
PAUSE_SECONDS = 2.0
STAYS = (".gitattributes",)  # which the Hub makes
INITIAL = {*STAYS, "README.md"}  # what a new repository holds
KINDS = {"model": "", "dataset": "datasets/", "space": "spaces/"}


@dataclass(frozen=True)
class RepositoryPlan:
    """A repository as it is to be. kind: "model", "dataset" or "space"; name: OWNER/NAME; settings: of create_repo, for
    a Space its sdk and hardware."""

    kind: str
    name: str
    files: Files
    private: bool = False
    settings: dict[str, Any] | None = None

    @property
    def address(self) -> str:
        return f"{KINDS[self.kind]}{self.name}"

    @property
    def summary(self) -> str:
        """`space ana/fruit: 140 files, 12.1 MB`."""
        size = megabytes(total_size(self.files))
        return f"{self.kind} {self.name}: {count(len(self.files), 'file')}, {size}{', private' * self.private}"


@dataclass(frozen=True)
class _Head:
    """What is in the repository: its commit, and each file's hash."""

    commit: str
    oids: dict[str, str]


def require_free(api: HfApi, plan: RepositoryPlan) -> bool:
    """Whether the repository is there already. Raises PublishError where it holds what this program did not put there,
    or is public and is to be private."""
    return _read_ours(api, plan) is not None


def check_card(api: HfApi, plan: RepositoryPlan) -> None:
    """Raises PublishError where the Hub would not take the front matter of the repository's README."""
    from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

    asked = {"content": content_of(plan.files["README.md"]).decode(), "repoType": plan.kind}
    with refusals(plan.name):
        headers = build_hf_headers(token=api.token)
        response = get_session().post(f"{api.endpoint}/api/validate-yaml", json=asked, headers=headers)
        if response.status_code == 400 and (errors := response.json().get("errors")):
            raise PublishError(f"The Hub does not take the README of the {plan.kind}: {errors[0].get('message')}.")
        hf_raise_for_status(response)


def publish_repository(api: HfApi, plan: RepositoryPlan, say: Callable[[str], None]) -> bool:
    """Makes the repository where it is not there, and commits what differs. Returns whether it committed. Raises
    PublishError; whatever it raised, the same call goes on where it was."""
    for attempt in range(1, TRIES + 1):
        try:
            head = _read_ours(api, plan) or _create(api, plan)
            changed, stale = _difference(plan, head)
            if not changed and not stale:
                say(f"{plan.kind} {plan.name}: published already" if attempt == 1 else f"{plan.kind} {plan.name}: done")
                return attempt > 1
            size = megabytes(sum(size_of(plan.files[name]) for name in changed))
            gone = f", {count(len(stale), 'file')} removed" if stale else ""
            say(f"{plan.kind} {plan.name}: {count(len(changed), 'file')} sent ({size}){gone} …")
            _commit(api, plan, head, changed, stale)
            return True
        except PublishError as error:
            if attempt == TRIES or not error.passing:
                raise
            time.sleep(PAUSE_SECONDS * attempt)
    raise AssertionError


def require_sent(api: HfApi, plan: RepositoryPlan) -> str:
    """Compares what the repository lists with what was built, each file by its hash, and says so in words. PublishError
    where they differ."""
    head = _read_ours(api, plan)
    changed, stale = _difference(plan, head) if head else (sorted(plan.files), [])
    if changed or stale:
        raise PublishError(
            f"The {plan.kind} {plan.name} does not hold what was sent ({(changed + stale)[0]}): {AGAIN}.", passing=True
        )
    return f"{plan.kind} {plan.name}: {count(len(plan.files), 'file')}, each with the hash of the one here"


def _read_ours(api: HfApi, plan: RepositoryPlan) -> _Head | None:
    """The repository's head; None where there is none."""
    from huggingface_hub.errors import RepositoryNotFoundError
    from huggingface_hub.hf_api import RepoFile

    with refusals(plan.name):
        try:
            about = api.repo_info(plan.name, repo_type=plan.kind)
        except RepositoryNotFoundError:
            return None
        tree = api.list_repo_tree(plan.name, repo_type=plan.kind, recursive=True, revision=about.sha)
        files = [entry for entry in tree if isinstance(entry, RepoFile)]
    oids = {entry.path: entry.lfs.sha256 if entry.lfs else entry.blob_id for entry in files}
    if plan.private and not about.private:
        raise PublishError(
            f"The {plan.kind} {plan.name} is there already, and public: make it private in its settings, or choose "
            "another name with --to OWNER/NAME."
        )
    if MARK not in oids and not oids.keys() <= INITIAL:
        raise PublishError(
            f"There is a {plan.kind} {plan.name} already, which `mirror publish` did not make: choose another name "
            "with --to OWNER/NAME, or delete that one."
        )
    return _Head(about.sha or "", oids)


def _create(api: HfApi, plan: RepositoryPlan) -> _Head:
    with refusals(plan.name):
        api.create_repo(
            plan.name, repo_type=plan.kind, private=plan.private or None, exist_ok=True, **(plan.settings or {})
        )
    head = _read_ours(api, plan)
    if head is None:
        raise PublishError(f"{plan.name} was made and cannot be read: look at the token's rights.")
    return head


def _difference(plan: RepositoryPlan, head: _Head) -> tuple[list[str], list[str]]:
    """Paths that are new or differ, and those that are there and should not be."""
    changed = [
        name
        for name, content in sorted(plan.files.items())
        if head.oids.get(name) not in (git_oid(content), lfs_oid(content))
    ]
    return changed, sorted(head.oids.keys() - plan.files.keys() - set(STAYS))


def _commit(api: HfApi, plan: RepositoryPlan, head: _Head, changed: list[str], stale: list[str]) -> None:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    additions = [CommitOperationAdd(name, plan.files[name]) for name in changed]
    deletions = [CommitOperationDelete(name) for name in stale]
    with refusals(plan.name), unguarded():  # huggingface_hub's bars
        api.create_commit(
            plan.name, [*additions, *deletions], commit_message="mirror publish", repo_type=plan.kind,
            parent_commit=head.commit,
        )  # fmt: skip
