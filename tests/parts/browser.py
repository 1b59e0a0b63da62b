"""Chromium, and what a page does in it that a page of ours never does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from attrs import define, field

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Page, Request

CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--headless",
    "--no-sandbox",  # tests run as root in containers
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)
NARROW = 360
"""Pixels: a small telephone."""
_OWN_SCHEMES = ("data", "blob", "about")
_SERIOUS = ("serious", "critical")


@define
class Visitor:
    """Opens pages, and notes what no page of ours may do; the fixture's test fails on any of it at its end.

    ``complaints`` has a line for each message of the console that is an error or a warning, each error that no script
    caught, each dialog, and each request to another place than the page's own: for a file, another directory than the
    one it is in or ``home``; for HTTP another host or port. A test that means to cause one takes it out itself.
    """

    browser: Browser
    complaints: list[str] = field(factory=list)
    _contexts: list[BrowserContext] = field(factory=list)

    def open(
        self,
        where: Path | str,
        *,
        home: Path | None = None,
        width: int = 1280,
        height: int = 900,
        dark: bool = False,
        script: bool = True,
        anchor: str = "",
    ) -> Page:
        """Visit a file or an address with a profile of its own, and wait until it is loaded.

        ``home`` is the directory whose files a page of files may ask for; without it, the directory of the page.
        ``width`` and ``height`` are the window's, in pixels; ``anchor`` is what follows ``#``.
        """
        context = self.browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            java_script_enabled=script,
            reduced_motion="reduce",
        )
        context.set_default_timeout(20_000)
        self._contexts.append(context)
        if isinstance(where, Path):
            own, address = f"{(home or where.parent).resolve().as_uri()}/", where.resolve().as_uri()
        else:
            parts = urlsplit(where)
            own, address = f"{parts.scheme}://{parts.netloc}/", where
        page = context.new_page()
        self._watch(page, own)
        page.goto(f"{address}#{anchor}" if anchor else address)
        return page

    def close(self) -> None:
        """Close every page."""
        while self._contexts:
            self._contexts.pop().close()

    def _watch(self, page: Page, own: str) -> None:
        def said(message: ConsoleMessage) -> None:
            if message.type in {"error", "warning"}:
                self.complaints.append(f"console {message.type}: {message.text}")

        def asked(dialog: Dialog) -> None:
            self.complaints.append(f"dialog: {dialog.message}")
            dialog.dismiss()

        def requested(request: Request) -> None:
            if urlsplit(request.url).scheme not in _OWN_SCHEMES and not request.url.startswith(own):
                self.complaints.append(f"request: {request.url}")

        page.on("console", said)
        page.on("dialog", asked)
        page.on("request", requested)
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("popup", lambda other: self.complaints.append(f"window: {other.url}"))


def obstacles(page: Page) -> list[str]:
    """What axe-core calls a serious or critical obstacle to people who use a keyboard or a screen reader."""
    from axe_playwright_python.sync_playwright import Axe

    # It would ask for style sheets a second time, which a page from a file may not.
    options = {"resultTypes": ["violations"], "preload": False}
    found = Axe().run(page, options=options).response["violations"]
    return [
        f"{each['impact']} {each['id']}: {node['target']} {node.get('failureSummary', '')}"
        for each in found
        if each["impact"] in _SERIOUS
        for node in each["nodes"]
    ]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, without a window; kept for a module only, since other tests count their processes."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def visitor(chromium: Browser) -> Iterator[Visitor]:
    """Somebody who opens pages and minds what they do."""
    someone = Visitor(chromium)
    yield someone
    someone.close()
    if someone.complaints:
        pytest.fail("\n".join(someone.complaints))
