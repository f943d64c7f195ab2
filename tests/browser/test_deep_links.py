"""Any page opens by its address, also as the first thing that a fresh server is asked for: whole, from this server alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from matrep_ui.page import PAGES, PageEntry
from tests.browser.serving import ROOT, Served

Serve = Callable[[Path], AbstractContextManager[Served]]


def foreign_requests(page: Page, served: Served) -> list[str]:
    """Fills with the addresses that the page asks of anyone but its own server."""
    found: list[str] = []
    own = (served.url, served.url.replace("http", "ws"), "data:", "blob:")
    page.on("request", lambda request: None if request.url.startswith(own) else found.append(request.url))
    return found


# Two pages stand for all: they load the most of the core.
@pytest.mark.parametrize("entry", PAGES[-2:], ids=lambda entry: entry.name)
def test_a_fresh_server_opens_a_page_by_its_address(entry: PageEntry, page: Page, serve: Serve) -> None:
    with serve(ROOT / "app.py") as served:
        foreign = foreign_requests(page, served)
        page.goto(f"{served.url}/{entry.name}?material=A%2F1")
        expect(page.get_by_role("heading", level=1)).to_have_text(entry.title)
        sidebar = page.get_by_test_id("stSidebarNav")
        for other in PAGES:
            expect(sidebar.get_by_text(other.section, exact=True).first).to_be_visible()
            expect(sidebar.get_by_role("link", name=other.title)).to_have_count(1)
        expect(sidebar.get_by_role("link")).to_have_count(len(PAGES))
        for other in PAGES:
            sidebar.get_by_role("link", name=other.title).click()
            expect(page.get_by_role("heading", level=1)).to_have_text(other.title)
        assert foreign == []


def test_every_page_opens_by_its_address(page: Page, app: Served) -> None:
    foreign = foreign_requests(page, app)
    for entry in PAGES:
        page.goto(f"{app.url}/{entry.name}?material=A%2F1")
        expect(page.get_by_role("heading", level=1)).to_have_text(entry.title)
        expect(page).to_have_title(f"{entry.title} · MatRep")
        expect(page).to_have_url(re.compile(rf"/{entry.name}\?.*material=A%2F1"))
    assert foreign == []


def test_the_empty_address_leads_to_the_first_page_and_empty_pages_lead_onwards(page: Page, app: Served) -> None:
    page.goto(app.url)
    expect(page).to_have_url(f"{app.url}/{PAGES[0].name}")
    for name in ("materials", "similar", "dynamics"):
        page.goto(f"{app.url}/{name}")
        expect(page.get_by_text("There is no trained model yet.")).to_be_visible()
        page.get_by_role("link", name="Train a model").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Train")
