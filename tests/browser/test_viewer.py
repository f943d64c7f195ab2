"""The viewer in real Chromium: what it shows, what it selects, what it tells Python and what it does not send."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, WebSocket, expect
from serving import Served

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def viewer(chromium: Browser, serve: Callable[[Path], AbstractContextManager[Served]]) -> Iterator[Served]:
    with serve(HERE / "viewer_app.py") as served:
        yield served


class Traffic:
    """Messages between the page and its server."""

    def __init__(self, page: Page) -> None:
        self.sent: list[int] = []
        self.received: list[int] = []
        page.on("websocket", self._watch)

    def _watch(self, socket: WebSocket) -> None:
        socket.on("framesent", lambda data: self.sent.append(len(data)))
        socket.on("framereceived", lambda data: self.received.append(len(data)))

    def forget(self) -> None:
        self.sent.clear()
        self.received.clear()


def open_view(page: Page, served: Served, query: str = "") -> Locator:
    page.goto(f"{served.url}/?{query}")
    root = page.locator(".matrep")
    expect(root).to_have_attribute("data-drawn", re.compile(r"\d+"))
    return root


def place_of(page: Page, point: int) -> tuple[float, float]:
    """Where a point is drawn, as the viewer's own search says: choose it, and it comes to the middle."""
    box = page.locator(".surface").bounding_box()
    assert box
    page.locator(".search-input").fill(f"RM-{point:05d}")
    page.locator(".search-input").press("Enter")
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def python_says(page: Page) -> Locator:
    return page.get_by_text("Python knows")


def test_it_draws_with_webgl2_and_counts_in_the_legend(page: Page, viewer: Served) -> None:
    root = open_view(page, viewer, "points=500")
    expect(root).to_have_attribute("data-renderer", "webgl2")
    counts = page.locator("button.legend-row .count").all_inner_texts()
    assert len(counts) == 5 and sum(map(int, counts)) == 500
    expect(page.locator(".legend-total")).to_have_text("500 materials")
    hollow = page.locator(".legend-row.note")
    expect(hollow.locator(".name")).to_have_text("in no training formula")


def test_a_click_selects_and_a_shift_click_adds(page: Page, viewer: Served) -> None:
    root = open_view(page, viewer, "points=40")
    x, y = place_of(page, 17)
    page.locator(".foot .clear").click()
    expect(root).to_have_attribute("data-selected", "")
    page.mouse.click(x, y)
    expect(root).to_have_attribute("data-selected", "RM-00017")
    expect(python_says(page)).to_contain_text("1 selected: RM-00017")
    x, y = place_of(page, 30)
    page.mouse.move(x + 1, y)
    expect(root).to_have_attribute("data-hover", "RM-00030")
    page.keyboard.down("Shift")
    page.mouse.click(x, y)  # is selected already by the search: shift takes it out
    page.keyboard.up("Shift")
    expect(root).to_have_attribute("data-selected-count", "0")
