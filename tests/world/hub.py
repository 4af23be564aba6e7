"""A Hugging Face Hub on 127.0.0.1 that the real huggingface_hub publishes to: accounts, repositories, refusals.

    with Hub(plan="free") as hub:
        api = HfApi(endpoint=hub.url, token=hub.token)          # or HF_ENDPOINT and HF_TOKEN, as `hub.environment` has
        hub.repositories["space", "ana/fruit"].files            # {path: bytes} of the last commit
        hub.fail("POST", "/commit/", 429, times=1)              # the next such request is refused

plan: "free" or "pro"; organisations: name → whether it pays; scope: what the token may do, "write", "read",
"fine-grained", "fine-grained-read", "oauth" or "expired". mode: how files are sent, "auto" (binary ones and those over
10 MB by LFS), "regular" or "lfs"; part: bytes of a part of an upload in several. stages: what a Space goes through.
hosts: where a Space that runs answers. device: what becomes of a login by the browser (RFC 8628). `requests`: what was
asked, in order. What the Hub says of limits is from its documentation and from the threads that quote it (gradio and
docker Spaces cost a plan since July 2026).
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from typing import Any

from tests.support.limits import LIMIT, join
from tests.world.hub_handler import KINDS, HubHandler

ZERO_SPACES = 2  # of a free account
MANY = 10**9
FREE_REFUSAL = (
    "Static Spaces are free for everyone, but hosting Gradio and Docker Spaces on free cpu-basic requires a PRO "
    "subscription. Subscribe at https://huggingface.co/pro"
)


@dataclass
class Asked:
    """One request."""

    method: str
    path: str
    body: bytes
    status: int = 0


@dataclass
class Repository:
    """files: of its head; lfs: those of them that were sent by LFS; stage: of a Space, how far it has come."""

    kind: str
    name: str
    private: bool = False
    sdk: str | None = None
    hardware: str | None = None
    variables: dict[str, str] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    lfs: dict[str, tuple[str, int]] = field(default_factory=dict)  # path → sha256, size
    commits: list[dict[str, Any]] = field(default_factory=list)
    stages: list[str] = field(default_factory=list)

    @property
    def head(self) -> str:
        return self.commits[-1]["oid"]

    def commit(self, summary: str, changed: list[str]) -> str:
        said = json.dumps([self.kind, self.name, len(self.commits), summary, changed])
        self.commits.append({"oid": hashlib.sha1(said.encode()).hexdigest(), "summary": summary, "changed": changed})
        return self.head

    def oid(self, path: str) -> str:
        """As git names the file; of one sent by LFS its sha256."""
        body = self.files[path]
        return self.lfs[path][0] if path in self.lfs else hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()


class Hub:
    def __init__(
        self, *, name: str = "ana", plan: str = "free", scope: str = "write", mode: str = "auto", part: int = 0,
        organisations: Mapping[str, bool] | None = None, stages: tuple[str, ...] = ("BUILDING", "APP_STARTING"),
        ends: str = "RUNNING", hosts: Mapping[str, str] | None = None, logs: tuple[str, ...] = (),
    ):  # fmt: skip
        self.name, self.plan, self.scope, self.mode, self.part = name, plan, scope, mode, part
        self.organisations, self.stages, self.ends = dict(organisations or {}), stages, ends
        self.hosts, self.logs, self.token = dict(hosts or {}), logs, "hf_" + "tokenofthetests" * 2
        self.device = "authorization_pending"  # what a login by the browser is told; "" hands out the token
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.blobs: dict[str, bytes] = {}  # sha256 → what LFS holds
        self.parts: dict[str, dict[int, bytes]] = {}
        self.requests: list[Asked] = []
        self.lock = threading.RLock()
        self._failures: list[list[Any]] = []
        self._held: tuple[re.Pattern[str], threading.Event, threading.Event] | None = None

    def __enter__(self) -> Hub:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (HubHandler,), {"hub": self}))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.mend()
        self._server.shutdown()
        join(self._thread)
        self._server.server_close()

    @property
    def environment(self) -> dict[str, str]:
        return {"HF_ENDPOINT": self.url, "HF_TOKEN": self.token, "HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0"}

    @property
    def commits(self) -> list[tuple[str, str]]:
        """(kind, repository) of every commit that was sent, in order."""
        sent = [asked for asked in self.requests if "/commit/" in asked.path and asked.status == 200]
        return [(KINDS[asked.path.split("/")[2]], "/".join(asked.path.split("/")[3:5])) for asked in sent]

    def fail(
        self, method: str, path: str, status: int, *, times: int = MANY, error: str | bytes = "", after: bool = False,
        **headers: str,
    ) -> None:  # fmt: skip
        """Refuses the next `times` requests whose path matches. error: what it says, or a whole body. after: what was
        asked is done first, and the answer is lost. Header names take underscores for dashes. status 0: the connection
        is dropped."""
        with self.lock:
            self._failures.append([method, re.compile(path), status, times, error, after, headers])

    def hold(self, path: str) -> threading.Event:
        """Lets requests whose path matches wait until `mend`. Returns what is set when the first has come."""
        self._held = re.compile(path), threading.Event(), threading.Event()
        return self._held[1]

    def wait_where_held(self, path: str) -> None:
        if self._held and self._held[0].search(path):
            self._held[1].set()
            assert self._held[2].wait(LIMIT)

    def mend(self) -> None:
        with self.lock:
            self._failures.clear()
        if self._held:
            self._held[2].set()
        self._held = None

    def ask(self, method: str, path: str, body: bytes) -> Asked:
        with self.lock:
            self.requests.append(Asked(method, path, body))
            return self.requests[-1]

    def refusal(self, method: str, path: str) -> list[Any] | None:
        with self.lock:
            for failure in self._failures:
                if failure[0] == method and failure[1].search(path) and failure[3] > 0:
                    failure[3] -= 1
                    return failure
        return None

    def whoami(self) -> dict[str, Any]:
        orgs = [
            {"type": "org", "name": name, "fullname": name, "canPay": pays, "isEnterprise": pays, "roleInOrg": "write",
             **({"plan": "team"} if pays else {})}
            for name, pays in self.organisations.items()
        ]  # fmt: skip
        auth: dict[str, Any] = {"type": "oauth" if self.scope == "oauth" else "access_token"}
        if self.scope != "oauth":
            auth["accessToken"] = {"displayName": "laptop", "role": self.scope}
        if self.scope.startswith("fine-grained"):
            permissions = ["repo.content.read", *(["repo.write"] if self.scope == "fine-grained" else [])]
            scoped = [{"entity": {"type": "user", "name": self.name}, "permissions": permissions}]
            auth["accessToken"] |= {"role": "fineGrained", "fineGrained": {"global": [], "scoped": scoped}}
        return {
            "type": "user", "name": self.name, "fullname": self.name, "emailVerified": True, "orgs": orgs, "auth": auth,
            "isPro": self.plan == "pro", "canPay": self.plan == "pro",
        }  # fmt: skip

    def may_write(self, owner: str) -> bool:
        if self.scope in ("read", "fine-grained-read"):
            return False
        return owner == self.name or (owner in self.organisations and self.scope != "fine-grained")

    def create(self, wanted: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        kind, owner = wanted.get("type") or "model", wanted.get("organization") or self.name
        name = f"{owner}/{wanted['name']}"
        url = {"url": f"{self.url}/{'' if kind == 'model' else kind + 's/'}{name}"}
        if not self.may_write(owner):
            return 403, {"error": f'You don\'t have the rights to create a {kind} under the namespace "{owner}"'}
        if (kind, name) in self.repositories:
            return 409, {"error": f"You already created this {kind} repo", **url}
        if not re.fullmatch(r"[\w.-]{1,96}", wanted["name"]) or wanted["name"].endswith(".git"):
            return 400, {"error": f"Invalid repository name {wanted['name']}"}
        hardware, pays = wanted.get("hardware"), self.organisations.get(owner, self.plan == "pro")
        if kind == "space" and wanted["sdk"] in ("gradio", "docker") and not pays:
            zeros = [r for r in self.repositories.values() if r.hardware == "zero-a10g"]
            if hardware != "zero-a10g" or owner != self.name or len(zeros) >= ZERO_SPACES:
                return 402, {"error": FREE_REFUSAL}
        variables = {each["key"]: each["value"] for each in wanted.get("variables", [])}
        private = wanted.get("visibility") == "private"
        made = Repository(kind, name, private, wanted.get("sdk"), hardware, variables)
        made.files[".gitattributes"] = b"*.onnx filter=lfs diff=lfs merge=lfs -text\n"
        if kind == "space":
            made.files["README.md"] = b"---\ntitle: Template\nsdk: static\n---\n"
        made.commit("initial commit", sorted(made.files))
        self.repositories[kind, name] = made
        return 200, url
