"""The main job, end to end: real formulas in, a model trained, materials seen, the neighbours of one read."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, Page, expect

from matrep_core.formulas.storage import save_dataset
from matrep_core.runs.store import Run, list_runs, open_run
from matrep_core.similarity.evidence import similarity_of
from matrep_core.wording import measured
from tests.browser.serving import ROOT, Served, running, taken, unfold, watched_page
from tests.browser.test_data_page import open_data, upload
from tests.browser.test_explore_pages import address_of, download, search


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_role("combobox", name=re.compile(label)).first.click()
    page.get_by_role("option", name=re.compile(option)).first.click()


def only_run(app: Served) -> Run:
    (summary,), broken = list_runs(app.artifacts)
    assert not broken
    return open_run(app.artifacts, summary.id)


def test_shampoo_from_files_to_neighbours(page: Page, app: Served, shared_data: Path) -> None:
    page.goto(f"{app.url}/train")
    expect(page.get_by_text("There is no data set yet.")).to_be_visible()
    page.get_by_role("link", name="Choose data").click()

    open_data(page, app)
    upload(page, *(shared_data / "shampoo" / f"{n}.csv" for n in ("formulas", "properties", "materials")), name="Shampoo")
    page.get_by_role("button", name="Read the files").click()
    page.get_by_role("link", name="Train a model on it").click()

    choose(page, "Property", "viscosity_100s")
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.get_by_text("Evaluation error")).to_be_visible(timeout=120_000)
    run = only_run(app)
    assert f"run={run.id}" in page.url and run.status().state == "done"
    expect(page.get_by_text(measured(run.scores()["eval"]["mae"], "mPa.s")).first).to_be_visible()
    expect(page.get_by_test_id("stVegaLiteChart").first).to_be_visible()
    page.reload()
    expect(page.get_by_text("Evaluation error")).to_be_visible()

    page.get_by_role("link", name="See the materials").click()
    expect(page).to_have_url(re.compile(rf"/materials\?.*run={run.id}"))
    expect(page.locator(".matrep")).to_have_attribute("data-drawn", re.compile(r"\d+"))
    search(page, run.data.materials[int(np.argmax(run.support))])
    expect(page).to_have_url(re.compile("material="))
    page.get_by_text("Clear", exact=True).click()
    expect(page).not_to_have_url(re.compile("material="))
    box = page.locator(".surface").bounding_box()
    assert box
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)  # the search left its point in the middle
    expect(page).to_have_url(re.compile("material="))
    page.get_by_role("link", name="Similar materials").click()
    chosen = address_of(page)["material"]
    expect(page).to_have_url(re.compile(r"/similar\?"))
    found = similarity_of(run).neighbours(run.data.material_index[chosen], 20, among=run.support > 0)
    header, *rows = download(page)
    assert header[0] == "material" and [row[0] for row in rows] == [run.data.materials[i] for i in found.indices]


def test_a_training_is_stopped_resumed_and_deleted(page: Page, app: Served, small_cosmetics) -> None:
    from matrep_core import jobs
    from matrep_core.settings import from_recipe

    long = from_recipe("default", property="viscosity", steps=2_000_000, members=0, validation_share=0.0, hidden_width=16)
    run = open_run(app.artifacts, jobs.start(app.artifacts, small_cosmetics, long))
    page.goto(f"{app.url}/train?run={run.id}")
    expect(page.get_by_text(re.compile(r"step [\d,]+ of 2,000,000"))).to_be_visible()
    page.reload()
    page.get_by_test_id("stBaseButton-secondary").filter(has_text="Stop").click()  # Streamlit has a Stop of its own
    expect(page.get_by_text("Stopped on request.")).to_be_visible()
    assert run.status().state == "stopped"
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_text(re.compile(r"step [\d,]+ of 2,000,000"))).to_be_visible()
    page.get_by_test_id("stBaseButton-secondary").filter(has_text="Stop").click()  # Streamlit has a Stop of its own
    expect(page.get_by_text("Stopped on request.")).to_be_visible()
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_text("Stopped on request.")).to_have_count(0)
    assert not run.path.exists()


def test_an_exported_run_is_loaded_again(page: Page, app: Served, small_cosmetics, tmp_path: Path) -> None:
    from matrep_core.settings import from_recipe
    from matrep_core.training import fit, prepare

    made = prepare(app.artifacts / "runs" / "made-here", small_cosmetics, from_recipe("default", property="pH", steps=30))
    fit(made)
    page.goto(f"{app.url}/train?run=made-here")
    page.get_by_role("button", name="Prepare download").click()
    download = taken(page, page.get_by_role("button", name="Download", exact=True))
    path = tmp_path / "run.zip"
    path.write_bytes(Path(download.path()).read_bytes())
    unfold(page, "Load an exported run")
    page.locator("input[type=file]").last.set_input_files(path)
    page.get_by_role("button", name="Load", exact=True).click()
    expect(page).to_have_url(re.compile(r"run=made-here-[0-9a-f]{4}"))
    again = open_run(app.artifacts, re.search(r"run=(made-here-[0-9a-f]{4})", page.url)[1])
    np.testing.assert_array_equal(again.vectors(), made.vectors())


def test_a_file_that_is_no_run_is_refused_in_a_sentence(page: Page, app: Served, tmp_path: Path) -> None:
    bad = tmp_path / "run.zip"
    bad.write_bytes(b"PK\x03\x04 nothing")
    page.goto(f"{app.url}/train")
    unfold(page, "Load an exported run")
    page.locator("input[type=file]").last.set_input_files(bad)
    page.get_by_role("button", name="Load", exact=True).click()
    expect(page.get_by_text("Choose a zip that MatRep exported.")).to_be_visible()


def test_a_training_outlives_its_server(chromium: Browser, tmp_path: Path, small_cosmetics) -> None:
    """Started from the page; the server is killed and started again; the page shows the same training going on."""
    progress = re.compile(r"step [\d,]+ of 5,000,000")
    dataset = save_dataset(small_cosmetics, ("generated",), tmp_path / "artifacts")
    with running(ROOT / "app.py", tmp_path) as served, watched_page(chromium) as page:
        page.goto(f"{served.url}/train?data={dataset}")
        unfold(page, "All settings")
        for label, value in (("Steps", "5000000"), ("Fold models", "0"), ("Validation share", "0")):
            field = page.get_by_role("spinbutton", name=re.compile(f"^{label}"))
            field.fill(value)
            field.press("Tab")
        page.get_by_role("button", name="Train", exact=True).click()
        expect(page.get_by_text(progress)).to_be_visible()
    run = only_run(served)
    reached = run.status()
    assert reached.state == "training"
    with running(ROOT / "app.py", tmp_path) as served, watched_page(chromium) as page:
        page.goto(f"{served.url}/train?run={run.id}")
        expect(page.get_by_text(progress)).to_be_visible()
        assert run.status().step > reached.step
        page.get_by_test_id("stBaseButton-secondary").filter(has_text="Stop").click()  # Streamlit has a Stop of its own
        expect(page.get_by_text("Stopped on request.")).to_be_visible()
