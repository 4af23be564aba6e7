"""A browser's visit to the page, and what its screens are judged by."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.pictures import shot
from tests.web.serving import REPOSITORY
from tests.web.tiny import YELLOW, photo

DESKTOP, PHONE = {"width": 1280, "height": 860}, {"width": 390, "height": 844}
SHIPPED = "Mirror, mirror on the wall, am I a duckling or a cygnet after all?"


def spoken(text: str) -> str:
    """Text of a page with the spaces that are typed, also where no line may end."""
    return text.replace("\u00a0", " ")


@dataclass
class Visit:
    """A browser's tab on the page, and all that it complained about."""

    page: Any
    complaints: list[str] = field(default_factory=list)
    pending: set[Any] = field(default_factory=set)  # requests that have not ended
    answered: int = 0  # times that all questions to gradio's queue had an answer

    def __post_init__(self) -> None:
        # The studio's heartbeat is open as long as its page is
        self.page.on("request", lambda r: self.pending.add(r) if "/heartbeat/" not in r.url else None)
        for ended in ("requestfinished", "requestfailed"):
            self.page.on(ended, self._ended)

    def _ended(self, request: Any) -> None:
        self.pending.discard(request)
        self.answered += "/queue/data?" in request.url

    def shot(self, name: str, *, whole: bool = True) -> None:
        """A screenshot for who asked for them."""
        shot(self.page, name, whole=whole)

    def says(self, pattern: str) -> None:
        """Waits until the mirror says so."""
        self.page.locator("#answer .says").filter(has_text=re.compile(pattern)).wait_for()

    def open_tab(self, name: str) -> None:
        self.page.get_by_role("tab", name=name).click()

    def pick(self, name: str, body: bytes, mime: str = "image/jpeg", *, frame: str = "photo") -> None:
        file = {"name": name, "mimeType": mime, "buffer": body}
        self.page.set_input_files(f"#{frame} input[type=file]", file)

    def drop(self, name: str, body: bytes, mime: str = "image/jpeg", *, frame: str = "photo") -> None:
        """Drags a file from the desktop onto the photo's frame."""
        zone = f"#{frame} button.upload-container"
        self.page.locator(zone).wait_for()
        self.hand_over(zone, ["dragenter", "dragover", "drop"], name, body, mime)

    def paste(self, name: str, body: bytes, mime: str = "image/png") -> None:
        """Ctrl+V, with a file on the clipboard."""
        self.hand_over("body", ["paste"], name, body, mime)

    def hand_over(self, selector: str, events: list[str], name: str, body: bytes, mime: str) -> None:
        self.page.evaluate(
            """([selector, events, name, mime, bytes]) => {
                const data = new DataTransfer(), settings = {bubbles: true, cancelable: true};
                data.items.add(new File([new Uint8Array(bytes)], name, {type: mime}));
                for (const kind of events)
                    document.querySelector(selector).dispatchEvent(
                        kind === "paste" ? new ClipboardEvent(kind, {clipboardData: data, ...settings})
                                         : new DragEvent(kind, {dataTransfer: data, ...settings}));
            }""",
            [selector, events, name, mime, list(body)],
        )

    def goto(self, url: str) -> None:
        """Another address, as a visitor types it who has seen the page at rest: no request of it is cut off."""
        self._open(lambda: self.page.goto(url))

    def reload(self) -> None:
        """The page once more, in the same way."""
        self._open(self.page.reload)

    def _open(self, load: Callable[[], Any]) -> None:
        """The page at rest, with the model that its address names, or that was chosen here before."""
        self.rest()
        answered = self.answered
        load()
        self.is_ready()
        end = time.monotonic() + TIMEOUT / 1000
        while self.answered == answered:
            assert time.monotonic() < end, "The page has not asked which models there are."
            self.page.wait_for_timeout(20)
        self.rest(300)

    def is_ready(self) -> None:
        """Waits until the page's own script runs, and no part of gradio is still on its way."""
        self.page.locator("#question h1").wait_for()
        self.page.locator('[role="tab"][tabindex="-1"]').first.wait_for()
        self.page.locator("p.loading").first.wait_for(state="detached")

    def rest(self, quiet: int = 0) -> None:
        """Waits until every request has ended, and none has begun for `quiet` ms: the page must leave none open."""
        end, since = time.monotonic() + TIMEOUT / 1000, time.monotonic()
        while self.pending or time.monotonic() < since + quiet / 1000:
            assert time.monotonic() < end, [request.url for request in self.pending]
            if self.pending:
                since = time.monotonic()
            self.page.wait_for_timeout(50)

    def bars(self) -> dict[str, str]:
        """The probabilities as they are shown."""
        rows = self.page.locator("#probabilities .bars li")
        return dict(map(spoken, row.locator("span").all_text_contents()) for row in rows.all())


TIMEOUT = 90_000  # ms, on a busy machine; nothing here is about speed


@contextlib.contextmanager
def visiting(
    chromium: Any, url: str, *, viewport: dict = DESKTOP, dark: bool = False, **context: Any
) -> Iterator[Visit]:
    """Opens the page; in the end the browser must have nothing to complain of, and have asked no other server."""
    tab = chromium.new_context(viewport=viewport, color_scheme="dark" if dark else "light", **context)
    page = tab.new_page()
    page.set_default_timeout(TIMEOUT)
    visit = Visit(page)
    page.on("console", lambda message: visit.complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: visit.complaints.append(f"uncaught: {error}"))
    page.on("response", lambda r: visit.complaints.append(f"{r.status} {r.url}") if r.status >= 400 else None)
    own = (url.partition("?")[0], "data:", "blob:")
    page.on("request", lambda r: visit.complaints.append(f"asked {r.url}") if not r.url.startswith(own) else None)
    visit.goto(url)
    yield visit
    visit.rest()
    tab.close()
    assert visit.complaints == [], visit.complaints


def realistic() -> bytes:
    """A real photo where there is one, for screenshots worth looking at."""
    ducklings = REPOSITORY.parent / "shared" / "data" / "waterfowl" / "duckling"
    photos = sorted(ducklings.glob("*.jpg")) if ducklings.is_dir() else []
    return max(photos, key=lambda p: p.stat().st_size).read_bytes() if photos else photo(YELLOW)


CONTRAST = """() => {
    const channel = v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    const luminance = c => 0.2126 * channel(c[0]) + 0.7152 * channel(c[1]) + 0.0722 * channel(c[2]);
    const parse = text => {
        const n = text.match(/[\\d.]+/g).map(Number), scale = text.startsWith('color(') ? 255 : 1;
        return [n[0] * scale, n[1] * scale, n[2] * scale, n[3] ?? 1]; };
    const over = (top, under) => top.slice(0, 3).map((v, i) => v * top[3] + under[i] * (1 - top[3]));
    const ground = e => { const stack = [];
        for (; e; e = e.parentElement) {
            const c = parse(getComputedStyle(e).backgroundColor);
            if (c[3]) stack.push(c);
            if (c[3] === 1) break; }
        return stack.reverse().reduce((under, top) => over(top, under), [255, 255, 255]); };
    const poor = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node; node = walker.nextNode();) {
        const e = node.parentElement, box = e.getBoundingClientRect(), style = getComputedStyle(e);
        if (!node.data.trim() || !box.width || style.visibility !== 'visible') continue;
        if (e.closest('script, style, [aria-hidden=true]')) continue;
        const behind = ground(e), a = luminance(over(parse(style.color), behind)), b = luminance(behind);
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < 4.5) poor.push(`${ratio.toFixed(2)} ${node.data.trim().slice(0, 40)}`);
    }
    return poor;
}"""


# Elements with words of their own that lie over each other, or beyond the side of the screen or of a box that cuts them
OVERLAPS = """() => {
    const seen = [], found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node; node = walker.nextNode();) {
        const parent = node.parentElement, style = getComputedStyle(parent);
        const visible = parent.checkVisibility({opacityProperty: true, visibilityProperty: true});
        if (!node.data.trim() || !visible || style.clipPath !== 'none' || style.clip !== 'auto') continue;
        if (parent.closest('script, style, [aria-hidden=true], .scroll')) continue;
        const range = document.createRange();
        range.selectNodeContents(node);
        for (const box of range.getClientRects())
            if (box.width > 1 && box.height > 1) seen.push([node.data.trim(), box]);
        for (let around = parent; around; around = around.parentElement) {
            const side = around.getBoundingClientRect(), text = range.getBoundingClientRect();
            const beyond = text.right > side.right + 1 || text.left < side.left - 1;
            if (beyond && side.width > 1 && getComputedStyle(around).overflowX === 'hidden')
                found.push(`${node.data.trim()} is cut`);
        }
    }
    for (const [i, [words, a]] of seen.entries()) {
        if (a.right > document.documentElement.clientWidth + 1 || a.left < -1) found.push(`${words} is cut`);
        for (const [others, b] of seen.slice(i + 1)) {
            const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
            const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
            if (across > 3 && down > 6) found.push(`${words} / ${others}`);
        }
    }
    return found;
}"""


# Rules in @media of gradio's `css`, which it puts behind a prefix: what they are for, and no longer reach for it
UNREACHED = """() => {
    const prefix = /\\.gradio-container\\.gradio-container-[\\d-]+ \\.contain /g, lost = [];
    const look = (rules, media) => {
        for (const rule of rules) {
            if (rule instanceof CSSMediaRule) look(rule.cssRules, true);
            else if (media && rule.selectorText?.match(prefix)) {
                const bare = rule.selectorText.replace(prefix, '');
                if (document.querySelector(bare) && !document.querySelector(rule.selectorText)) lost.push(bare);
            }
        }
    };
    for (const sheet of document.styleSheets) look(sheet.cssRules, false);
    return lost;
}"""


def drop_files(page: Any, selector: str, *paths: Path) -> None:
    """Drops files and folders as a mouse does, which a script cannot: folders have entries then."""
    page.locator(selector).scroll_into_view_if_needed()
    box = page.locator(selector).bounding_box()
    place = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    session = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, **place, "data": data})


def choose(visit: Visit, name: str) -> None:
    visit.page.get_by_label("Model").click()
    visit.page.get_by_role("option", name=re.compile(f"^.?{name}")).click()
