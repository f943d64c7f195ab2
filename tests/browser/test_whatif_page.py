"""The page What if on real shampoos, in the real app and a real browser: from the question to the plan."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from benchmarks.placing import subset
from matrep_core.formulas.reading import read_data
from matrep_core.formulas.storage import list_datasets, open_dataset, save_dataset
from matrep_core.runs.store import Run, runs_folder
from matrep_core.settings import from_recipe
from matrep_core.training import fit, prepare
from matrep_core.whatif.bench import Bench
from matrep_core.whatif.substitute import Wish, candidates
from tests.browser.serving import Served, run_to_its_end, taken, unfold

FORMULA, OLD = "279", "Dehyton PK 45"


@pytest.fixture(scope="module")
def shampoo(app: Served, shared_data) -> Run:
    data = read_data([shared_data / "shampoo"]).data
    settings = from_recipe("default", property="viscosity_100s", n_entries=5, steps=300, members=3, frames=4)
    run = prepare(runs_folder(app.artifacts) / "shampoo", data, settings)
    assert fit(run).state == "done"
    return run


def rows_of(page: Page, table: str) -> list[dict[str, str]]:
    """The rows of the CSV that the export button of ``table`` saves; buttons appear in any order, so none has a number."""
    saved = taken(page, page.locator(f".st-key-{table}-csv").get_by_role("button"))
    return list(csv.DictReader(io.StringIO(saved.path().read_text("utf-8-sig"))))


def choose(page: Page, label: str, what: str) -> None:
    """Add one entry to the list that is called so, by typing."""
    run_to_its_end(page)
    box = page.get_by_role("combobox", name=re.compile(re.escape(label)))
    box.click()
    box.press_sequentially(what)
    expect(page.get_by_role("option").first).to_contain_text(what)
    box.press("Enter")
    box.press("Escape")
    run_to_its_end(page)


def test_a_substitution_from_the_question_to_the_exported_plan(page: Page, app: Served, shampoo: Run):
    page.goto(f"{app.url}/whatif?run=shampoo&formula={FORMULA}&old={OLD}")
    expect(page.get_by_role("heading", name="Candidates")).to_be_visible(timeout=90_000)
    expect(page.get_by_role("heading", name="Before and after")).to_be_visible(timeout=90_000)

    bench = Bench([shampoo])
    formula = bench.formula(FORMULA)
    expected = candidates(bench, bench.dense(formula), OLD, Wish(), formula)
    rows = rows_of(page, "candidates")
    assert [row["material"] for row in rows] == expected["material"].tolist()
    assert float(rows[0]["viscosity_100s after"]) == pytest.approx(expected["viscosity_100s after"].iloc[0])
    expect(page.get_by_text(f"{rows[0]['material']}  for  {OLD}  in  {FORMULA}")).to_be_visible()

    page.get_by_role("radio", name="Optimised").or_(page.get_by_role("button", name="Optimised")).first.click()
    expect(page.get_by_text("keeps the property nearest to what it was")).to_be_visible()
    plan = rows_of(page, "plan")
    new = plan[0]["plan"].removesuffix(f" for {OLD}")
    weighed = {row["what"]: row for row in plan if row["kind"] == "weigh"}
    assert float(weighed[OLD]["after"]) == 0 and float(weighed[new]["after"]) > 0
    assert sum(float(row["after"]) for row in weighed.values()) == pytest.approx(100, abs=0.5)
    (told,) = [row for row in plan if row["kind"] == "expect"]
    assert told["unit"] == "mPa.s" and float(told["low80"]) < float(told["after"]) < float(told["high80"])


def test_a_pasted_formula_is_refused_line_by_line_and_then_answered(page: Page, app: Served, shampoo: Run):
    page.goto(f"{app.url}/whatif?run=shampoo")
    page.get_by_text("Paste a formula instead").click()
    box = page.get_by_label("Material and weight-% a line")
    box.fill("Water\t80\nNobody knows\t20")
    box.press("Control+Enter")
    expect(page.get_by_text("this material is not known")).to_be_visible(timeout=90_000)
    box.fill("Water\t85\nDehyton PK 45\t12\nArlypon F\t3")
    box.press("Control+Enter")
    expect(page.get_by_text("for  Dehyton PK 45  in  pasted")).to_be_visible(timeout=90_000)


def test_everywhere_and_cliffs(page: Page, app: Served, shampoo: Run):
    page.set_viewport_size({"width": 500, "height": 900})
    page.goto(f"{app.url}/whatif?run=shampoo&ask=everywhere&old={OLD}&new=Plantacare 2000")
    expect(page.get_by_text("formulas would break")).to_be_visible(timeout=90_000)
    rows = rows_of(page, "everywhere")
    assert len(rows) == int((shampoo.data.amounts[:, [shampoo.data.material_index[OLD]]].toarray() > 0).sum())
    assert [float(row["by"]) for row in rows] == sorted((float(row["by"]) for row in rows), reverse=True)
    page.goto(f"{app.url}/whatif?run=shampoo&ask=cliffs")
    expect(page.get_by_text("and yet change")).to_be_visible(timeout=90_000)
    assert page.evaluate("document.documentElement.scrollWidth") <= 500
    page.goto(f"{app.url}/whatif?run=shampoo&old=Nobody")
    expect(page.get_by_text("This formula does not hold 'Nobody'")).to_be_visible(timeout=90_000)


def test_an_aim_keeps_the_bounds_of_materials(page: Page, app: Served, shampoo: Run):
    page.goto(f"{app.url}/whatif?run=shampoo&ask=aim&formula={FORMULA}")
    box = page.get_by_label(re.compile("^At least")).first
    box.fill("200")
    box.press("Enter")
    expect(page.get_by_text("Other amounts of")).to_be_visible(timeout=120_000)
    plan = rows_of(page, "plan")
    (told,) = [row for row in plan if row["kind"] == "expect"]
    assert float(told["after"]) > float(told["before"])

    out = next(row["what"] for row in plan if row["kind"] == "weigh" and 0 < float(row["before"]) < 20)
    unfold(page, "What may change")
    choose(page, "Leave these out", out)
    expect(page.get_by_text(re.compile(f"Other amounts of .*{re.escape(out)}"))).to_be_visible(timeout=120_000)
    weighed = {row["what"]: float(row["after"]) for row in rows_of(page, "plan") if row["kind"] == "weigh"}
    assert weighed[out] == 0 and sum(weighed.values()) == pytest.approx(100, abs=0.5)
    choose(page, "Bound the weight-% of these", out)
    expect(page.get_by_text("it is left out and bounded at once")).to_be_visible()


def test_a_new_material_is_placed(page: Page, app: Served, shampoo: Run, shared_data):
    data = read_data([shared_data / "shampoo"]).data
    renamed = replace(data, materials=tuple(f"{OLD} new" if code == OLD else code for code in data.materials))
    rows = np.flatnonzero(data.amounts[:, [data.material_index[OLD]]].toarray()[:, 0])
    measured = set(data.measurements.loc[data.measurements["property"] == "viscosity_100s", "formula"])
    saved = save_dataset(subset(renamed, np.array([row for row in rows if row in measured][:8])), (), app.artifacts)
    page.goto(f"{app.url}/whatif?run=shampoo&ask=place&new_data={saved}")
    expect(page.get_by_role("heading", name=f"{OLD} new")).to_be_visible(timeout=120_000)
    placed = rows_of(page, "placed")
    assert len(placed) == 8 and all(float(row["low80"]) < float(row["predicted"]) < float(row["high80"]) for row in placed)


def test_look_alikes_are_merged_tried_and_mapped(page: Page, app: Served, shampoo: Run):
    page.goto(f"{app.url}/whatif?run=shampoo&ask=merge")
    expect(page.get_by_text("19 codes become")).to_be_visible(timeout=90_000)
    splits = page.get_by_role("spinbutton", name="Splits")
    splits.fill("2")
    page.get_by_role("button", name="Train before and after").click()
    expect(page.get_by_text("95 % interval over 2 paired splits")).to_be_visible(timeout=240_000)
    tried, mapping = rows_of(page, "merge-splits"), rows_of(page, "mapping")
    assert [row["split"] for row in tried] == ["0", "1"] and float(tried[0]["MAE (mPa.s) before"]) > 0
    assert mapping and {row["old_code"] for row in mapping} <= set(shampoo.data.materials)
    support = {code: int(uses) for code, uses in zip(shampoo.data.materials, shampoo.data.support, strict=True)}
    assert all(int(row["old_support"]) == support[row["old_code"]] < int(row["new_support"]) for row in mapping)

    page.get_by_role("button", name="Keep the merged formulas").click()
    expect(page.get_by_text("Kept. Train a model of it")).to_be_visible()
    (kept,) = [each for each in list_datasets(app.artifacts) if each.name.endswith("merged")]
    assert len(open_dataset(app.artifacts, kept.id).materials) == 19 - len(mapping) + len({row["new_code"] for row in mapping})

    page.reload()  # what was tried is kept
    splits.fill("2")
    splits.press("Enter")
    page.set_viewport_size({"width": 500, "height": 900})
    expect(page.get_by_text("95 % interval over 2 paired splits")).to_be_visible(timeout=60_000)
    assert page.evaluate("document.documentElement.scrollWidth") <= 500
    twice = mapping[0]["old_code"]
    choose(page, "A group of your own", twice)
    choose(page, "A group of your own", "Water" if "Water" in support else next(code for code in support if code != twice))
    expect(page.get_by_text("two groups")).to_be_visible()
