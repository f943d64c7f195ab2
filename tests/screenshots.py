"""The pictures of the README: ``python -m tests.screenshots [--theme dark] [--width PIXELS] [--out FOLDER]``.

Starts the real app with the generated set and two real trainings, opens every page in Chromium, and
writes one PNG a page. Nothing of a user's own artifacts is read or changed.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from pathlib import Path
from urllib.parse import quote

from playwright.sync_api import Page, expect, sync_playwright

from matrep_core.evaluation.results import studies_folder
from matrep_core.formulas.cosmetics import generate_cosmetics
from matrep_core.formulas.storage import save_dataset
from matrep_core.runs.store import Run, runs_folder
from matrep_core.settings import from_recipe
from matrep_core.study import make_study, plan_of, run_study
from matrep_core.training import fit, prepare
from matrep_ui.page import PAGES
from tests.browser.serving import ARGUMENTS, ROOT, Served, chromium_path, run_to_its_end, running, watched_page

STUDY = "viscosity"
SIZE = {"width": 1440, "height": 1100}
TALL = {"dynamics": 1560, "materials": 1560, "similar": 1400}  # the loss curve, the map and the table belong to their pages


def train(artifacts: Path) -> tuple[str, Run]:
    """The id of the stored set and the run whose vectors the pictures show."""
    made = generate_cosmetics()
    dataset = save_dataset(made.data, ("Generated from seed 0; no measurement is real.",), artifacts)
    settings = from_recipe("default", property="viscosity", n_entries=10)
    run = prepare(runs_folder(artifacts) / "viscosity-10", made.data, settings)
    fit(run)
    plan = plan_of(made.data, settings, [2, 10], ["tanh"], 3, ["mean", "ridge", "kNN", "SVR"])
    run_study(make_study(studies_folder(artifacts) / STUDY, made.data, plan))
    return dataset, run


def address(name: str, dataset: str, run: Run) -> str:
    """The query with which a page shows the most."""
    data = run.data
    emulsifiers = [i for i, text in enumerate(data.material_info["function"]) if text == "emulsifier"]
    material = data.materials[max(emulsifiers, key=lambda i: int(run.support[i]))]
    return {
        "data": f"?data={quote(dataset)}",
        "train": f"?data={quote(dataset)}&run={quote(run.id)}",
        "evaluate": f"?study={STUDY}",
        "dynamics": f"?run={quote(run.id)}&material={quote(material)}&step={run.frame_steps()[-12]}",
        "materials": f"?run={quote(run.id)}&material={quote(material)}",
        "similar": f"?run={quote(run.id)}&material={quote(material)}",
    }.get(name, f"?run={quote(run.id)}")


def take(page: Page, app: Served, name: str, query: str, file: Path, width: int) -> None:
    page.set_viewport_size({"width": width, "height": TALL.get(name, SIZE["height"])})
    page.goto(f"{app.url}/{name}{query}")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    run_to_its_end(page)
    if name in ("dynamics", "materials"):
        expect(page.locator(".matrep")).to_have_attribute("data-drawn", re.compile(r"\d+"))
    expect(page.get_by_text("Still being computed")).to_have_count(0, timeout=300_000)
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
    page.wait_for_timeout(2_000)  # charts fade in, and fragments begin
    run_to_its_end(page)
    page.screenshot(path=file)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.screenshots", description="Write the README's pictures.")
    parser.add_argument("--theme", choices=["light", "dark"], default="light")
    parser.add_argument("--width", type=int, default=SIZE["width"], metavar="PIXELS")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images", metavar="FOLDER")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        running(ROOT / "app.py", Path(folder)) as app,
        sync_playwright() as play,
    ):
        dataset, run = train(app.artifacts)
        browser = play.chromium.launch(executable_path=chromium_path(), args=ARGUMENTS)
        with watched_page(browser, viewport=SIZE, color_scheme=arguments.theme) as page:
            for entry in PAGES:
                file = arguments.out / f"{entry.name}.png"
                take(page, app, entry.name, address(entry.name, dataset, run), file, arguments.width)
                print(file)
        browser.close()


if __name__ == "__main__":
    main()
