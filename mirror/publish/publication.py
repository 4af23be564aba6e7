"""A model is published: folders, checks, the account, the plan, then model, data set and Space, each as one commit.

    publication = Publication(model, kind="auto", …)
    publication.write(Path("out"))                 # without network or account: out/space/, out/model/, out/dataset/
    publication.publish(api, say, confirm)         # to the Hub

Nothing is made on the Hub before every check has passed. Every step may be repeated: what is there already is left as
it is, so the same command goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mirror.describe import ModelDescription
from mirror.errors import PublishError, UsageError
from mirror.model_folder import ModelFolder, published_name
from mirror.progress import working
from mirror.publish.account import Account, read_account
from mirror.publish.content_checks import check_files
from mirror.publish.dataset_repository import PHOTOS_CSV, dataset_repository
from mirror.publish.hub_refusals import refusals, require_endpoint
from mirror.publish.model_repository import model_repository
from mirror.publish.publication_record import Published, keep_record
from mirror.publish.published_files import Files, megabytes, size_of, total_size, write_folder
from mirror.publish.repository_commit import RepositoryPlan, check_card, publish_repository, require_free, require_sent
from mirror.publish.repository_name import repository_name
from mirror.publish.requirement_check import check_requirements
from mirror.publish.space_container import space_container
from mirror.publish.space_gradio import BUILDER, PYTHON, REQUIREMENTS, ZERO_HARDWARE, space_gradio
from mirror.publish.space_static import space_static
from mirror.publish.space_trial import (
    ask_example,
    build_anew,
    check_site,
    example_of,
    patiently,
    require_hardware,
    wait_until_it_runs,
)
from mirror.static_site.site_files import NETWORK
from mirror.static_site.site_tabs import WORDS, tab_model
from mirror.tasks.registry import check
from mirror.tasks.request import ZERO_SHOT, TaskRequest

if TYPE_CHECKING:
    from huggingface_hub import HfApi

AUTO, STATIC, GRADIO, ZERO, CONTAINER = "auto", "static", "gradio", "zero", "container"
WAYS = (AUTO, STATIC, GRADIO, ZERO, CONTAINER)
SPACE, MODEL, DATASET = "space", "model", "dataset"
PARTS = (SPACE, MODEL, DATASET)
SDKS = {STATIC: "static", GRADIO: "gradio", ZERO: "gradio", CONTAINER: "docker"}
WITHOUT_ACCOUNT = STATIC  # what auto builds where no account is asked: what every account may host
LARGE_FOR_A_PHONE = 40e6  # bytes
UNPUBLISHED = "Nothing was published."
BUILDING = "Building and checking the folders"
COSTS = {
    STATIC: "a static Space, free for everyone: the photo is answered in the visitor's browser",
    GRADIO: "a Gradio Space on free CPU, which needs PRO or an organisation with a plan",
    ZERO: "a Gradio Space on ZeroGPU, of which a free account may have two",
    CONTAINER: "a Docker Space on free CPU, which needs PRO or an organisation with a plan",
}


@dataclass(frozen=True)
class Publication:
    """way: one of WAYS; parts: of PARTS; data: the model's photo folder, where it is here; license: of the photos;
    own_photos: they belong to who publishes them; others: models that are shown on the same static page, and are not
    published but for that; again: a Space that has all files already is built anew; tabs: further
    ones of the static page (mirror/static_site/site_tabs.py); words: what answers in the one of that name. Raises
    UsageError where they cannot be."""

    model: ModelFolder
    way: str = AUTO
    parts: tuple[str, ...] = PARTS
    private: bool = False
    data: Path | None = None
    license: str | None = None
    own_photos: bool = False
    others: tuple[ModelFolder, ...] = ()
    again: bool = False
    tabs: tuple[str, ...] = ()
    words: TaskRequest | None = None

    def __post_init__(self) -> None:
        if self.tabs and (self.way not in (AUTO, STATIC) or SPACE not in self.parts):
            raise UsageError("Further tabs are for a static page: add --as static, or leave out --tabs.")
        if WORDS in self.tabs:
            check(self.words or TaskRequest(ZERO_SHOT))
        for tab in self.tabs:
            found = tab_model(tab)
            if found and found.info.labels in [model.info.labels for model in (self.model, *self.others)]:
                raise UsageError(f"The page shows {tab} already: leave the tab {tab} out of --tabs.")
        if not self.others:
            return
        if self.way not in (AUTO, STATIC) or SPACE not in self.parts:
            raise UsageError(
                "Several models are shown on a static page alone: add --as static, or publish one at a time."
            )
        names = [published_name(model.info) for model in (self.model, *self.others)]
        if twice := [name for name in names if names.count(name) > 1]:
            raise UsageError(f"Two of the models are called {twice[0]}: a page cannot tell them apart.")

    @property
    def photos_may_go(self) -> bool:
        return self.own_photos or self.license is not None

    @property
    def left_out(self) -> str | None:
        """Why there is no data set among the parts that were asked for, None where there is one."""
        if DATASET not in self.parts:
            return None
        if ModelDescription(self.model.info).published:
            return "No data set: the model was trained on one that others published."
        if PHOTOS_CSV not in self.model.info.files:
            return f"No data set: the model has no {PHOTOS_CSV}."
        return None

    @property
    def photos_said(self) -> str:
        """Whether photos go, in a sentence."""
        if self.own_photos:
            return "Photos go, as yours."
        return f"Photos go, under {self.license}." if self.license else "No photo goes, only the list of them."

    def write(self, out: Path, repository: str | None, say: Callable[[str], None]) -> None:
        """The folders of the parts, in `out`. repository: OWNER/NAME, where it is known. Raises PublishError."""
        way = WITHOUT_ACCOUNT if self.way == AUTO else self.way
        with working(BUILDING, say):
            built = self._built(way, repository)
        for part, files in built.items():
            write_folder(out / part, files)
            say(f"{out / part}: {len(files):,} files, {megabytes(total_size(files))}")
        for line in (self._words_said(built.get(SPACE, {})), self.left_out):
            if line:
                say(line)

    def publish(
        self, api: HfApi, repository: str | None, say: Callable[[str], None], confirm: Callable[[], bool],
        dry_run: bool = False,
    ) -> None:  # fmt: skip
        """To the Hub. repository: OWNER/NAME, NAME, or None for the model's own name. confirm: whether to go on, once
        the plan was said; dry_run: ends there. Raises PublishError, UsageError."""
        require_endpoint(api.endpoint)
        with refusals():
            account = read_account(api.whoami())
        name = repository_name(account.name, repository, self.model.info.name)
        owner = name.partition("/")[0]
        account.require_write(owner)
        way = self._choose(account, owner)
        with working(BUILDING, say):
            plans = self._plans(way, name)
        there = {plan.kind for plan in plans if require_free(api, plan)}
        for plan in plans:
            check_card(api, plan)
        if SPACE in self.parts and way in (GRADIO, ZERO):
            check_requirements(REQUIREMENTS, BUILDER, PYTHON, say)
        say(f"As {account.name}" + (f", for {owner}" if owner != account.name else "") + f", to {api.endpoint}:")
        for plan in plans:
            say(f"  {plan.summary}")
        if SPACE in self.parts:
            say(f"  The Space is {COSTS[way]}.")
            if line := self._words_said(plans[-1].files):
                say(f"  {line}")
        if {MODEL, DATASET} & set(self.parts):
            say(f"  {self.photos_said}")
            if self.others:
                say(f"  Model and data set are those of {self.model.info.name}: publish the others one at a time.")
        if self.left_out:
            say(f"  {self.left_out}")
        if dry_run or not confirm():
            say(UNPUBLISHED)
            return
        for plan in plans:
            sent = publish_repository(api, plan, say)
            if sent:
                say(patiently(partial(require_sent, api, plan)))
            self._keep(Published(plan.kind, f"{api.endpoint}/{plan.address}"), say)
        if SPACE in self.parts:
            if self.again and way != STATIC and not sent:  # the Space comes last
                build_anew(api, name)
            if way == ZERO and SPACE in there:
                require_hardware(api, name, ZERO_HARDWARE)
            page = self._try_space(api, way, name, plans[-1].files, say)
            self._keep(Published(SPACE, f"{api.endpoint}/{plans[-1].address}", page), say)
        for plan in plans:
            say(f"{api.endpoint}/{plan.address}")

    def _keep(self, published: Published, say: Callable[[str], None]) -> None:
        """In the record, at once: it is published, whatever becomes of what follows."""
        try:
            keep_record(self.model, published)
        except PublishError as error:
            say(str(error))

    def _words_said(self, files: Files) -> str | None:
        """What the tab of one's own words costs its visitors; None where there is none."""
        if WORDS not in self.tabs:
            return None
        size = size_of(files[f"tabs/{WORDS}/{NETWORK}"])
        said = f"The tab {WORDS} brings {megabytes(size)} to each visitor who opens it"
        if size <= LARGE_FOR_A_PHONE:
            return f"{said}."
        return (
            f"{said}, which is much for a phone: a smaller model takes less, or one that `mirror compile --task "
            f"{ZERO_SHOT} --precision int8` made, by --words-model."
        )

    def _choose(self, account: Account, owner: str) -> str:
        """The way, for `auto` by what the account may host. Raises PublishError for one that it may not."""
        pays = account.may_host_gradio(owner)
        if self.others or self.tabs:
            return STATIC
        if self.way == AUTO:
            return GRADIO if pays else STATIC
        if SPACE in self.parts and self.way in (GRADIO, CONTAINER) and not pays:
            raise PublishError(
                f"{owner} may not host a Space of that kind for free: subscribe at https://huggingface.co/pro, or take "
                "--as static, which is free for everyone, or --as zero, of which a free account may have two."
            )
        if SPACE in self.parts and self.way == ZERO and owner != account.name and not pays:
            raise PublishError(
                f"{owner} may not host a Space on ZeroGPU without a plan: publish to {account.name} with --to, or take "
                "--as static."
            )
        return self.way

    def _plans(self, way: str, name: str) -> list[RepositoryPlan]:
        """The repositories in the order in which they are made."""
        settings: dict[str, Any] = {"space_sdk": SDKS[way]}
        if way == ZERO:
            settings["space_hardware"] = ZERO_HARDWARE
        return [
            RepositoryPlan(part, name, files, self.private, settings if part == SPACE else None)
            for part, files in self._built(way, name).items()
        ]

    def _built(self, way: str, repository: str | None) -> dict[str, Files]:
        """Part → files, checked; the Space last."""
        built: dict[str, Files] = {}
        if MODEL in self.parts:
            built[MODEL] = model_repository(self.model, repository=repository, photos_may_go=self.photos_may_go)
            check_files("model", built[MODEL], self.photos_may_go)
        if DATASET in self.parts and not self.left_out:
            built[DATASET] = dataset_repository(
                self.model, self.data, license=self.license, photos_may_go=self.photos_may_go
            )
            check_files("dataset", built[DATASET], self.photos_may_go)
        if SPACE in self.parts:
            kind = GRADIO if way == ZERO else way
            built[SPACE] = self._space(way, repository, built)
            check_files(kind, built[SPACE], self.photos_may_go)
        return built

    def _space(self, way: str, repository: str | None, others: dict[str, Files]) -> Files:
        builders: dict[str, Callable[..., Files]] = {
            STATIC: partial(space_static, others=self.others, tabs=self.tabs, words=self.words),
            CONTAINER: space_container,
        }
        build = builders.get(way, space_gradio)
        published = ModelDescription(self.model.info).published
        return build(
            self.model,
            repository=repository,
            models=[repository] if repository and MODEL in others else [],
            datasets=[repository] if repository and DATASET in others else [published.hub] if published else [],
            photos_may_go=self.photos_may_go,
        )

    def _try_space(self, api: HfApi, way: str, name: str, files: Files, say: Callable[[str], None]) -> str:
        """Asks the Space, where it runs. Returns its page's address, "" where it is not known."""
        if not wait_until_it_runs(api, name, say):
            return ""
        with refusals(name):
            address = api.space_info(name).host
        if address:
            from huggingface_hub import get_token

            token = get_token() if self.private else None
            if way == STATIC:
                say(patiently(lambda: check_site(address, files, token, [self.model, *self.others])))
            else:
                example = example_of(self.model)
                say(patiently(lambda: ask_example(address, example, token)))
        say(f"{address or name} answers.")
        return address or ""
