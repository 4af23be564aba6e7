"""What the local Hub answers, address by address, as huggingface_hub asks (hub_models.py keeps what is published)."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

if TYPE_CHECKING:
    from tests.world.hub import Hub, Repository

KINDS = {"models": "model", "datasets": "dataset", "spaces": "space"}
LARGE = 10 * 1024 * 1024
LICENSES = {"other", "apache-2.0", "mit", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0"}
COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}


def check_card(content: str, kind: str) -> list[str]:
    """What the Hub would not take of a README's front matter."""
    if not content.startswith("---\n"):
        return []
    front = yaml.safe_load(content.split("---\n")[1])
    errors = [] if isinstance(front, dict) else ["must be an object"]
    if not errors and front.get("license", "other") not in LICENSES:
        errors.append('"license" must be one of a list')
    if kind == "space" and not errors:
        errors += [f'"{key}" must be one of a few' for key in ("colorFrom", "colorTo") if front.get(key) not in COLOURS]
        errors += ['"sdk" is required'] if front.get("sdk") not in ("gradio", "docker", "static") else []
        if len(front.get("short_description", "")) > 60:
            errors.append('"short_description" length must be less than or equal to 60 characters long')
        if front.get("sdk") == "gradio" and not re.fullmatch(r"\d+\.\d+\.\d+", str(front.get("sdk_version"))):
            errors.append('"sdk_version" must be a valid semver version')
    return errors


class HubHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        split = urlsplit(self.path)
        path, self.query = unquote(split.path), parse_qs(split.query)
        asked = self.hub.ask(self.command, path, body)
        refused = self.hub.refusal(self.command, path)
        self.hub.wait_where_held(path)
        with self.hub.lock:
            if refused is None or refused[5]:
                asked.status, answer, headers = self._answered(path, body)
        if refused is not None:
            _, _, asked.status, _, error, _, headers = refused
            answer = error if isinstance(error, bytes) else {"error": error or f"refused with {asked.status}"}
        if asked.status == 0:
            self.close_connection = True
            return
        with contextlib.suppress(ConnectionError):  # who asked may have been killed meanwhile
            self._send(asked.status, answer, headers)

    def _send(self, status: int, answer: Any, headers: dict[str, Any]) -> None:
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _any

    def _answered(self, path: str, body: bytes) -> tuple[int, Any, dict[str, Any]]:
        """Status, JSON or bytes, and headers."""
        hub, parts = self.hub, path.strip("/").split("/")
        if parts[0] in ("lfs", "v1", "v2"):  # what uploads go to has addresses of its own
            return self._stored(parts, body)
        if parts[0] == "oauth":
            return self._device_login(parts[1:])
        if self.headers.get("Authorization") != f"Bearer {hub.token}":
            return 401, {"error": "Invalid username or password."}, {}
        if hub.scope == "expired":
            words = 'User Access Token "laptop" is expired'
            return 401, {"error": words}, {"X-Error-Message": words}
        if path == "/api/whoami-v2":
            return 200, hub.whoami(), {}
        if path == "/api/repos/create":
            return *hub.create(json.loads(body)), {}
        if path == "/api/validate-yaml":
            wanted = json.loads(body)
            errors = check_card(wanted["content"], wanted["repoType"])
            return 400 if errors else 200, {"errors": [{"message": e} for e in errors], "warnings": []}, {}
        if path.endswith(".git/info/lfs/objects/batch"):
            return 200, self._batch(json.loads(body)), {}
        if parts[0] == "api" and parts[1] in KINDS and len(parts) >= 4:
            repository = hub.repositories.get((KINDS[parts[1]], "/".join(parts[2:4])))
            if repository is None:
                return 404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"}
            return self._of_repository(repository, parts[4:], body)
        return 404, {"error": f"no such page: {path}"}, {}

    def _device_login(self, rest: list[str]) -> tuple[int, Any, dict[str, Any]]:
        """A code for a login by the browser, and, each time it is asked, what became of it."""
        if rest == ["device"]:
            page = f"{self.hub.url}/oauth/device"
            code = {"device_code": "of-the-device", "user_code": "ABCD-1234", "verification_uri": page}
            return 200, code | {"verification_uri_complete": page, "expires_in": 300, "interval": 0.05}, {}
        if self.hub.device:
            return 400, {"error": self.hub.device}, {}
        self.hub.scope = "oauth"
        return 200, {"access_token": self.hub.token, "refresh_token": "hf_refresh", "expires_in": 2592000}, {}

    def _of_repository(self, repository: Repository, rest: list[str], body: bytes) -> tuple[int, Any, dict[str, Any]]:
        hub, what = self.hub, rest[0] if rest else "info"
        if what in ("info", "revision"):
            return 200, self._info(repository), {}
        if what == "tree":
            return 200, [self._entry(repository, path) for path in sorted(repository.files)], {}
        if what == "paths-info":
            wanted = parse_qs(body.decode()).get("paths", [])
            return 200, [self._entry(repository, path) for path in wanted if path in repository.files], {}
        if what == "preupload":
            return 200, {"files": [self._preupload(repository, file) for file in json.loads(body)["files"]]}, {}
        if what == "runtime":
            stage = repository.stages.pop(0) if repository.stages else hub.ends
            return 200, {"stage": stage, "hardware": {"current": repository.hardware, "requested": None}}, {}
        if what == "restart":
            repository.stages = list(hub.stages)
            return 200, {"stage": "BUILDING", "hardware": {"current": repository.hardware, "requested": None}}, {}
        if what == "hardware":
            repository.hardware = json.loads(body)["flavor"]
            return 200, {"stage": "BUILDING", "hardware": {"current": None, "requested": repository.hardware}}, {}
        if what == "logs":
            lines = [
                f"data: {json.dumps({'timestamp': '2026-11-28T10:00:00.000Z', 'data': line})}\n\n" for line in hub.logs
            ]
            return 200, "".join(lines).encode(), {"Content-Type": "text/event-stream"}
        if what == "xet-write-token":
            headers = {"X-Xet-Cas-Url": hub.url, "X-Xet-Access-Token": "xet", "X-Xet-Token-Expiration": str(2**40)}
            return 200, {"accessToken": "xet", "exp": 2**40, "casUrl": hub.url}, headers
        if what == "commit":
            if not hub.may_write(repository.name.partition("/")[0]):
                return 403, {"error": "Forbidden: you don't have the rights to write to this repository"}, {}
            return self._commit(repository, [json.loads(line) for line in body.splitlines()])
        return 404, {"error": f"no such page: {rest}"}, {}

    def _info(self, repository: Repository) -> dict[str, Any]:
        about = {"id": repository.name, "sha": repository.head, "private": repository.private, "tags": []}
        about |= {"siblings": [{"rfilename": path} for path in sorted(repository.files)]}
        if repository.kind == "space":
            host = self.hub.hosts.get(repository.name, f"https://{repository.name.replace('/', '-')}.hf.space")
            about |= {"sdk": repository.sdk, "host": host, "subdomain": repository.name.replace("/", "-")}
        return about

    def _entry(self, repository: Repository, path: str) -> dict[str, Any]:
        size = repository.lfs[path][1] if path in repository.lfs else len(repository.files[path])
        entry = {"type": "file", "path": path, "size": size, "oid": repository.oid(path)}
        if path in repository.lfs:
            entry["lfs"] = {"oid": repository.lfs[path][0], "size": size, "pointerSize": 130}
        return entry

    def _preupload(self, repository: Repository, file: dict[str, Any]) -> dict[str, Any]:
        binary = b"\0" in base64.b64decode(file["sample"])
        large = binary or file["size"] > LARGE if self.hub.mode == "auto" else self.hub.mode == "lfs"
        known = {"oid": repository.oid(file["path"])} if file["path"] in repository.files else {}
        return {"path": file["path"], "uploadMode": "lfs" if large else "regular", "shouldIgnore": False, **known}

    def _batch(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """Where the objects go: each in one piece, or in several of `part` bytes."""
        objects = []
        for one in wanted["objects"]:
            oid, size, place = one["oid"], one["size"], f"{self.hub.url}/lfs/{one['oid']}"
            if oid in self.hub.blobs:
                objects.append({"oid": oid, "size": size})
                continue
            upload: dict[str, Any] = {"href": place}
            if self.hub.part and size > self.hub.part:
                count = -(-size // self.hub.part)
                parts = {str(number): f"{place}/{number}" for number in range(1, count + 1)}
                upload["header"] = {"chunk_size": str(self.hub.part), **parts}
            verify = {"href": f"{place}/verify"}
            objects.append({"oid": oid, "size": size, "actions": {"upload": upload, "verify": verify}})
        return {"transfer": "multipart" if self.hub.part else "basic", "objects": objects}

    def _stored(self, parts: list[str], body: bytes) -> tuple[int, Any, dict[str, Any]]:
        hub = self.hub
        if parts[0] != "lfs":  # Xet's store, which takes what it is given and keeps none of it
            if "xorbs" in parts:
                return 200, {"was_inserted": True}, {}
            return (200, b'{"type":"result","result":1}\n', {}) if "shards" in parts else (404, {}, {})
        oid = parts[1]
        if self.command == "PUT" and len(parts) == 3:
            hub.parts.setdefault(oid, {})[int(parts[2])] = body
            return 200, {}, {"ETag": f'"{hashlib.md5(body).hexdigest()}"'}
        if len(parts) == 2:
            whole = body if self.command == "PUT" else b"".join(piece for _, piece in sorted(hub.parts[oid].items()))
            if hashlib.sha256(whole).hexdigest() != oid:
                return 400, {"error": "these are not the bytes that were announced"}, {}
            hub.blobs[oid] = whole
        return (200, {}, {}) if oid in hub.blobs else (404, {"error": "no such object"}, {})

    def _commit(self, repository: Repository, lines: list[dict[str, Any]]) -> tuple[int, Any, dict[str, Any]]:
        header, changes = lines[0]["value"], lines[1:]
        if header.get("parentCommit") not in (None, repository.head):
            return 412, {"error": "A commit has happened since. Please refresh and try again."}, {}
        files, lfs = dict(repository.files), dict(repository.lfs)
        for change in changes:
            value, path = change["value"], change["value"]["path"]
            lfs.pop(path, None)
            if change["key"] == "file":
                files[path] = base64.b64decode(value["content"])
            elif change["key"] == "lfsFile":
                files[path] = self.hub.blobs.get(value["oid"], b"")
                lfs[path] = value["oid"], value["size"]
            elif files.pop(path, None) is None:
                return 404, {"error": f"A file with this name doesn't exist: {path}"}, {"X-Error-Code": "EntryNotFound"}
        if repository.kind == "space" and (errors := check_card(files["README.md"].decode(), "space")):
            return 400, {"error": errors[0]}, {}
        repository.files, repository.lfs = files, lfs
        repository.stages = list(self.hub.stages)
        oid = repository.commit(header["summary"], [change["value"]["path"] for change in changes])
        return 200, {"commitUrl": f"{self.hub.url}/{repository.name}/commit/{oid}", "commitOid": oid}, {}

    def log_message(self, *_: object) -> None:
        pass
