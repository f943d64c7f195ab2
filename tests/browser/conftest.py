"""The real app in a real browser.

chromium   one headless Chromium for the whole run; skips where there is none
page       a fresh page of it that remembers nothing of another test; after the test it fails on any uncaught error and
           any error shown by Streamlit
app        ``streamlit run app.py`` with an empty folder of artifacts of its own, one server a test file:
           ``app.url``, ``app.artifacts``
serve      starts further servers: ``with serve(script) as served: page.goto(served.url)``
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.browser.serving import ARGUMENTS, ROOT, SIZE, Served, chromium_path, running, watched


# What Playwright says when it waited in vain, as for a click that fell into a redraw and was lost.
WAITED_IN_VAIN = [r"Timeout \d+ms exceeded", r"(Locator|Page)[^\n]* expected to"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test here that waited in vain is tried once more, and the summary names it; one that is wrong fails."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.flaky(reruns=1, only_rerun=WAITED_IN_VAIN))


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = chromium_path()
    if path is None:
        pytest.skip("no Chromium: install it, or name it in the variable CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def visitor(chromium: Browser) -> Iterator[BrowserContext]:
    """One visitor for all pages: the browser compiles the scripts of the app once, not once a test."""
    context = chromium.new_context(viewport=SIZE)  # type: ignore[arg-type]
    yield context
    context.close()


@pytest.fixture
def page(visitor: BrowserContext) -> Iterator[Page]:
    with watched(visitor) as shown:
        yield shown
        if shown.url.startswith("http"):
            shown.evaluate("localStorage.clear(), sessionStorage.clear()")
    visitor.clear_cookies()


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], AbstractContextManager[Served]]:
    return lambda script: running(script, tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="module")
def app(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with running(ROOT / "app.py", tmp_path_factory.mktemp("app")) as served:
        yield served
