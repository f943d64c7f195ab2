"""Evaluate in the real app: a study is started, survives the server, and its page says who wins and where errors come from."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from matrep_core.evaluation.report import headline
from matrep_core.evaluation.results import Study, list_studies, studies_folder
from matrep_core.formulas.storage import save_dataset
from matrep_core.settings import from_recipe
from matrep_core.study import make_study, plan_of, run_study
from tests.browser.serving import ROOT, Served, running, watched_page
from tests.browser.test_explore_pages import address_of, hostile_set


@pytest.fixture(scope="module")
def study(app: Served) -> Study:
    """Two splits of formulas with hostile names, two N_entries, three quick baselines, intervals."""
    data = hostile_set()
    settings = from_recipe("default", property="viscosity", steps=60, frames=4, members=2, blend="no", hidden_width=16)
    made = make_study(studies_folder(app.artifacts) / "hostile", data, plan_of(data, settings, [2, 3], ["tanh"], 2, ["mean", "ridge", "kNN"]))
    assert run_study(made) == {}
    return made


def test_without_data_the_page_says_what_to_do_next(page: Page, app: Served) -> None:
    page.goto(f"{app.url}/evaluate")
    expect(page.get_by_text("There is no data set yet.")).to_be_visible()
    page.get_by_role("link", name="Choose data").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Data")


def test_a_study_is_shown_from_headline_to_composition(page: Page, app: Served, study: Study) -> None:
    page.set_viewport_size({"width": 1280, "height": 4200})
    page.goto(f"{app.url}/evaluate?study=hostile")
    expect(page.get_by_text(headline(study, study.errors())).first).to_be_visible()
    expect(page.get_by_text(re.compile(r"\d+% of the evaluated formulas hold exactly the materials"))).to_be_visible()
    expect(page.get_by_text("10 of 10 runs and baselines are done")).to_be_visible()
    expect(page.locator("[data-testid=stVegaLiteChart]")).to_have_count(7)
    expect(page.locator("[data-testid=stDataFrame]")).to_have_count(3)
    page.get_by_text("log10 RMSE", exact=True).click()
    expect(page.get_by_text("log10 RMSE: means over the split seeds")).to_be_visible()

    table = page.get_by_test_id("stDataFrame").last
    table.scroll_into_view_if_needed()
    box = table.bounding_box()
    assert box
    page.mouse.click(box["x"] + 12, box["y"] + 52)  # the box before the first row
    expect(page.get_by_text(re.compile(r"^Formula =F\d+: 3 materials$"))).to_be_visible()
    page.get_by_role("link", name="On the map of materials").click()
    expect(page).to_have_url(re.compile(r"/materials\?.*run=hostile--tanh-n[23]-s[01]"))
    material = address_of(page)["material"]
    assert material in study.data.materials
    expect(page.get_by_role("heading", name=material, exact=True)).to_be_visible()


def test_the_page_fits_a_narrow_window(chromium: Browser, app: Served, study: Study) -> None:
    with watched_page(chromium, viewport={"width": 500, "height": 900}, color_scheme="dark") as page:
        page.goto(f"{app.url}/evaluate?study=hostile")
        expect(page.get_by_text("Who wins")).to_be_visible()
        expect(page.locator("[data-testid=stVegaLiteChart]").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_an_address_of_no_study_is_a_sentence(page: Page, app: Served, study: Study) -> None:
    page.goto(f"{app.url}/evaluate?study=nobody")
    expect(page.get_by_text("There is no such study. Choose one from the list.")).to_be_visible()


def test_a_study_started_on_the_page_outlives_its_server(chromium: Browser, tmp_path: Path, small_cosmetics) -> None:
    save_dataset(small_cosmetics, ("generated",), tmp_path / "artifacts")
    with running(ROOT / "app.py", tmp_path) as served, watched_page(chromium) as page:
        page.goto(f"{served.url}/evaluate")
        page.get_by_role("combobox", name=re.compile("Recipe")).click()
        page.get_by_role("option", name="report").click()
        page.get_by_role("button", name="Start the study").click()
        expect(page.get_by_text(re.compile(r"\d+ of 45 runs and baselines are done"))).to_be_visible()
    (made,), broken = list_studies(served.artifacts)
    assert not broken and made.busy and made.state()[0] == "running"
    assert made.plan.entries == (2, 10, 50) and made.plan.splits == 5
    with running(ROOT / "app.py", tmp_path) as served, watched_page(chromium) as page:
        page.goto(f"{served.url}/evaluate")
        expect(page.get_by_text(re.compile(r"\d+ of 45 runs and baselines are done"))).to_be_visible()
        page.get_by_role("button", name="Stop", exact=True).last.click()
        expect(page.get_by_role("button", name="Go on")).to_be_visible(timeout=120_000)
        assert made.state()[0] == "stopped"
        page.get_by_role("button", name="Delete", exact=True).click()
        page.get_by_role("button", name="Delete for good").click()
        expect(page.get_by_text("No study yet.")).to_be_visible()
    assert not made.path.exists()
