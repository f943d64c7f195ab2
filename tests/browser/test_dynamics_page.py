"""Dynamics on runs that were trained for it, in the real app and a real browser: from the origin to groups."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from urllib.parse import parse_qs, quote, urlsplit

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Locator, Page, expect

from matrep_core import jobs
from matrep_core.formulas.cosmetics import generate_cosmetics
from matrep_core.formulas.schema import FormulaSet
from matrep_core.runs.store import Run, open_run, runs_folder
from matrep_core.settings import from_recipe
from matrep_core.training import fit, prepare
from matrep_core.views.alignment import common_materials, common_neighbours
from matrep_core.views.dynamics import held_since, moved_most, neighbour_history
from matrep_core.views.projection import pca_basis
from matrep_core.views.trajectory import trajectory
from tests.browser.serving import Served, taken
from tests.browser.test_explore_pages import HOSTILE, hostile_set

COMPUTED = 240_000  # ms; workers share two slow cores with the browser


@dataclass(frozen=True)
class Trained:
    data: FormulaSet
    plane: Run
    space: Run
    other: Run
    hostile: Run


@pytest.fixture(scope="module")
def trained(app: Served) -> Trained:
    small = generate_cosmetics(formulas=140, materials=500).data

    def train(name: str, data: FormulaSet, entries: int, seed: int = 0) -> Run:
        settings = from_recipe("default", property="viscosity", n_entries=entries, steps=400, frames=14, seed=seed, members=0)
        run = prepare(runs_folder(app.artifacts) / name, data, settings)
        assert fit(run).state == "done"
        return run

    return Trained(
        small, train("plane", small, 2), train("space", small, 17), train("other", small, 4, seed=1),
        train("hostile", hostile_set(), 3),
    )  # fmt: skip


def watch(page: Page, app: Served, query: str) -> Locator:
    """The viewer, drawn, with everything computed that the page computes by itself."""
    page.set_viewport_size({"width": 1400, "height": 1500})
    page.goto(f"{app.url}/dynamics?{query}")
    view = page.locator(".matrep").first
    expect(view).to_have_attribute("data-drawn", re.compile(r"\d+"), timeout=COMPUTED)
    expect(page.get_by_text("Still being computed")).to_have_count(0, timeout=COMPUTED)
    return view


def address_of(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def test_the_plane_is_watched_from_the_origin_to_its_groups(page: Page, app: Served, trained: Trained) -> None:
    way = trajectory(trained.plane)
    view = watch(page, app, "run=plane")
    expect(view).to_have_attribute("data-step", str(way.steps[-1]))
    expect(view).to_have_attribute("data-projection", "PCA")
    expect(page.locator(".legend-title")).to_have_text("cluster at the last step")
    expect(page.get_by_text("This picture leaves nothing out")).to_be_visible()
    hollow = int((~way.trained).sum())
    expect(page.get_by_text(f"{hollow} hollow points are in no training formula")).to_be_visible()

    page.locator(".track").focus()
    page.keyboard.press("Home")
    expect(view).to_have_attribute("data-step", "0")
    expect(page).to_have_url(re.compile(r"[?&]step=0(&|$)"))
    for step in way.steps[1:3]:
        page.keyboard.press("ArrowRight")
        expect(view).to_have_attribute("data-step", str(step))
    page.keyboard.press("End")
    expect(view).to_have_attribute("data-step", str(way.steps[-1]))
    expect(page).not_to_have_url(re.compile("step="))
    expect(page.locator(".readout")).to_contain_text("mPa·s")
    expect(page.get_by_role("heading", name="What happened, and when")).to_be_visible()
    expect(page.locator(".matrep")).to_contain_text("leaves the origin")


def test_many_entries_are_watched_in_depth_and_as_umap_and_each_picture_says_how_far_to_trust_it(
    page: Page, app: Served, trained: Trained
) -> None:
    view = watch(page, app, "run=space")
    expect(page.get_by_text(re.compile(r"the picture is (faithful|fair|rough): of a material's 10 nearest"))).to_be_visible()
    expect(page.locator(".readout")).to_contain_text("trustworthiness")
    page.get_by_role("button", name="3D").click()
    expect(view).to_have_attribute("data-axes", "0 1 2")
    expect(page).to_have_url(re.compile(r"axes=1%2C2%2C3"))
    expect(page.locator(".readout")).to_contain_text("trustworthiness", timeout=COMPUTED)

    page.locator("[data-choice=projection] select").select_option("UMAP, 2 axes")
    expect(view).to_have_attribute("data-projection", "UMAP, 2 axes", timeout=COMPUTED)
    expect(page.get_by_text("a small network learned that layout and places every step")).to_be_visible()
    expect(page.locator(".readout")).to_contain_text("trustworthiness", timeout=COMPUTED)
    expect(page).to_have_url(re.compile(r"view=UMAP"))
    page.locator(".track").focus()
    page.keyboard.press("Home")
    expect(view).to_have_attribute("data-step", "0")
    expect(page.get_by_text("At step 0 the picture is")).to_be_visible()

    page.locator("[data-choice=projection] select").select_option("Entries")
    expect(view).to_have_attribute("data-projection", "Entries", timeout=COMPUTED)


def test_what_is_seen_lives_in_the_address(page: Page, app: Served, trained: Trained) -> None:
    way = trajectory(trained.plane)
    material = trained.data.materials[int(np.argmax(trained.plane.support))]
    step = int(way.steps[6])
    query = f"run=plane&step={step}&view=Entries&axes=2,1&colour=support&material={quote(material)}&basis={way.steps[9]}"
    for _ in range(2):  # as opened, and as the page itself wrote the address
        view = watch(page, app, query)
        expect(view).to_have_attribute("data-step", str(step))
        expect(view).to_have_attribute("data-projection", "Entries")
        expect(view).to_have_attribute("data-axes", "1 0")
        expect(view).to_have_attribute("data-selected", material)
        expect(page.locator(".legend-title")).to_contain_text("support")
        found = {name: values for name, values in address_of(page).items()}
        assert found["step"] == [str(step)] and found["view"] == ["Entries"] and found["material"] == [material]
        query = urlsplit(page.url).query
    expect(page.get_by_role("combobox", name=re.compile("PCA axes from step"))).to_have_value(f"{way.steps[9]}")


BAD_ADDRESSES = {
    "run=nobody": "There is no run 'nobody'.",
    "run=plane&basis=77777": "names a step without a frame",
    "run=plane&other=nobody": "names a run to compare with that does not exist",
}


def test_a_bad_address_gives_a_sentence(page: Page, app: Served, trained: Trained) -> None:
    for query, sentence in BAD_ADDRESSES.items():
        page.goto(f"{app.url}/dynamics?{query}")
        expect(page.get_by_test_id("stAlert").filter(has_text=sentence)).to_be_visible()


def test_nonsense_in_the_rest_of_the_address_shows_the_default(page: Page, app: Served, trained: Trained) -> None:
    view = watch(page, app, "run=plane&step=xyz&view=Nothing&axes=9,9&colour=None&material=nobody")
    expect(view).to_have_attribute("data-projection", "PCA")
    expect(view).to_have_attribute("data-axes", "0 1")


def test_a_selected_material_tells_its_neighbours_and_since_when(page: Page, app: Served, trained: Trained) -> None:
    run, way = trained.space, trajectory(trained.space)
    material = int(np.argmax(run.support))
    code = run.data.materials[material]
    watch(page, app, f"run=space&material={quote(code)}")
    expect(page.get_by_text(f"training formulas: {run.support[material]:,}")).to_be_visible()
    length = float(np.linalg.norm(way.vectors(-1)[material]))
    expect(page.get_by_text(f"length of its vector at step {way.steps[-1]:,}: {length:.3g}")).to_be_visible()
    history = neighbour_history(way, np.array([material]))
    nearest = run.data.material_info["inci"].iloc[history[-1, 0, 0]]
    expect(page.locator(".matrep").get_by_role("button", name=f"{nearest} since")).to_be_visible()
    since = way.steps[held_since(history)[-1, 0]]
    assert since.min() >= 0
    page.get_by_role("link", name="Similar materials").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Similar")
    assert address_of(page)["material"] == [code] and address_of(page)["run"] == ["space"]


def table(page: Page, kind: str) -> pd.DataFrame:
    file = taken(page, page.get_by_role("button", name=kind, exact=True))
    content = file.path().read_bytes()
    if kind == "Parquet":
        return pd.read_parquet(io.BytesIO(content))
    header, *rows = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    return pd.DataFrame(rows, columns=header)


def test_the_points_shown_leave_as_csv_and_parquet(page: Page, app: Served, trained: Trained) -> None:
    way = trajectory(trained.space)
    step = int(way.steps[8])
    view = watch(page, app, f"run=space&step={step}")
    expect(view).to_have_attribute("data-step", str(step))
    basis = pca_basis(way.vectors(-1), 3, way.trained)
    expected = basis.apply(way.vectors(8))
    for kind in ("CSV", "Parquet"):
        found = table(page, kind)
        assert found["material"].tolist() == list(trained.data.materials)
        assert set(found["step"].astype(int)) == {step}
        np.testing.assert_allclose(found[expected.axes[0]].astype(float), expected.coordinates[:, 0], atol=1e-3)
        assert {"cluster at the last step", "neighbours kept", "trustworthiness", "continuity", "support"} <= set(found.columns)


def test_two_runs_move_on_one_scrubber_with_one_selection(page: Page, app: Served, trained: Trained) -> None:
    watch(page, app, "run=space&other=other")
    first, second = page.locator(".matrep").first, page.locator(".matrep").nth(1)
    expect(second).to_have_attribute("data-drawn", re.compile(r"\d+"))
    one, other = trajectory(trained.space), trajectory(trained.other)
    rows = common_materials(trained.space.data.materials, trained.other.data.materials)
    both = int((one.trained[rows[0]] & other.trained[rows[1]]).sum())
    expect(page.get_by_text(f"{both} materials trained in both runs.")).to_be_visible()
    share = common_neighbours(one, other, rows).share[-1]
    expect(page.get_by_text(f"At this step they share {share:.1%} of a material's 10 nearest")).to_be_visible()
    expect(page.locator(".readout").first).to_contain_text("common neighbours")

    page.locator(".track").first.focus()
    page.keyboard.press("Home")
    expect(first).to_have_attribute("data-step", "0")
    expect(second).to_have_attribute("data-step", "0")
    code = trained.data.materials[int(np.argmax(trained.space.support))]
    page.locator(".search-input").first.fill(code)
    page.locator(".search-input").first.press("Enter")
    expect(first).to_have_attribute("data-selected", code)
    expect(second).to_have_attribute("data-selected", code)


def test_a_run_of_other_materials_cannot_be_laid_beside_and_the_first_stays(page: Page, app: Served, trained: Trained) -> None:
    view = watch(page, app, "run=plane&other=hostile")
    expect(page.get_by_text("cannot be laid onto each other")).to_be_visible()
    expect(view).to_be_visible()
    expect(page.locator(".matrep")).to_have_count(1)


def test_what_moved_most_is_listed_and_can_be_selected(page: Page, app: Served, trained: Trained) -> None:
    way = trajectory(trained.plane)
    view = watch(page, app, "run=plane")
    indices, _ = moved_most(way, 0, len(way) - 1, 1)
    most = trained.data.materials[int(indices[0])]
    panel = page.get_by_test_id("stDataFrame").nth(0)
    expect(panel.locator("canvas").first).to_be_visible()
    expect(page.get_by_text("Still being computed")).to_have_count(0, timeout=120_000)  # what comes moves the page
    panel.scroll_into_view_if_needed()
    panel.click(position={"x": 16, "y": 35 + 17})
    expect(view).to_have_attribute("data-selected", most)


def test_a_hostile_name_is_shown_as_written(page: Page, app: Served, trained: Trained) -> None:
    code = HOSTILE[1]
    watch(page, app, f"run=hostile&material={quote(code, safe='')}")
    shown = page.get_by_test_id("stText").filter(has_text=f"{code} INCI")
    expect(shown.first).to_be_visible()
    assert shown.first.locator("a, img, script, em, strong, code, svg").count() == 0


def test_a_training_run_grows_under_the_eyes_and_is_finished_there(page: Page, app: Served, trained: Trained) -> None:
    settings = from_recipe("default", property="viscosity", n_entries=3, steps=60_000, frames=60, validation_share=0.0, members=0)
    run_id = jobs.start(app.artifacts, trained.data, settings)
    run = open_run(app.artifacts, run_id)
    try:
        page.wait_for_timeout(500)
        while not len(run.frame_steps()):
            page.wait_for_timeout(300)
        page.set_viewport_size({"width": 1400, "height": 1500})
        page.goto(f"{app.url}/dynamics?run={run_id}")
        view = page.locator(".matrep")
        expect(view).to_have_attribute("data-drawn", re.compile(r"\d+"))
        expect(page.get_by_text("This run is training")).to_be_visible()
        step = int(str(view.get_attribute("data-step")))
        expect(view).not_to_have_attribute("data-step", str(step))
        assert int(str(view.get_attribute("data-step"))) > step
    finally:
        jobs.stop(app.artifacts, run_id)
    expect(page.get_by_text("This run is training")).to_have_count(0, timeout=COMPUTED)
    expect(page.get_by_text("This picture leaves nothing out").or_(page.get_by_text("the picture is"))).to_be_visible(timeout=COMPUTED)
    last = int(run.frame_steps()[-1])
    expect(view).to_have_attribute("data-step", str(last))
