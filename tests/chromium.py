"""A real browser whose pages are watched: what they asked for, logged and threw."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

PHONE = {"width": 390, "height": 844}


@contextmanager
def chromium() -> Iterator[Any]:
    """Starts the browser, or skips the test without it."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright, which drives the browser, is not installed")
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        pytest.skip("there is no Chromium here: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program)
        yield browser
        browser.close()


class Visits:
    """Opens pages and watches them.

    Args:
        browser: from :func:`chromium`.
        width: of the window.

    Attributes:
        requests: addresses that pages asked for.
        said: what they logged and threw.
    """

    def __init__(self, browser: Any, width: int = 1200) -> None:
        self._browser, self._width = browser, width
        self._contexts: list[Any] = []
        self.requests: list[str] = []
        self.said: list[str] = []

    def open(self, address: str, **options: Any) -> Any:
        """Opens a page in a context of its own, with options of that."""
        context = self._browser.new_context(**{"viewport": {"width": self._width, "height": 900}, **options})
        self._contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.goto(address)
        return page

    def close(self) -> None:
        """Closes all pages."""
        for context in self._contexts:
            context.close()
