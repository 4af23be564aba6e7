"""What of a model was published, and where: models/.published/<name>.json, which outlives the model's trainings.

    keep_record(model, published)          what `mirror publish` leaves of each repository
    read_record(Path("models/fruit"))      the same again; None where nothing was published from here

The folder of models is the person's own, so what lies there is believed; but an address is shown only where it is one
of the web.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from pydantic import Field

from mirror.errors import ModelFolderError, PublishError
from mirror.model_folder import ModelFolder
from mirror.model_schema import ModelInfo
from mirror.storage import make_folder, parse_json, read_file, write_atomically
from mirror.typed_json import List, Record, decode, encode

RECORDS = ".published"
SPACE = "space"
MAX_BYTES = 1 << 20


@dataclass(frozen=True)
class Published(Record):
    """kind: space, model or dataset; repository: where it is at the Hub; page: where a Space answers, "" for others;
    time: when, in UTC; model: when the model was made that was published."""

    kind: str
    repository: str
    page: str = ""
    time: str = ""
    model: str = ""


@dataclass(frozen=True)
class PublicationRecord(Record):
    """published: one or more."""

    published: Annotated[List[Published], Field(min_length=1)]

    @property
    def day(self) -> str:
        """When something was published last."""
        return max(one.time for one in self.published)[:10]

    @property
    def addresses(self) -> list[str]:
        """Those of the web, Spaces first and of these the latest: its page, then what the Hub shows of it."""
        latest = sorted(reversed(self.published), key=lambda one: one.kind != SPACE)
        found = [address for one in latest for address in (one.page, one.repository)]
        return [address for address in found if address.startswith(("https://", "http://"))]

    def is_of(self, info: ModelInfo) -> bool:
        """Whether what was published last is this model."""
        return max(self.published, key=lambda one: one.time).model == (info.created_at or "")


def keep_record(model: ModelFolder, published: Published) -> None:
    """Adds to the record what was published now, in place of the same repository, whose page stays where none is given.
    Raises PublishError where it cannot be written."""
    record = read_record(model.path)
    before = record.published if record else ()
    page = published.page or next((one.page for one in before if one.repository == published.repository), "")
    now = datetime.now(UTC).isoformat(timespec="seconds")
    new = replace(published, page=page, time=now, model=model.info.created_at or "")
    kept = [one for one in before if one.repository != published.repository]
    path = _path(model.path)
    body = json.dumps(encode(PublicationRecord((*kept, new))), indent=1, ensure_ascii=False)
    try:
        make_folder(path.parent, inside=path.parents[1])
        write_atomically(path, body.encode() + b"\n", inside=path.parents[1])
    except OSError as error:
        reason = (error.strerror or "").lower()
        raise PublishError(f"It is published, but {path} cannot be written ({reason}), which would say so.") from None


def read_record(model: Path) -> PublicationRecord | None:
    """None where nothing was published, or where what says so cannot be read: it is a reminder and no more."""
    path = _path(model)
    try:
        return decode(PublicationRecord, parse_json(read_file(path, limit=MAX_BYTES, inside=path.parents[1])))
    except (OSError, ValueError, ModelFolderError):
        return None


def _path(model: Path) -> Path:
    there = model.absolute()
    return there.parent / RECORDS / f"{there.name}.json"
