"""Materials and Similar by keyboard alone, on a generated set and on every real one that is there."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Locator, Page, expect

from matrep_core.errors import NotThere
from matrep_core.formulas.cosmetics import generate_cosmetics
from matrep_core.formulas.octane import read_octane
from matrep_core.formulas.reading import ReadingOptions, read_data
from matrep_core.formulas.schema import FormulaSet
from matrep_core.runs.store import Run, runs_folder
from matrep_core.settings import from_recipe
from matrep_core.similarity.evidence import similarity_of
from matrep_core.training import fit, prepare
from tests.browser.serving import Served, run_to_its_end
from tests.browser.test_explore_pages import address_of, often_used, open_map

SETS = ("generated", "octane", "shampoo", "tablets")


def set_named(name: str, request: pytest.FixtureRequest) -> FormulaSet:
    if name == "generated":
        return generate_cosmetics(formulas=160, materials=600).data
    if name == "octane":
        try:
            return read_octane()
        except NotThere as error:
            pytest.skip(str(error))
    folder: Path = request.getfixturevalue("shared_data")
    return read_data([folder / name], ReadingOptions(rescale=True)).data


@pytest.fixture(scope="module", params=SETS)
def run(app: Served, request: pytest.FixtureRequest) -> Run:
    data = set_named(request.param, request)
    settings = from_recipe("default", property=data.properties[0].name, n_entries=4, steps=120, frames=4, members=2, blend="no")
    made = prepare(runs_folder(app.artifacts) / request.param, data, settings)
    assert fit(made).state == "done"
    return made


def tab_to(page: Page, wanted: Locator, most: int = 60) -> None:
    """Press Tab until ``wanted`` or something in it has the focus."""
    expect(wanted).to_be_visible()
    run_to_its_end(page)
    for _ in range(most):
        if wanted.evaluate("wanted => wanted.contains(wanted.getRootNode().activeElement)"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not reach {wanted}")


def test_a_material_is_found_chosen_compared_and_exported(page: Page, app: Served, run: Run) -> None:
    query = often_used(run)
    code = run.data.materials[query]
    page.set_viewport_size({"width": 1280, "height": 1600})
    page.goto(f"{app.url}/similar?run={run.id}")
    tab_to(page, page.get_by_role("textbox", name=re.compile("Find by code")))
    page.keyboard.type(code)
    page.keyboard.press("Enter")
    tab_to(page, page.get_by_test_id("stButton").filter(has_text=re.compile(re.escape(code[:20]))).first.get_by_role("button"))
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("material="))
    assert address_of(page)["material"] == code
    expect(page.get_by_text("A ranking is evidence, not proof.")).to_be_visible()

    tab_to(page, page.get_by_role("button", name="Export as CSV").first)
    with page.expect_download() as file:
        page.keyboard.press("Enter")
    assert file.value.suggested_filename.endswith(".csv")
    nearest = similarity_of(run).neighbours(query, 20, among=run.support > 0).indices
    tab_to(page, page.get_by_role("combobox", name=re.compile("Side by side with")))
    page.keyboard.type(run.data.materials[int(nearest[0])])
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Formulas side by side")).to_be_visible()
    expect(page.get_by_test_id("stText").filter(has_text=f"{code}  and  {run.data.materials[int(nearest[0])]}")).to_be_visible()

    tab_to(page, page.get_by_role("button", name="Neighbours of the chosen one"))
    page.keyboard.press("Enter")
    expect(page).not_to_have_url(re.compile(f"material={re.escape(quote(code))}(&|$)"))


def test_the_map_is_walked_from_point_to_point(page: Page, app: Served, run: Run) -> None:
    code = run.data.materials[often_used(run)]
    open_map(page, app, f"run={run.id}&material={quote(code, safe='')}")
    surface = page.locator(".matrep .surface")
    tab_to(page, surface)
    last = code
    for key in ("ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp"):  # at the rim of the map one of them leads nowhere
        page.keyboard.press(key)
        page.keyboard.press("Enter")
        last = str(page.locator(".matrep").get_attribute("data-selected")) or last
        if last != code:
            break
    assert last != code and last in run.data.material_index
    expect(page).to_have_url(re.compile("material="))
    expect(page.get_by_test_id("stMain").get_by_role("heading", name=last, exact=True)).to_be_visible()
    tab_to(page, page.get_by_role("link", name="Similar materials"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Similar")
    assert address_of(page)["material"] == last
